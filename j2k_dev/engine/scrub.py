"""Taking secrets out of what is kept of a traced run: its environment, its command lines, its paths.

A secret is known by the name of its variable, or by its shape (tokens, keys, passwords in URLs and options). A value
that is known as a secret is taken out wherever else it stands. When in doubt it goes: a pipeline gets its secrets
where it runs, never from a recording.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SCRUBBED = "SCRUBBED"

_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|KEY(?!BOARD|MAP)|PRIVATE|COOKIE|BEARER|AUTH(?!OR)|JWT|WEBHOOK"
    r"|(?:^|_)(?:PASS|PWD|PAT|DSN|SAS|CREDS?|PW|PIN|OTP|SIGNATURE)(?:_|$)",
    re.IGNORECASE,
)
_NO_SECRETS = {"PWD", "OLDPWD", "PATH", "HOME", "TOKENIZERS_PARALLELISM", "XAUTHORITY"}
_OPTION = re.compile(r"--?[\w-]*(?:token|secret|passw|passphrase|credential|key|auth(?!or)|pwd)[\w-]*", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/\s@:'\"]*:([^/\s@'\"]+)@")
_SHAPES = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), SCRUBBED),
    (re.compile(r"(?<=://)[^/\s@'\"]+(?=@)"), SCRUBBED),
    (
        re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|npm_|dckr_pat_|xox[abeoprs]-|shp[a-z]{2}_)[\w-]{10,}"),
        SCRUBBED,
    ),
    (re.compile(r"\b(?:sk|rk|pk)[-_](?:[\w]+[-_])*[A-Za-z0-9]{16,}"), SCRUBBED),
    (re.compile(r"\b(?:A3T|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}"), SCRUBBED),
    (re.compile(r"\bAIza[\w-]{30,}|\bya29\.[\w-]+|\bpypi-[\w-]{16,}|\bdop_v1_[a-f0-9]{32,}"), SCRUBBED),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), SCRUBBED),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/=-]{8,}"), rf"\1\2{SCRUBBED}"),
    (
        re.compile(
            r"(?i)((?:password|passwd|passphrase|pwd|secret|token|credential|api[_-]?key|account[_-]?key|access[_-]?key)"
            r"[\w-]*['\"]?\s*[=:]\s*['\"]?)[^\s'\"&;,]+"
        ),
        rf"\1{SCRUBBED}",
    ),
)
_SHORTEST = 6  # a shorter value is not looked for elsewhere: it would be found everywhere
_SHORTEST_IN_PATHS = 12  # in a path, a word such as "postgres" is more likely a name than the password


class Scrubber:
    """Takes out what the given environments reveal, and what looks like a secret."""

    def __init__(self, environments: Iterable[Mapping[str, str]]) -> None:
        values = {value for environment in environments for value in _secrets_of(environment)}
        self._values = _any_of(value for value in values if len(value) >= _SHORTEST)
        self._long_values = _any_of(value for value in values if len(value) >= _SHORTEST_IN_PATHS)

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Keep every name; the values of secrets are replaced."""
        return {name: SCRUBBED if _is_secret(name, value) else self.text(value) for name, value in environment.items()}

    def arguments(self, arguments: Sequence[str]) -> list[str]:
        """Replace secrets in a command line, also the word after ``--password`` and the like."""
        previous = ["", *arguments[:-1]]
        return [
            SCRUBBED if _OPTION.fullmatch(before) and not word.startswith("-") else self.text(word)
            for before, word in zip(previous, arguments, strict=True)
        ]

    def text(self, text: str) -> str:
        """Replace secrets in a text."""
        return _replace_shapes(self._values.sub(SCRUBBED, text))

    def path(self, path: str) -> str:
        """Replace secrets in a path."""
        return _replace_shapes(self._long_values.sub(SCRUBBED, path))


def _is_secret(name: str, value: str) -> bool:
    return bool(value) and name not in _NO_SECRETS and bool(_NAME.search(name))


def _secrets_of(environment: Mapping[str, str]) -> Iterable[str]:
    for name, value in environment.items():
        if _is_secret(name, value) and not value.startswith("/"):
            yield value
        for password in _PASSWORD_IN_URL.findall(value):
            yield from (password, unquote(password))


def _any_of(values: Iterable[str]) -> re.Pattern[str]:
    """Match any of the values, the longest first; none at all never matches."""
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _replace_shapes(text: str) -> str:
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text
