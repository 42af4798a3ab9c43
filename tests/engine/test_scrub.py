"""Secrets are found by name and by shape; what is no secret stays."""

from __future__ import annotations

import pytest

from j2k_dev.engine.scrub import SCRUBBED, Scrubber

PLAIN = Scrubber([])


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "db_password",
        "PGPASSWORD",
        "API_KEY",
        "apikey",
        "MYSQL_PWD",
        "SENTRY_DSN",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "SESSION_COOKIE",
        "SSH_PRIVATE",
        "SLACK_WEBHOOK",
        "SMTP_PASS",
        "BASIC_AUTH",
    ],
)
def test_variables_are_known_by_their_name(name: str) -> None:
    assert PLAIN.environment({name: "x"}) == {name: SCRUBBED}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/bin:/bin"),
        ("HOME", "/home/me"),
        ("PWD", "/home/me/project"),
        ("OLDPWD", "/home/me"),
        ("LANG", "C.UTF-8"),
        ("GIT_AUTHOR_NAME", "Me"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("PYTHONHASHSEED", "0"),
        ("OMP_NUM_THREADS", "4"),
        ("EMPTY_TOKEN", ""),
    ],
)
def test_variables_that_a_run_needs_stay(name: str, value: str) -> None:
    assert PLAIN.environment({name: value}) == {name: value}


@pytest.mark.parametrize(
    "secret",
    [
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "11ABC" * 6,
        "glpat-" + "abcdefghij",
        "hf_" + "AbCdEfGhIjKlMnOp",
        "sk-proj-" + "abcd1234EFGH5678ijkl",
        "sk_live_" + "abcd1234EFGH5678",
        "xoxb-" + "1234567890-abcdef",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "AIza" + "SyA1234567890abcdefghijklmnopqrstu",
        "pypi-" + "AgEIcHlwaS5vcmcCJDU2",
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.abc-def",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_tokens_are_known_by_their_shape_wherever_they_stand(secret: str) -> None:
    assert PLAIN.text(f"before {secret} after") == f"before {SCRUBBED} after"
    assert PLAIN.environment({"HARMLESS": secret}) == {"HARMLESS": SCRUBBED}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://me:pw@host/db", f"postgres://{SCRUBBED}@host/db"),
        ("https://abcdef@git.example/r.git", f"https://{SCRUBBED}@git.example/r.git"),
        ("curl -H 'Authorization: Bearer abcdefgh12345'", f"curl -H 'Authorization: Bearer {SCRUBBED}'"),
        ("Server=x;Password=hunter2;Timeout=3", f"Server=x;Password={SCRUBBED};Timeout=3"),
        ("https://x/y?token=abc&page=2", f"https://x/y?token={SCRUBBED}&page=2"),
        ('{"api_key": "abc"}', f'{{"api_key": "{SCRUBBED}"}}'),
        ("https://example.org/a:b@c", "https://example.org/a:b@c"),
        ("me@example.org", "me@example.org"),
        ("/usr/lib/python3.11/tokenize.py", "/usr/lib/python3.11/tokenize.py"),
    ],
)
def test_passwords_in_texts_go_and_the_rest_stays(text: str, expected: str) -> None:
    assert PLAIN.text(text) == expected


def test_the_word_after_a_password_option_goes() -> None:
    words = ["tool", "--password", "abc", "--api-key=abc", "--token", "--verbose", "-k", "author", "file.csv"]
    assert PLAIN.arguments(words) == [
        "tool", "--password", SCRUBBED, f"--api-key={SCRUBBED}", "--token", "--verbose", "-k", "author", "file.csv",
    ]  # fmt: skip


def test_a_value_that_is_known_as_a_secret_goes_everywhere() -> None:
    scrubber = Scrubber([{"DB_PASSWORD": "correct horse", "URL": "db://me:p%40ssword@host/x"}])
    assert scrubber.environment({"OTHER": "x=correct horse"}) == {"OTHER": f"x={SCRUBBED}"}
    assert scrubber.arguments(["run", "correct horse", "p@ssword"]) == ["run", SCRUBBED, SCRUBBED]
    assert scrubber.path("/tmp/correct horse/x") == f"/tmp/{SCRUBBED}/x"


def test_a_common_word_as_a_password_does_not_break_paths() -> None:
    scrubber = Scrubber([{"PGPASSWORD": "postgres", "MY_TOKEN": "1", "KEY_FILE": "/home/me/.ssh/id"}])
    assert scrubber.path("/usr/lib/postgres/1/bin") == "/usr/lib/postgres/1/bin"
    assert scrubber.text("1 file in /home/me/.ssh/id") == "1 file in /home/me/.ssh/id"
