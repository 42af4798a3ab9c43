"""Credentials of AWS and the login to MSK. STS and MSK can't be had here: a small HTTP server stands in for STS and for
EKS Pod Identity's agent, and signatures are checked with AWS' published example and by an own implementation of it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

import pytest
from kafka import errors
from kafka.net.connection import KafkaConnection
from kafka.net.sasl import get_sasl_mechanism

from j2k_dev.model.errors import BadInput
from j2k_dev.worker.kafka import msk
from j2k_dev.worker.kafka.aws import Credentials, CredentialsAway, CredentialsRefused, Login, Source, login_from
from j2k_dev.worker.kafka.client import explained
from j2k_dev.worker.kafka.settings import SECRET_KEYS, environment_of, settings_from_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BROKER = "b-1.science.a1b2c3.c2.kafka.eu-central-1.amazonaws.com"
GIVEN = {
    "KAFKA_BROKER": f"{BROKER}:9098",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "AWS_MSK_IAM",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/science",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
}
STS_ANSWER = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult><Credentials>
    <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>se/cr+et=</SecretAccessKey>
    <SessionToken>tok/en+=</SessionToken><Expiration>{ends}</Expiration>
  </Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
STS_REFUSAL = """<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>
  <Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>"""


def at(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


@dataclass
class StandIn:
    """An HTTP server in the place of AWS: it notes what it is asked, and says what it is told to."""

    status: int = 200
    answer: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    place: str = ""


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    told = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            told.asked.append((self.path, body, self.headers.get("Authorization", "")))
            self.send_response(told.status)
            self.end_headers()
            self.wfile.write(told.answer.encode())

        do_POST = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    told.place = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    yield told
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture
def of_role(stand_in: StandIn, tmp_path: Path) -> Source:
    token = tmp_path / "token"
    token.write_text("the service account's token\n")
    stand_in.answer = STS_ANSWER.format(ends=at(3600))
    role = GIVEN["AWS_ROLE_ARN"]
    return Source(Login("eu-central-1", role=role, token_file=str(token), endpoint=stand_in.place))


# --- credentials ------------------------------------------------------------------------------------------------------


def test_a_pods_role_is_taken_with_its_service_accounts_token(of_role: Source, stand_in: StandIn) -> None:
    got = of_role.credentials()
    assert (got.access_key, got.secret_key, got.token) == ("ASIAEXAMPLE", "se/cr+et=", "tok/en+=")
    path, body, _ = stand_in.asked[0]
    assert "token" not in path
    assert parse_qs(body) == {
        "Action": ["AssumeRoleWithWebIdentity"],
        "Version": ["2011-06-15"],
        "RoleArn": [GIVEN["AWS_ROLE_ARN"]],
        "RoleSessionName": ["j2k"],
        "WebIdentityToken": ["the service account's token"],
    }


def test_credentials_that_hold_are_not_asked_for_again(of_role: Source, stand_in: StandIn) -> None:
    assert of_role.credentials() == of_role.credentials()
    assert len(stand_in.asked) == 1


def test_credentials_are_asked_for_again_before_they_end(of_role: Source, stand_in: StandIn) -> None:
    stand_in.answer = STS_ANSWER.format(ends=at(60))
    of_role.credentials()
    of_role.credentials()
    assert len(stand_in.asked) == 2


def test_a_role_that_may_not_be_taken_is_told_with_the_reason(of_role: Source, stand_in: StandIn) -> None:
    stand_in.status, stand_in.answer = 403, STS_REFUSAL
    with pytest.raises(CredentialsRefused, match="403 AccessDenied Not authorized to perform") as caught:
        of_role.credentials()
    assert "service account's token" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_sts_that_is_busy_or_away_may_be_asked_again(of_role: Source, stand_in: StandIn, status: int) -> None:
    stand_in.status, stand_in.answer = status, "busy"
    with pytest.raises(CredentialsAway, match=f"answers {status}"):
        of_role.credentials()


@pytest.mark.parametrize("answer", ["", "<AccessKeyId>a</AccessKeyId>", "<html>a proxy's page</html>"])
def test_an_answer_without_credentials_gives_none(of_role: Source, stand_in: StandIn, answer: str) -> None:
    stand_in.answer = answer
    with pytest.raises(CredentialsAway, match="has no"):
        of_role.credentials()


def test_a_token_that_is_not_there_is_named(stand_in: StandIn, tmp_path: Path) -> None:
    source = Source(Login("x", role="r", token_file=str(tmp_path / "none"), endpoint=stand_in.place))
    with pytest.raises(CredentialsAway, match=r"none can't be read"):
        source.credentials()


def test_an_sts_that_nobody_reaches_is_named() -> None:
    login = Login("x", role="r", token_file="/dev/null", endpoint="http://127.0.0.1:1")
    with pytest.raises(CredentialsAway, match=r"127\.0\.0\.1:1 is not reached"):
        Source(login).credentials()


def test_pod_identitys_agent_is_asked_with_the_pods_token(stand_in: StandIn, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("pod")
    told = {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "Token": "t", "Expiration": at(3600)}
    stand_in.answer = json.dumps(told)
    login = Login("x", agent=f"{stand_in.place}/v1/credentials", agent_token_file=str(token))
    assert Source(login).credentials().token == "t"
    assert stand_in.asked == [("/v1/credentials", "", "pod")]


def test_an_agent_that_says_something_else_gives_no_credentials(stand_in: StandIn) -> None:
    stand_in.answer = "[]"
    with pytest.raises(CredentialsAway, match="no credentials"):
        Source(Login("x", agent=stand_in.place)).credentials()


def test_keys_in_variables_come_first_and_are_never_shown() -> None:
    login = login_from({**GIVEN, "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hunter2"}, ())
    assert Source(login).credentials() == Credentials("AKIA", "hunter2", None)
    assert "hunter2" not in f"{login!r} {Source(login).credentials()!r}"


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_need_neither_user_nor_password() -> None:
    settings = settings_from_environment(GIVEN)
    assert settings.aws is not None
    assert settings.aws.role == GIVEN["AWS_ROLE_ARN"]
    assert settings_from_environment(environment_of(settings)) == settings


@pytest.mark.parametrize(
    ("broker", "region"),
    [
        (f"{BROKER}:9098", "eu-central-1"),
        ("boot-a1b2c3.c2.kafka-serverless.us-east-1.amazonaws.com:9098", "us-east-1"),
        ("b-1.x.kafka.cn-north-1.amazonaws.com.cn:9098", "cn-north-1"),
        ("kafka.example.org:9098", ""),
    ],
)
def test_the_region_is_in_the_brokers_name(broker: str, region: str) -> None:
    assert login_from({}, (broker,)).region == region


def test_a_variable_says_the_region_where_names_do_not() -> None:
    assert login_from({"AWS_REGION": "eu-west-3"}, ("kafka.example.org:9098",)).region == "eu-west-3"
    assert login_from({"AWS_DEFAULT_REGION": "eu-west-1"}, (f"{BROKER}:9098",)).region == "eu-west-1"


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"AWS_ROLE_ARN": ""}, r"needs credentials: a role .*eks\.amazonaws\.com/role-arn"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "AWS_MSK_IAM needs KAFKA_SECURITY_PROTOCOL SASL_SSL"),
        ({"KAFKA_SASL_PASSWORD": "hunter2"}, "KAFKA_SASL_PASSWORD is set, but .* makes no use of it"),
        ({"KAFKA_BROKER": "kafka.example.org:9098"}, "AWS_REGION is missing"),
    ],
)
def test_what_contradicts_iam_is_refused_by_name(changed: dict[str, str], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        settings_from_environment(GIVEN | changed)


def test_keys_of_aws_are_kept_from_cells() -> None:
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} <= set(SECRET_KEYS)


# --- the login --------------------------------------------------------------------------------------------------------


def signature(secret: str, moment: str, scope: tuple[str, str], request: tuple[str, str, str, str]) -> str:
    """Sign as AWS describes it (Signature Version 4, in a query); ``request``: host, path, query, hash of the body."""
    host, path, query, body = request
    canonical = "\n".join(("GET", path, query, f"host:{host}\n", "host", body))
    whole = f"{moment[:8]}/{'/'.join(scope)}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{whole}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (moment[:8], *scope, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def query_of(values: dict[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(values[name], safe='')}" for name in sorted(values))


def test_the_own_implementation_gives_the_signature_that_aws_published() -> None:
    """The example of "Authenticating Requests: Using Query Parameters" in the reference of Amazon S3."""
    values = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request",
        "X-Amz-Date": "20130524T000000Z",
        "X-Amz-Expires": "86400",
        "X-Amz-SignedHeaders": "host",
    }
    request = ("examplebucket.s3.amazonaws.com", "/test.txt", query_of(values), "UNSIGNED-PAYLOAD")
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    signed = signature(secret, "20130524T000000Z", ("us-east-1", "s3"), request)
    assert signed == "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"


def login_to(broker: str, source: Source) -> Any:
    """Make the login as kafka-python's connection does, with all that it was configured with."""
    msk.register()
    config = {**KafkaConnection.DEFAULT_CONFIG, "sasl_oauth_token_provider": source}
    return get_sasl_mechanism("AWS_MSK_IAM")(host=broker, **config)


def test_the_broker_is_told_what_msk_expects_signed_with_the_roles_credentials(of_role: Source) -> None:
    login = login_to(BROKER, of_role)
    told = json.loads(login.auth_bytes())
    moment = told["x-amz-date"]
    assert told == {
        "version": "2020_10_22",
        "host": BROKER,
        "user-agent": "kafka-python",
        "action": "kafka-cluster:Connect",
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"ASIAEXAMPLE/{moment[:8]}/eu-central-1/kafka-cluster/aws4_request",
        "x-amz-date": moment,
        "x-amz-signedheaders": "host",
        "x-amz-expires": "900",
        "x-amz-security-token": "tok/en+=",
        "x-amz-signature": told["x-amz-signature"],
    }
    values = {
        "Action": told["action"],
        "X-Amz-Algorithm": told["x-amz-algorithm"],
        "X-Amz-Credential": told["x-amz-credential"],
        "X-Amz-Date": moment,
        "X-Amz-Expires": "900",
        "X-Amz-Security-Token": "tok/en+=",
        "X-Amz-SignedHeaders": "host",
    }
    request = (BROKER, "/", query_of(values), hashlib.sha256(b"").hexdigest())
    wanted = signature("se/cr+et=", moment, ("eu-central-1", "kafka-cluster"), request)
    assert told["x-amz-signature"] == wanted
    login.receive(b'{"version":"2020_10_22"}')
    assert login.is_done()
    assert login.is_authenticated()


def test_clients_are_given_the_credentials_source() -> None:
    given = settings_from_environment(GIVEN).client_options
    assert isinstance(given["sasl_oauth_token_provider"], Source)
    assert "sasl_oauth_token_provider" in KafkaConnection.DEFAULT_CONFIG
    plain = settings_from_environment({"KAFKA_BROKER": "kafka:9092"}).client_options
    assert plain["sasl_oauth_token_provider"] is None


def test_a_refusal_of_aws_is_final_and_one_that_may_pass_is_not(of_role: Source, stand_in: StandIn) -> None:
    login = login_to(BROKER, of_role)
    stand_in.status, stand_in.answer = 403, STS_REFUSAL
    with pytest.raises(errors.SaslAuthenticationFailedError, match="AccessDenied"):
        login.auth_bytes()
    stand_in.status = 503
    with pytest.raises(errors.KafkaConnectionError, match="503"):
        login.auth_bytes()


def test_what_to_do_about_a_refused_login_is_said_in_the_words_of_iam() -> None:
    settings = settings_from_environment(GIVEN)
    refused = errors.SaslAuthenticationFailedError("no")
    assert "role of the pods' service account" in explained(settings, "reading", refused).way_out
    by_password = replace(settings, mechanism="PLAIN", aws=None)
    assert "KAFKA_SASL_PASSWORD" in explained(by_password, "reading", refused).way_out
