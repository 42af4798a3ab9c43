"""The command about keys: which one signs what is verified here, and whose signatures count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from j2k_dev.cli.command import add

if TYPE_CHECKING:
    from pathlib import Path

    import typer

    from j2k_dev.cli.session import Session
    from j2k_dev.evidence.keys import Keyring, Known, SigningKey


def register(app: typer.Typer) -> None:
    """Add this command."""
    add(app, key, "trust", ("", "--trust ann.pub", "--json"))


def key(session: Session, values: dict[str, Any]) -> int:
    """Show the key that signs what is verified here (made on first use), where it lies, and which others count."""
    from j2k_dev.evidence.keys import keyring, signing_key  # noqa: PLC0415 - help and completion do not need it

    if values["trust"]:
        return _trust(session, values["trust"])
    own = signing_key(note=session.ui.note)
    ring = keyring(own.folder)
    if session.as_json:
        session.emit(_document(own, ring))
        return 0
    _show(session, own, ring)
    return 0


def _trust(session: Session, file: Path) -> int:
    from j2k_dev.evidence.keys import trust  # noqa: PLC0415 - see key

    known = trust(file)
    if session.as_json:
        session.emit({"trusted": [_plain(known)], "exit_code": 0})
        return 0
    session.say(f"trusted  {known.key.fingerprint}  {known.path}")
    session.say("compare the fingerprint with what `j2k key` shows its owner; to trust it no more, remove the file")
    return 0


def _show(session: Session, own: SigningKey, ring: Keyring) -> None:
    session.say(f"signs    {own.public.fingerprint}  {own.path}  (keep it to yourself)")
    session.say(f"public   {own.public_path}  (for whoever verifies what you signed: j2k key --trust FILE)")
    for known in ring.others(own):
        session.say(f"trusted  {known.key.fingerprint}  {known.path}")
    if not ring.others(own):
        session.say("trusted  no other key yet")
    for problem in ring.problems:
        session.say(f"ignored  {problem}")


def _document(own: SigningKey, ring: Keyring) -> dict[str, Any]:
    return {
        "fingerprint": own.public.fingerprint,
        "private_key": str(own.path),
        "public_key": str(own.public_path),
        "trusted": [_plain(known) for known in ring.others(own)],
        "ignored": list(ring.problems),
        "exit_code": 0,
    }


def _plain(known: Known) -> dict[str, str]:
    return {"fingerprint": known.key.fingerprint, "public_key": str(known.path)}
