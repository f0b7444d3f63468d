"""Region, credentials and signatures for requests to Amazon Web Services."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx2

from tokentape.errors import ConfigurationError
from tokentape.providers.settings import credential, setting


class AWSKeys(NamedTuple):
    """Keys that the caller passed; without them, keys are found in the same places as by boto3."""

    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None


class AWSAccess:
    """Region and credentials, found by botocore in arguments, environment, profile or the machine's role.

    An API key (a bearer token) needs no signature and therefore no botocore. Raises ConfigurationError.
    """

    def __init__(self, service: str, *, region: str | None, profile: str | None, keys: AWSKeys, api_key: str | None):
        self.service = service
        self.bearer: str | None = None
        self._credentials: Any = None
        token = setting(api_key, f"AWS_BEARER_TOKEN_{service.upper()}")
        if token is not None and not any(keys):
            self.bearer = credential(token, f"the API key for {service}")
            self.region = setting(region, "AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1"
            return
        session = _botocore_session(profile)
        if keys.access_key_id or keys.secret_access_key:
            if not (keys.access_key_id and keys.secret_access_key):
                raise ConfigurationError("pass aws_access_key_id= and aws_secret_access_key= together")
            session.set_credentials(*keys)
        region = region or session.get_config_variable("region") or setting(None, "AWS_REGION")
        if not region:
            raise ConfigurationError(f"no AWS region for {service}: set AWS_DEFAULT_REGION, or pass region=")
        self.region = region
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise ConfigurationError(
                f"no AWS credentials for {service}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or "
                f"AWS_BEARER_TOKEN_{service.upper()}), name a profile, or pass the keys"
            )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that errors must not show."""
        if self.bearer is not None:
            return (self.bearer,)
        keys = self._credentials.get_frozen_credentials()
        return tuple(secret for secret in (keys.secret_key, keys.token) if secret)

    def sign(self, request: httpx2.Request) -> None:
        """Add the signature (version 4) to a request; its body and other headers must be final."""
        if self.bearer is not None:
            request.headers["authorization"] = f"Bearer {self.bearer}"
            return
        from botocore.auth import SigV4Auth  # type: ignore[import-untyped, unused-ignore]
        from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped, unused-ignore]

        headers = {"content-type": request.headers["content-type"], "host": request.headers["host"]}
        signed = AWSRequest("POST", str(request.url), headers=headers, data=request.content)
        SigV4Auth(self._credentials, self.service, self.region).add_auth(signed)
        for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token"):
            if name in signed.headers:
                request.headers[name] = signed.headers[name]


def _botocore_session(profile: str | None) -> Any:
    try:
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped, unused-ignore]
        from botocore.session import Session  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ConfigurationError(
            "requests to Amazon Bedrock are signed with botocore: pip install 'tokentape[bedrock]', or pass api_key="
        ) from error
    try:
        session = Session(profile=profile)
        session.get_scoped_config()
    except BotoCoreError as error:
        raise ConfigurationError(f"the AWS configuration can't be used: {error}") from error
    return session
