"""Marks messages that come from outside: a text before the Subject, and a field of its own."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.configuration import ConfigError
from wit_world.exports.message import Change, Change_InsertField, Change_ReplaceField, Edit, Outcome
from wit_world.imports import explain, mail
from wit_world.imports.types import NewField, Position_Bottom, ReversePath_Address, Verdict_Next

# The stage's `config`. What `configure` leaves here is what every message finds.
text = "[EXTERNAL]"
domains: list[str] = []


class Configuration(exports.Configuration):
    def configure(self, config: str) -> None:
        global text, domains
        given, mistakes = json.loads(config), []
        text = given.pop("text", text)
        if not isinstance(text, str) or not text or not all(" " <= c <= "~" for c in text):
            mistakes.append(ConfigError("text", "it must be printable US-ASCII and not empty"))
        domains = given.pop("domains", domains)
        if not isinstance(domains, list) or not all(isinstance(domain, str) for domain in domains):
            mistakes.append(ConfigError("domains", "this must be a list of strings"))
        mistakes += [ConfigError(key, "unknown key; known: domains, text") for key in given]
        if mistakes:
            raise Err(mistakes)


class Message(exports.Message):
    def filter(self, message: mail.Message) -> Outcome:
        if message.client().trusted:
            return Outcome(Verdict_Next(), because("the client is trusted"), [])
        sender = message.sender()
        if isinstance(sender, ReversePath_Address) and is_ours(sender.value.rpartition("@")[2]):
            return Outcome(Verdict_Next(), because("the sender's domain is ours"), [])
        edits = []
        subject = next(iter(message.fields(["Subject"])), None)
        if subject is None:
            edits.append(edit(insert("Subject", text)))
        elif text.encode() not in subject.value:
            value = b" " + text.encode() + subject.value
            edits.append(edit(Change_ReplaceField((subject.index, value)), "the message is external"))
        edits.append(edit(insert("X-External", "yes")))
        return Outcome(Verdict_Next(), None, edits)


def is_ours(domain: str) -> bool:
    """Whether it is one of our domains or below one."""
    below = "." + domain.lower()
    return any(below.endswith("." + own.lower()) for own in domains)


def insert(name: str, value: str) -> Change:
    return Change_InsertField((Position_Bottom(), NewField(name, b" " + value.encode())))


def edit(change: Change, reason: str = "") -> Edit:
    return Edit(change, because(reason) if reason else None)


def because(reason: str) -> str | None:
    return reason if explain.wanted() else None
