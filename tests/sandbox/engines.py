"""Stand-ins for what has to do with a Docker engine: the program dockerd, and somebody who is told of progress."""

import json
import sys
import threading
from hashlib import sha256
from pathlib import Path

FAKE = Path(__file__).with_name("fake_dockerd.py")


class Notes:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.noted = threading.Event()

    def step(self, title: str) -> "Notes":
        self.told.append(title)
        return self

    def note(self, text: str) -> None:
        self.told.append(text)
        self.noted.set()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        pass


def place(program: Path, text: str) -> None:
    """Write a program."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(text)
    program.chmod(0o755)


def place_dockerd(folder: Path) -> None:
    """Write the program dockerd, as its package would."""
    place(folder / "dockerd", f'#!/bin/sh\nexec {sys.executable} -IS {FAKE} "$@"\n')


def name_engine(folder: Path, context: str, address: str) -> None:
    """Let Docker's current context, in this folder of settings, name an address."""
    meta = folder / "contexts" / "meta" / sha256(context.encode()).hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    endpoints = {"docker": {"Host": address, "SkipTLSVerify": False}}
    meta.write_text(json.dumps({"Name": context, "Metadata": {}, "Endpoints": endpoints}))
    (folder / "config.json").write_text(json.dumps({"currentContext": context}))
