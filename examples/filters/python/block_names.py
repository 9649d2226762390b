"""Refuses messages with attachments whose names a table lists."""

import json
from collections.abc import Iterator

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.configuration import ConfigError
from wit_world.exports.message import Outcome
from wit_world.imports import explain, mail, tables
from wit_world.imports.tables import Key
from wit_world.imports.types import Reply, Verdict_Next, Verdict_Reject

# Octets of one field, or of one line of the body, that are looked at.
LONGEST_FIELD = 8192
LARGEST_PIECE = 65536
FIELDS = (b"content-disposition:", b"content-type:")

# Lower case for letters, `?` for what is no printable US-ASCII; line ends of folding go.
FOLDED = bytes(ord("?") if not (32 <= octet <= 126 or octet == 9) else ord(chr(octet).lower()) for octet in range(256))

# The stage's `config`. What `configure` leaves here is what every message finds.
table = ""


class Configuration(exports.Configuration):
    def configure(self, config: str) -> None:
        global table
        given, mistakes = json.loads(config), []
        if "table" not in given:
            mistakes.append(ConfigError("", "`table` is missing"))
        elif not isinstance(given["table"], str):
            mistakes.append(ConfigError("table", "this must be the name of a table"))
        elif given["table"] not in tables.granted():
            mistakes.append(ConfigError("table", "there is no such table in [tables]"))
        mistakes += [ConfigError(key, "unknown key; known: table") for key in given if key != "table"]
        if mistakes:
            raise Err(mistakes)
        table = given["table"]


class Message(exports.Message):
    def filter(self, message: mail.Message) -> Outcome:
        for field in fields(message):
            for name in names(field):
                # An error of the table's passes through: the message is tried again later.
                hit = tables.lookup([table], keys(name))
                if hit is not None:
                    reply = Reply(550, "5.7.1", f"{name}: {hit.value}")
                    reason = "an attachment's name is listed" if explain.wanted() else None
                    return Outcome(Verdict_Reject(reply), reason, [])
        return Outcome(Verdict_Next(), None, [])


def keys(name: str) -> list[Key]:
    """The name as a whole, then its extension."""
    dot = name.rfind(".")
    return [Key(name, False)] + ([Key(name[dot:], True)] if dot >= 0 else [])


def fields(message: mail.Message) -> Iterator[bytes]:
    """The values of the fields that name attachments: of the message itself, then of its parts, however deep they are."""
    for field in message.fields(["Content-Disposition", "Content-Type"]):
        yield field.value
    value = None
    for line in lines(message):
        if value is not None and line[:1] in (b" ", b"\t"):
            if len(value) + len(line) <= LONGEST_FIELD:
                value += line
            continue
        if value is not None:
            yield value
        name = next((name for name in FIELDS if line[: len(name)].lower() == name), None)
        value = line[len(name) :] if name else None
    if value is not None:
        yield value


def lines(message: mail.Message) -> Iterator[bytes]:
    """The lines of the body, each cut after LONGEST_FIELD octets."""
    offset, line = 0, b""
    while piece := message.read_body(offset, LARGEST_PIECE):
        offset += len(piece)
        *complete, rest = piece.split(b"\n")
        for part in complete:
            yield (line + part)[:LONGEST_FIELD]
            line = b""
        line = (line + rest)[:LONGEST_FIELD]
    yield line


def names(field: bytes) -> Iterator[str]:
    """The parameters `filename` and `name` of a field (RFC 2045 5.1, RFC 2183 2.3), in lower case."""
    for parameter in parameters(field.translate(FOLDED, b"\r\n").decode()):
        attribute, _, value = parameter.partition("=")
        if attribute.strip(" \t") in ("filename", "name"):
            yield value.strip(" \t")


def parameters(value: str) -> Iterator[str]:
    """What stands between the semicolons, without quotes."""
    parameter, quoted, escaped = "", False, False
    for c in value:
        if c == "\\" and quoted and not escaped:
            escaped = True
            continue
        if c == '"' and not escaped:
            quoted = not quoted
        elif c == ";" and not quoted:
            yield parameter
            parameter = ""
        else:
            parameter += c
        escaped = False
    yield parameter
