"""Signing: signs requests to AWS again, since a client of the proxy has signed them for the host of the proxy."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from tokentape_harness.errors import UsageError
from tokentape_harness.recording.proxy.headers import RawHeaders

_SCOPE: Final = re.compile(rb"AWS4-HMAC-SHA256 .*Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
_REGION: Final = re.compile(r"\.([\w-]+)\.amazonaws\.com")
_OF_SIGNATURE: Final = frozenset((b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"))


def is_aws(uri: str) -> bool:
    """Whether a URI is one of AWS, which accepts only signed requests."""
    return (urlsplit(uri).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))


def is_signed_for_aws(uri: str, headers: RawHeaders) -> bool:
    """Whether the upstream is AWS and the client has signed the request."""
    return _scope(uri, headers) is not None


def _scope(uri: str, headers: RawHeaders) -> re.Match[bytes] | None:
    if not is_aws(uri):
        return None
    return _SCOPE.match(next((value for name, value in headers if name.lower() == b"authorization"), b""))


def sign_again(method: str, uri: str, headers: RawHeaders, body: bytes) -> RawHeaders:
    """The headers of a request, signed with the AWS credentials of this process if it is signed for AWS.

    Raises `UsageError` without botocore or credentials.
    """
    scope = _scope(uri, headers)
    if scope is None:
        return headers
    return sign(method, uri, headers, body, region=scope[1].decode("latin-1"), service=scope[2].decode("latin-1"))


def sign(
    method: str, uri: str, headers: RawHeaders, body: bytes, *, region: str = "", service: str = "bedrock"
) -> RawHeaders:
    """The headers of a request, signed with the AWS credentials of this process.

    Without a `region` it is the one of the host, else that of this process. Raises `UsageError` without botocore or
    credentials.
    """
    try:
        from botocore.auth import SigV4Auth  # type: ignore[import-untyped, unused-ignore]
        from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped, unused-ignore]
        from botocore.session import Session  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise UsageError("requests to AWS must be signed again: install tokentape[bedrock]") from None
    session = Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise UsageError("requests to AWS must be signed again, and no AWS credentials are found here")
    of_host = _REGION.search(urlsplit(uri).hostname or "")
    region = region or (of_host[1] if of_host else session.get_config_variable("region") or "us-east-1")
    types = (value.decode("latin-1") for name, value in headers if name.lower() == b"content-type")
    kind = next(types, None)
    request = AWSRequest(method, uri, data=body, headers={} if kind is None else {"content-type": kind})
    SigV4Auth(credentials.get_frozen_credentials(), service, region).add_auth(request)
    signature = [
        (name.lower().encode(), str(value).encode("latin-1"))
        for name, value in request.headers.items()
        if name.lower().encode() in _OF_SIGNATURE
    ]
    return [*(pair for pair in headers if pair[0].lower() not in _OF_SIGNATURE), *signature]
