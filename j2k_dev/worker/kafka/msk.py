"""Logging in to Amazon MSK with IAM: kafka-python signs, and is given credentials here instead of by botocore."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kafka import errors
from kafka.net.sasl import register_sasl_mechanism
from kafka.net.sasl.msk import AwsMskIamClient, SaslMechanismAwsMskIam

from j2k_dev.worker.kafka.aws import CredentialsAway, CredentialsRefused
from j2k_dev.worker.kafka.settings import MSK_IAM

if TYPE_CHECKING:
    from j2k_dev.worker.kafka.aws import Source

_LOG = logging.getLogger("kafka.net.sasl.msk")


def register() -> None:
    """Have clients of this process log in with our credentials where they are told to use IAM."""
    register_sasl_mechanism(MSK_IAM, MskLogin, overwrite=True)


class MskLogin(SaslMechanismAwsMskIam):  # type: ignore[misc]  # kafka-python has no types
    """One login to one broker; the credentials' source takes the place that kafka-python has for tokens."""

    def __init__(self, host: str, sasl_oauth_token_provider: Source, **_config: Any) -> None:
        self.host = host
        self._source = sasl_oauth_token_provider
        self._auth: str | None = None
        self._is_done = False
        self._is_authenticated = False

    def auth_bytes(self) -> bytes:
        """Sign what the broker is told."""
        try:
            credentials = self._source.credentials()
        except CredentialsRefused as error:
            _LOG.warning("Authentication failed: %s", error)
            raise errors.SaslAuthenticationFailedError(str(error)) from error
        except CredentialsAway as error:
            _LOG.warning("Authentication failed: %s", error)
            raise errors.KafkaConnectionError(str(error)) from error
        region = self._source.login.region
        client = AwsMskIamClient(
            self.host, credentials.access_key, credentials.secret_key, region, token=credentials.token
        )
        signed: bytes = client.first_message()
        return signed
