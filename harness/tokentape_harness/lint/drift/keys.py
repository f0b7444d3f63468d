"""Keys: the API keys of environment variables, each for the hosts that it may be sent to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from tokentape_fake_provider.http.loopback import is_loopback
from tokentape_fake_provider.wires.facts import Provider
from tokentape_harness.cassettes.model import Headers, Request
from tokentape_harness.errors import UsageError
from tokentape_harness.recording.proxy.headers import text
from tokentape_harness.recording.proxy.signing import sign
from tokentape_harness.redaction import DEFAULT_RULES, PLACEHOLDER
from tokentape_harness.testing.sdk_environment import providers

_CARRIERS: Final = frozenset(("authorization", *(known.key_header for known in providers().values()), "api-key"))
"""The headers that carry keys; `api-key` is Azure's."""
# A signature of AWS gives way to a bearer token.
_SCHEME: Final = re.compile(r"(?!AWS4)[\w-]+(?= )")
# The credentials that requests to AWS are signed with; the first names them all.
_OF_AWS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_PARAMETER: Final = re.compile(r"(?<=[?&])([^=&#]+)=([^&#]*)")


class Key(NamedTuple):
    """The variable that has a key, and the key, empty if it is not set."""

    variable: str
    value: str

    @property
    def signs(self) -> bool:
        """Whether it is of credentials that sign requests to AWS, and are never sent themselves."""
        return self.variable in _OF_AWS


class Keys:
    """The keys of `options`: `VARIABLE` for the provider whose SDK reads it, or `HOST=VARIABLE`.

    A provider's key is sent to its own host, to the upstream that replaces it, and to this machine; a key with a host
    only there. A variable that no known provider reads needs a host, unless all requests go to one. Raises
    `UsageError`.
    """

    def __init__(self, options: Iterable[str], environment: Mapping[str, str], hosts: Iterable[str]) -> None:
        by_provider = {variable: known.name for known in providers().values() for variable in known.keys}
        only, *others = sorted(set(hosts)) or [""]
        self._by_host: dict[str, Key] = {}
        self._by_provider: dict[str, Key] = {}
        self._of_aws = tuple(Key(name, environment[name]) for name in _OF_AWS if environment.get(name))
        for option in options:
            host, equals, variable = option.rpartition("=")
            key = Key(variable, environment.get(variable, ""))
            if equals and host:
                self._by_host[host.lower()] = key
            elif variable in by_provider:
                self._by_provider[by_provider[variable]] = key
            elif variable and not others:
                self._by_host[only] = key
            else:
                raise UsageError(
                    f"--key-env {option}: no known provider reads this variable: say to which host its key goes, as "
                    f"in HOST={variable or 'VARIABLE'}"
                )

    @property
    def values(self) -> tuple[str, ...]:
        """The keys themselves, which must reach no file and no output."""
        found = (*self._by_host.values(), *self._by_provider.values(), *self._of_aws)
        return tuple(dict.fromkeys(key.value for key in found if key.value))

    def unset(self) -> tuple[str, ...]:
        """The variables that are not set."""
        found = (*self._by_host.values(), *self._by_provider.values())
        return tuple(key.variable for key in found if not key.value)

    def key_for(self, uri: str, provider: Provider | None, *, own_host: bool) -> Key | None:
        """The key for a request; `own_host` is whether its host is the provider's, or the upstream in its place."""
        parts = urlsplit(uri)
        host = parts.hostname or ""
        found = self._by_host.get(parts.netloc.lower()) or self._by_host.get(host)
        if found is None and provider is not None and (own_host or is_loopback(host)):
            found = self._by_provider.get(provider.name)
        return found


def with_key(request: Request, given: Key | None, provider: Provider | None) -> Request:
    """The request with a key where the recording has its placeholder, else in the header that the provider reads.

    All other redacted headers are left out, as are all of them without a key. With credentials of AWS the request is
    signed; raises `UsageError` if it can't be.
    """
    key = "" if given is None or given.signs else given.value
    headers: Headers = ()
    placed = False
    uri = request.uri
    if key:
        uri = _PARAMETER.sub(lambda match: _parameter(match, key), uri)
        placed = uri != request.uri
    for name, value in request.headers:
        if not DEFAULT_RULES.is_header(name):
            headers += ((name, value),)
        elif name.lower() in _CARRIERS and key:
            scheme = _SCHEME.match(value)
            headers += ((name, _value(name, key, scheme.group() if scheme else "")),)
            placed = True
    if key and not placed:
        name = "authorization" if provider is None else provider.key_header
        headers += ((name, _value(name, key)),)
    if given is not None and given.signs:
        raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
        headers = text(sign(request.method, uri, raw, request.body or b""))
    return Request(request.method, uri, headers, request.body)


def _value(header: str, key: str, scheme: str = "") -> str:
    scheme = scheme or ("Bearer" if header.lower() == "authorization" else "")
    return f"{scheme} {key}" if scheme else key


def _parameter(match: re.Match[str], key: str) -> str:
    if match[2] == PLACEHOLDER and DEFAULT_RULES.is_parameter(match[1]):
        return f"{match[1]}={quote(key, safe='')}"
    return match.group()


def carries_key(request: Request) -> bool:
    """Whether the recorded request had a key, which is redacted."""
    return any(name.lower() in _CARRIERS for name, _ in request.headers) or any(
        DEFAULT_RULES.is_parameter(match[1]) for match in _PARAMETER.finditer(request.uri)
    )
