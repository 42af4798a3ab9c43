"""The local Ed25519 key that signs evidence, and the public keys of others whose evidence counts here.

They lie outside of all workspaces, because these are copied, shared and removed: in ``J2K_KEY_DIR``, else in ``j2k``
where the user's configuration is. Only the signing key's own public half, and what lies in ``trusted/``, is known.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from j2k_dev.engine.workspace import TEMPORARY, Workspace, read_json, write_text
from j2k_dev.evidence.alone import alone
from j2k_dev.evidence.private import MOST_BYTES, PRIVATE_FOLDER, check_folder, read_owned, unusable
from j2k_dev.model.errors import BadInput, J2kError, MachineryFailed, Refused
from j2k_dev.worker.atomic import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIABLE = "J2K_KEY_DIR"
PRIVATE = "signing-key.pem"
PUBLIC = "signing-key.pub"
TRUSTED = "trusted"

_OTHERS = 0o077
_OTHERS_WRITE = 0o022
_SIGNATURE = re.compile("[0-9a-f]{128}")
_PEM_PRIVATE = b"PRIVATE KEY-----"
_FINGERPRINT_DIGITS = 20


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key: its 32 bytes."""

    raw: bytes

    @property
    def fingerprint(self) -> str:
        """The first 80 bits of the key's SHA-256, to be read aloud: ``3f2a-91c0-d4e5-8b17-22ab``."""
        digits = hashlib.sha256(self.raw).hexdigest()[:_FINGERPRINT_DIGITS]
        return "-".join(digits[place : place + 4] for place in range(0, _FINGERPRINT_DIGITS, 4))

    @property
    def pem(self) -> str:
        """The key as it is handed to others."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(serialization.Encoding.PEM, form).decode()

    def verifies(self, content: bytes, signature: str) -> bool:
        """Tell whether this key signed the content; a signature is 128 hexadecimal digits in lower case."""
        if not _SIGNATURE.fullmatch(signature):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(bytes.fromhex(signature), content)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """The local key; what is private of it is never shown."""

    folder: Path
    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """What others verify with."""
        return PublicKey(self.private.public_key().public_bytes_raw())

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / PRIVATE

    @property
    def public_path(self) -> Path:
        """Where its public half lies, to be handed to others."""
        return self.folder / PUBLIC

    def sign(self, content: bytes) -> str:
        """Sign the content: 128 hexadecimal digits."""
        return self.private.sign(content).hex()


@dataclass(frozen=True)
class Known:
    """A public key whose signatures count here, and the file that says so."""

    key: PublicKey
    path: Path


@dataclass(frozen=True)
class Keyring:
    """All keys whose signatures count here; ``problems`` says in words which can't be used, and why."""

    known: tuple[Known, ...]
    problems: tuple[str, ...] = ()

    def find(self, fingerprint: str) -> PublicKey | None:
        """Return the key with this fingerprint, or None."""
        return next((each.key for each in self.known if each.key.fingerprint == fingerprint), None)

    def others(self, own: SigningKey) -> tuple[Known, ...]:
        """Give the keys that are not this one."""
        return tuple(each for each in self.known if each.key != own.public)


def key_folder() -> Path:
    """Name the folder of the keys; it need not be there. Refused in a workspace."""
    folder = _chosen_folder()
    for place in (folder, *folder.parents):
        if _is_workspace(place):
            raise Refused(
                f"{folder} lies in the workspace {place}, which is shared and removed: no place for a signing key",
                way_out=f"name another folder: {VARIABLE}=DIR",
            )
    return folder


def signing_key(folder: Path | None = None, note: Callable[[str], None] = lambda _text: None) -> SigningKey:
    """Load the local key, making it on first use, which is noted.

    Refused where others can read it or it is no key; MachineryFailed where the folder can't be read or written.
    """
    folder = folder or key_folder()
    with unusable(folder):
        key = _load(folder)
        if key is None:
            _make(folder, note)
            key = _load(folder)
        assert key is not None, "nobody removes keys"
        _keep_public(key)
    return key


def keyring(folder: Path | None = None) -> Keyring:
    """Collect all keys whose signatures count; nothing is made, and what can't be used is told."""
    known: list[Known] = []
    problems: list[str] = []
    with _noting(problems):
        folder = folder or key_folder()
        with _noting(problems), unusable(folder):
            own = _load(folder)
            known += [Known(own.public, own.path)] if own else []
        with _noting(problems), unusable(folder):
            for path in _trusted_files(folder):
                with _noting(problems):
                    known.append(Known(_public_key(path, read_owned(path, _OTHERS_WRITE)), path))
    return Keyring(tuple(known), tuple(problems))


def trust(file: Path, folder: Path | None = None) -> Known:
    """Let what this public key (a PEM file) signed count from now on; BadInput where it is no such key."""
    folder = folder or key_folder()
    try:
        with file.open("rb") as stream:
            key = _public_key(file, stream.read(MOST_BYTES))
    except OSError as error:
        raise BadInput(
            f"{file} can't be read: {error.strerror}", way_out=f"name a public key, as {PUBLIC} of whom you trust"
        ) from error
    path = folder / TRUSTED / f"{key.fingerprint}.pub"
    with unusable(folder):
        _open_folder(folder)
        _open_folder(path.parent)
        write_text(path, key.pem)
    return Known(key, path)


# --- the files --------------------------------------------------------------------------------------------------------


def _chosen_folder() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        if chosen := os.environ.get(VARIABLE):
            return Path(os.path.normpath(Path.cwd() / Path(chosen).expanduser()))
        return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "j2k"
    except RuntimeError as error:
        raise MachineryFailed(
            "there is no home folder to keep keys in", way_out=f"set {VARIABLE} to a folder"
        ) from error


def _is_workspace(place: Path) -> bool:
    with suppress(OSError):
        told = read_json(Workspace(place).marker)
        return isinstance(told, dict) and "j2k" in told
    return False


def _load(folder: Path) -> SigningKey | None:
    """Read the local key; None where there is none yet."""
    path = folder / PRIVATE
    try:
        check_folder(folder, _OTHERS_WRITE)
        content = read_owned(path, _OTHERS)
    except FileNotFoundError:
        return None
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError as error:
        raise _no_key(path, "it is locked with a passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "it is damaged" if content.strip() else "it is empty") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "it is a key of another kind")
    return SigningKey(folder, key)


def _make(folder: Path, note: Callable[[str], None]) -> None:
    """Make the local key, unless another process has; killed at any moment, it leaves a whole key or none."""
    _open_folder(folder)
    with _writing(folder):
        if (folder / PRIVATE).exists():
            return
        key = SigningKey(folder, Ed25519PrivateKey.generate())
        form = serialization.PrivateFormat.PKCS8
        pem = key.private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        publish(key.path, pem)
    note(f"made the key that signs what is verified here: {key.path}")


def _keep_public(key: SigningKey) -> None:
    """Have the public half beside the key; the private one is what counts."""
    path = key.public_path
    if not path.is_file() or path.read_bytes() != key.public.pem.encode():
        with _writing(key.folder):
            write_text(path, key.public.pem)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Be the only one who writes here, after whoever was killed while doing so."""
    with alone(folder / "lock"):
        for left in (*folder.glob(f"{TEMPORARY}*"), *folder.glob(".new-*")):
            left.unlink()
        yield


def _open_folder(folder: Path) -> None:
    folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    check_folder(folder, _OTHERS_WRITE)


def _trusted_files(folder: Path) -> list[Path]:
    place = folder / TRUSTED
    if not place.is_dir():
        return []
    check_folder(folder, _OTHERS_WRITE)
    check_folder(place, _OTHERS_WRITE)
    return sorted(path for path in place.iterdir() if not path.name.startswith("."))


def _public_key(path: Path, content: bytes) -> PublicKey:
    if _PEM_PRIVATE in content:
        raise BadInput(
            f"{path} is a private key: whoever has it can sign in its owner's name",
            way_out=f"ask for the public one ({PUBLIC}) and have its owner make a new key",
        )
    way_out = f"what is needed is a public key in PEM: {PUBLIC} of whom you trust"
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(f"{path} is no public key in PEM", way_out) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput(f"{path} is a key of another kind, not Ed25519", way_out)
    return PublicKey(key.public_bytes_raw())


def _no_key(path: Path, why: str) -> Refused:
    named, aside = shlex.quote(str(path)), shlex.quote(f"{path}.old")
    return Refused(
        f"{path} is not the Ed25519 key that j2k made: {why}",
        way_out=f"put it back from a copy; or move it away, and a new one is made: mv {named} {aside} "
        f"(before that, j2k key --trust {shlex.quote(str(path.with_name(PUBLIC)))} keeps what it signed)",
    )


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except J2kError as error:
        problems.append(f"{error.message} ({error.way_out})")
