"""What never goes into an image, wherever it lies: files that hold secrets, by their names and by what is in them."""

from __future__ import annotations

import re
from pathlib import Path

_FOLDERS = frozenset(
    {".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".mozilla", "gcloud", "keyrings"}
)
_NAMES = frozenset(
    {
        ".netrc", "_netrc", ".pgpass", ".my.cnf", ".git-credentials", ".gitconfig", ".pypirc", "pip.conf", ".condarc",
        ".boto", ".s3cfg", ".htpasswd", ".vault-token", ".Renviron", ".npmrc", ".dockercfg", ".bash_history",
        ".python_history", "credentials", "credentials.json", "credentials.toml", "secrets.json", "secrets.toml",
        "secrets.yaml", "secrets.yml", "kaggle.json", "kubeconfig", "shadow", "shadow-", "gshadow", "gshadow-",
        "sudoers", "krb5.keytab", "machine-id", "direct_url.json",
    }
)  # fmt: skip
_PATTERN = re.compile(
    r"id_(?:rsa|dsa|ecdsa|ed25519)(?:[-_.].*)?|ssh_host_.*|\.env(?:\..*)?|.*\.(?:key|p12|pfx|jks|keystore|kdbx|keytab)"
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
# Programs that deal with keys name the marks around them.
_CODE = (".py", ".pyi", ".pyc", ".so", ".pyx", ".pxd", ".c", ".h", ".md", ".rst", ".html", ".js", ".css")
_LARGEST_KEY = 1 << 16


def is_secret(path: str) -> bool:
    """Tell by its name alone whether a file holds secrets."""
    *folders, name = path.split("/")
    return name in _NAMES or bool(_PATTERN.fullmatch(name)) or not _FOLDERS.isdisjoint(folders)


def holds_private_key(path: str, size: int) -> bool:
    """Look whether a small file that is no code holds a private key."""
    if size > _LARGEST_KEY or path.endswith(_CODE) or ".so." in path:
        return False
    try:
        return _PRIVATE_KEY.search(Path(path).read_bytes()) is not None
    except OSError:
        return False
