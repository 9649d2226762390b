"""Writes seeds for the fuzz targets: what the clients say in tests/dialogues, and the texts beside this file.

usage: seeds.py FOLDER    makes a folder for each target in it
"""

import pathlib
import re
import shutil
import sys

HERE = pathlib.Path(__file__).parent
LONGEST = 4096  # a dialogue that sends megabytes would only slow the fuzzer down


def octets(text: str) -> bytes:
    """Text with the escapes of tests/dialogues/README.md."""

    def escape(match: re.Match) -> bytes:
        name = match[1]
        if name.startswith(b"{"):
            inner, count = name[1:-1].rsplit(b"*", 1)
            return escaped(inner) * int(count)
        if name.startswith(b"x"):
            return bytes([int(name[1:], 16)])
        return {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}[name]

    def escaped(text: bytes) -> bytes:
        return re.sub(rb"\\(\{[^}]*\}|x..|.)", escape, text)

    return escaped(text.encode())


def client(dialogue: pathlib.Path) -> bytes:
    """All that the client says."""
    said = b""
    for line in dialogue.read_text(encoding="utf-8").splitlines():
        mark, _, rest = line.partition(" ")
        if mark in ("C:", "C|"):
            said += octets(rest) + (b"\r\n" if mark == "C:" else b"")
    return said


def main(folder: pathlib.Path) -> None:
    for target in ("command", "data", "proxy", "session"):
        (folder / target).mkdir(parents=True, exist_ok=True)
    for target in ("command", "data", "proxy"):
        for seed in (HERE / "seeds" / target).iterdir():
            shutil.copy(seed, folder / target / seed.name)
    for dialogue in sorted((HERE / "../../tests/dialogues").glob("*/*.smtp")):
        said = client(dialogue)
        if len(said) > LONGEST:
            continue
        name = f"{dialogue.parent.name}-{dialogue.stem}"
        (folder / "session" / name).write_bytes(said)
        for number, line in enumerate(said.split(b"\r\n")):
            (folder / "command" / f"{name}-{number}").write_bytes(line)
        for number, message in enumerate(said.split(b"DATA\r\n")[1:]):
            (folder / "data" / f"{name}-{number}").write_bytes(message)


main(pathlib.Path(sys.argv[1]))
