"""The local key: made once, kept to oneself, refused where it is not safe; and the keys of others."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from j2k_dev.engine.workspace import open_workspace
from j2k_dev.evidence.keys import PublicKey, SigningKey, key_folder, keyring, signing_key, trust
from j2k_dev.model.errors import BadInput, MachineryFailed, Refused
from tests.evidence.processes import at_once, killed_at_each_line

NOBODY = 65534
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def contents(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


class TestMaking:
    def test_it_is_made_on_first_use_and_stays_the_same(self, folder: Path) -> None:
        notes: list[str] = []
        made = signing_key(note=notes.append)
        assert signing_key(note=notes.append).public == made.public
        assert notes == [f"made the key that signs what is verified here: {folder / 'signing-key.pem'}"]

    def test_nobody_else_can_read_it_whatever_the_umask(self, folder: Path) -> None:
        before = os.umask(0)
        try:
            key = signing_key()
        finally:
            os.umask(before)
        assert (mode(folder), mode(key.path)) == (0o700, 0o600)

    def test_its_files_are_what_other_tools_read(self, key: SigningKey) -> None:
        assert key.path.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
        public = serialization.load_pem_public_key(key.public_path.read_bytes())
        public.verify(bytes.fromhex(key.sign(b"what")), b"what")  # type: ignore[union-attr, call-arg]

    def test_the_private_key_is_not_shown(self, key: SigningKey) -> None:
        assert repr(key) == f"SigningKey(folder={key.folder!r})"

    def test_many_that_make_it_at_once_have_one(self, tmp_path: Path) -> None:
        for turn in range(5):

            def make(number: int, folder: Path = tmp_path / str(turn)) -> None:
                (tmp_path / f"{folder.name}-{number}").write_text(signing_key(folder).public.fingerprint)

            at_once(make)
            assert len({(tmp_path / f"{turn}-{number}").read_text() for number in range(4)}) == 1
            assert contents(tmp_path / str(turn)) == {"lock", "signing-key.pem", "signing-key.pub"}

    def test_killed_at_any_moment_there_is_a_whole_key_or_none(self, tmp_path: Path) -> None:
        def make(line: int) -> None:
            signing_key(tmp_path / str(line))

        def look(line: int) -> None:
            folder = tmp_path / str(line)
            left = keyring(folder)
            assert not left.problems
            key = signing_key(folder)
            assert [known.key for known in left.known] in ([], [key.public])
            assert contents(folder) == {"lock", "signing-key.pem", "signing-key.pub"}
            assert key.public_path.read_text() == key.public.pem
            shutil.rmtree(folder)

        assert killed_at_each_line(make, look) > 50

    def test_the_public_half_is_put_back(self, key: SigningKey) -> None:
        key.public_path.write_text("something else")
        assert signing_key().public_path.read_text() == key.public.pem
        key.public_path.unlink()
        assert signing_key().public_path.read_text() == key.public.pem


class TestPlace:
    def test_it_is_where_the_users_configuration_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("J2K_KEY_DIR", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        assert key_folder() == tmp_path / ".config" / "j2k"
        monkeypatch.setenv("XDG_CONFIG_HOME", "not/absolute")  # the XDG specification has it ignored
        assert key_folder() == tmp_path / ".config" / "j2k"
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "conf"))
        assert key_folder() == tmp_path / "conf" / "j2k"
        monkeypatch.setenv("J2K_KEY_DIR", "~/keys")
        assert key_folder() == tmp_path / "keys"

    def test_without_a_home_folder_it_is_said_how_to_name_one(self) -> None:
        # A user without a line in /etc/passwd: only root can become one, others have it told.
        nobody = "os.setuid(54321)" if os.geteuid() == 0 else "os.path.expanduser = lambda path: path"
        program = f"import os\nfrom j2k_dev.evidence.keys import key_folder\n{nobody}\nkey_folder()"
        environment = {"PATH": os.environ["PATH"]}
        told = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert "MachineryFailed: there is no home folder to keep keys in" in told.stderr

    def test_a_workspace_is_no_place_for_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        workspace = open_workspace(tmp_path / "a.ipynb")
        monkeypatch.setenv("J2K_KEY_DIR", str(workspace.root / "deep" / "keys"))
        with pytest.raises(Refused, match="lies in the workspace") as caught:
            signing_key()
        assert "J2K_KEY_DIR=DIR" in caught.value.way_out
        assert not (workspace.root / "deep").exists()
        assert "lies in the workspace" in keyring().problems[0]

    def test_looking_at_keys_makes_none(self, folder: Path) -> None:
        assert keyring().known == ()
        assert not folder.exists()


class TestRefusal:
    @pytest.mark.parametrize("wrong", [0o644, 0o640, 0o604, 0o620])
    def test_a_key_that_is_open_to_others_is_refused_with_the_command_that_closes_it(
        self, key: SigningKey, wrong: int
    ) -> None:
        key.path.chmod(wrong)
        with pytest.raises(Refused, match=f"others can (read|change) .*{wrong:o}") as caught:
            signing_key()
        subprocess.run(caught.value.way_out.partition(": ")[2], shell=True, check=True, timeout=60)
        assert mode(key.path) == 0o600
        assert signing_key().public == key.public

    def test_a_folder_that_others_can_write_is_refused_with_the_command_that_closes_it(self, key: SigningKey) -> None:
        key.folder.chmod(0o770)
        with pytest.raises(Refused, match=r"others can change .*my keys \(its mode is 770\)") as caught:
            signing_key()
        subprocess.run(caught.value.way_out.partition(": ")[2], shell=True, check=True, timeout=60)
        assert signing_key().public == key.public

    def test_nobody_is_told_to_close_a_folder_that_all_share(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o1777)
        with pytest.raises(Refused) as caught:
            signing_key(tmp_path)
        assert caught.value.way_out == "keep the keys in a folder of their own: J2K_KEY_DIR=DIR"

    def test_a_key_of_somebody_else_is_refused(self, key: SigningKey) -> None:
        if os.geteuid() == 0:
            os.chown(key.path, NOBODY, NOBODY)
        else:
            key.path.unlink()
            key.path.symlink_to("/etc/passwd")  # root's
        with pytest.raises(Refused, match=r"belongs to (nobody, and this is root|root, and this is)"):
            signing_key()

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "it is empty"),
            (b"\n", "it is empty"),
            (b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw", "it is damaged"),
            (os.urandom(119), "it is damaged"),
            (b"x" * 200_000, "it is damaged"),
            (
                ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, serialization.NoEncryption()),
                "it is a key of another kind",
            ),
            (
                Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"word")),
                "it is locked with a passphrase",
            ),
        ],
        ids=["empty", "blank", "cut off", "noise", "long", "other kind", "passphrase"],
    )
    def test_what_is_no_key_is_refused_and_not_replaced(self, key: SigningKey, content: bytes, why: str) -> None:
        key.path.write_bytes(content)
        with pytest.raises(Refused, match=f"is not the Ed25519 key that j2k made: {why}") as caught:
            signing_key()
        assert key.path.read_bytes() == content
        assert "a new one is made: mv " in caught.value.way_out

    def test_the_way_out_of_a_damaged_key_keeps_what_it_signed(self, key: SigningKey) -> None:
        key.path.write_bytes(b"")
        trust(key.public_path)
        key.path.rename(f"{key.path}.old")
        assert signing_key().public != key.public
        assert keyring().find(key.public.fingerprint) == key.public

    def test_a_pipe_in_its_place_holds_nobody_up(self, key: SigningKey) -> None:
        key.path.unlink()
        os.mkfifo(key.path, 0o600)
        with pytest.raises(Refused, match="is not a file"):
            signing_key()

    def test_a_file_in_the_place_of_the_folder_is_said(self, folder: Path) -> None:
        folder.write_text("mine")
        with pytest.raises(MachineryFailed, match=r"can't be used: (Not a directory|File exists)") as caught:
            signing_key()
        assert "J2K_KEY_DIR=DIR" in caught.value.way_out

    def test_a_folder_that_can_not_be_made_is_said(self) -> None:
        with pytest.raises(MachineryFailed, match="/proc/none can't be used"):
            signing_key(Path("/proc/none"))


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """Make a folder of nobody's where nobody gets at it, which is not so below tmp_path."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = Path(place, "keys")
        folder.mkdir(0o700)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
        folder.chmod(0o700)


class TestRights:
    """Tried by a user who is not root, whom nothing stops."""

    @staticmethod
    def as_a_user(work: str, folder: Path) -> str:
        become = f"import os\nif os.geteuid() == 0: os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        imports = "from pathlib import Path\nfrom j2k_dev.evidence.keys import signing_key\n"
        # What is imported late is imported now: an interpreter in root's home is closed to others.
        warm = f"signing_key(Path({str(folder.with_name('warm'))!r})).sign(b'')\n"
        program = f"{imports}{warm}{become}folder = Path({str(folder)!r})\n{work}"
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        return told.stdout + told.stderr

    def test_a_key_that_is_there_signs(self, nobodys: Path) -> None:
        told = self.as_a_user("signing_key(folder); folder.chmod(0o500); print(signing_key(folder).sign(b''))", nobodys)
        assert len(told.strip()) == 128

    def test_where_none_can_be_made_it_is_said(self, nobodys: Path) -> None:
        told = self.as_a_user("folder.chmod(0o500); signing_key(folder)", nobodys)
        assert f"MachineryFailed: {nobodys}/lock can't be used: Permission denied" in told

    def test_a_folder_that_can_not_be_entered_is_said(self, nobodys: Path) -> None:
        told = self.as_a_user("folder.chmod(0o0); signing_key(folder)", nobodys)
        assert f"MachineryFailed: {nobodys}/signing-key.pem can't be used: Permission denied" in told

    def test_a_key_of_somebody_else_that_can_not_be_read_is_told_as_theirs(self, nobodys: Path) -> None:
        work = "(folder / 'signing-key.pem').symlink_to('/etc/shadow'); signing_key(folder)"
        assert "Refused: " in (told := self.as_a_user(work, nobodys))
        assert "signing-key.pem belongs to root, and this is" in told


class TestSignature:
    def test_it_fits_what_was_signed_and_nothing_else(self, key: SigningKey, theirs: SigningKey) -> None:
        signature = key.sign(b"what")
        assert key.public.verifies(b"what", signature)
        assert not key.public.verifies(b"that", signature)
        assert not theirs.public.verifies(b"what", signature)

    def test_it_has_one_form_only(self, key: SigningKey) -> None:
        signature = key.sign(b"what")
        for other in (
            "",
            signature[:-2],
            signature.upper(),
            f"{signature}\n",
            f"{signature[:-2]} {signature[-2:]}",
            "é",
        ):
            assert not key.public.verifies(b"what", other)

    def test_a_fingerprint_can_be_read_aloud(self) -> None:
        assert PublicKey(bytes(32)).fingerprint == "6668-7aad-f862-bd77-6c8f"


class TestTrust:
    def test_a_key_of_somebody_else_counts_once_it_is_trusted(self, key: SigningKey, theirs: SigningKey) -> None:
        assert keyring().find(theirs.public.fingerprint) is None
        known = trust(theirs.public_path)
        ring = keyring()
        assert ring.find(theirs.public.fingerprint) == theirs.public
        assert ring.others(key) == (known,)
        known.path.unlink()
        assert keyring().find(theirs.public.fingerprint) is None

    def test_who_trusts_needs_no_key_of_their_own(self, folder: Path, theirs: SigningKey) -> None:
        trust(theirs.public_path)
        assert [known.key for known in keyring().known] == [theirs.public]
        assert contents(folder) == {"trusted"}
        assert (mode(folder), mode(folder / "trusted")) == (0o700, 0o700)

    def test_trusting_again_changes_nothing(self, folder: Path, theirs: SigningKey) -> None:
        assert trust(theirs.public_path) == trust(theirs.public_path)
        assert len(contents(folder / "trusted")) == 1

    def test_a_private_key_is_not_taken(self, folder: Path, theirs: SigningKey) -> None:
        with pytest.raises(BadInput, match="is a private key"):
            trust(theirs.path)
        assert not folder.exists()

    @pytest.mark.parametrize("content", [b"", b"\xff\x00", b"-----BEGIN PUBLIC KEY-----\nMCowBQ"])
    def test_what_is_no_key_is_not_taken(self, folder: Path, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "ann.pub").write_bytes(content)
        with pytest.raises(BadInput, match=r"ann\.pub is no public key in PEM"):
            trust(tmp_path / "ann.pub")
        assert not folder.exists()

    def test_a_key_of_another_kind_is_not_taken(self, tmp_path: Path, folder: Path) -> None:
        other = ec.generate_private_key(ec.SECP256R1()).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        (tmp_path / "ann.pub").write_bytes(other.public_bytes(PEM, form))
        with pytest.raises(BadInput, match="is a key of another kind, not Ed25519"):
            trust(tmp_path / "ann.pub")

    def test_a_file_that_is_not_there_is_said(self, tmp_path: Path, folder: Path) -> None:
        with pytest.raises(BadInput, match=r"ann\.pub can't be read: No such file"):
            trust(tmp_path / "ann.pub")

    def test_what_can_not_be_used_is_told_and_the_rest_counts(self, key: SigningKey, theirs: SigningKey) -> None:
        known = trust(theirs.public_path)
        known.path.with_name("odd.pub").write_text("odd")
        ring = keyring()
        assert len(ring.known) == 2
        assert "odd.pub is no public key in PEM" in ring.problems[0]
        key.path.chmod(0o644)
        ring = keyring()
        assert ring.known == (known,)
        assert "others can read" in ring.problems[0]

    @pytest.mark.parametrize("whose", ["file", "trusted", "keys"])
    def test_a_key_that_others_could_have_put_there_does_not_count(
        self, theirs: SigningKey, folder: Path, whose: str
    ) -> None:
        known = trust(theirs.public_path)
        place = {"file": known.path, "trusted": known.path.parent, "keys": folder}[whose]
        place.chmod(0o777)
        ring = keyring()
        assert ring.known == ()
        assert "others can read" in "".join(ring.problems) or "others can change" in "".join(ring.problems)
