"""Upstream: where the requests below each path prefix go."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tokentape_harness.errors import UsageError
from tokentape_harness.testing.sdk_environment import base_urls, fake_keys, providers

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_LOCAL: Final = ("127.0.0.1", "localhost", "::1")


class Upstream(NamedTuple):
    """A provider by the name of its prefix, and its origin, with the path before all of its own if it has one."""

    name: str
    url: str

    @property
    def ending(self) -> str:
        """With what the base URL of the provider's own SDK ends, for this URL and for the proxy's."""
        return next((base.ending for base in base_urls().values() if base.provider == self.name), "")


class Target(NamedTuple):
    """Where one request goes: its upstream, and the path and query there, as the client wrote them."""

    upstream: Upstream
    path: str

    @property
    def uri(self) -> str:
        """The URI that the client would have asked for without the proxy."""
        return self.upstream.url + self.path


def upstreams_of(given: Iterable[str], environment: Mapping[str, str]) -> dict[str, Upstream]:
    """The upstreams by name: those given as `NAME=URL`, those of the SDKs' variables, and the providers' own.

    A URL may be a base URL as the SDK takes it (`https://gateway.example/v1`). Raises `UsageError`.
    """
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    # By address, as a server on this machine may listen to one kind only.
    origins = {name: known.origin.replace("//localhost", "//127.0.0.1") for name, known in providers().items()}
    urls = {name: origin.format(region=region) for name, origin in origins.items()}
    for variable, base in reversed(base_urls().items()):
        if environment.get(variable):
            urls[base.provider] = _checked(base.provider, _absolute(base.provider, environment[variable]), variable)
    for option in given:
        name, equals, url = option.partition("=")
        if not equals or not NAME.fullmatch(name):
            raise UsageError(f"--upstream {option}: give NAME=URL, such as openai=https://gateway.example/v1")
        urls[name] = _checked(name, url, f"--upstream {name}")
    return {name: Upstream(name, url) for name, url in urls.items()}


def _absolute(provider: str, url: str) -> str:
    """A URL of a variable; Ollama's may be a bare host, which means its own port."""
    if provider != "ollama" or "://" in url:
        return url
    parts = urlsplit(f"http://{url}")
    return f"http://{url}" if parts.port else f"http://{url.rstrip('/')}:11434"


def _checked(name: str, url: str, source: str) -> str:
    wrong = UsageError(f"{source}: {_shown(url)} is not a URL: give http:// or https://, a host, and maybe a path")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise wrong from None
    if not usable or parts.query or parts.fragment:
        raise wrong
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"{source}: the URL holds a user or password: give the program its key in its own way")
    return url.rstrip("/").removesuffix(Upstream(name, url).ending).rstrip("/")


def _shown(url: str) -> str:
    return repr(url.rpartition("@")[2].partition("?")[0])


def without_secret(path: str, secret: str) -> tuple[str, bool]:
    """The path below the secret that a client of one's own has in its base URL, and whether it is there."""
    first, _, rest = path.removeprefix("/").partition("/")
    return (f"/{rest}", True) if hmac.compare_digest(first.encode(), secret.encode()) else (path, False)


def target_of(path: str, query: str, upstreams: Mapping[str, Upstream]) -> Target | None:
    """Where a request goes; `None` if no upstream has its prefix."""
    name, _, rest = path.removeprefix("/").partition("/")
    upstream = upstreams.get(name)
    return None if upstream is None else Target(upstream, f"/{rest}" + (f"?{query}" if query else ""))


def command_environment(url: str, environment: Mapping[str, str], *, keys: bool) -> dict[str, str]:
    """The environment of a program that shall ask the proxy at `url`; `keys` fills in those that it lacks.

    `TOKENTAPE_PROXY_URL` is for programs whose SDK reads no variable: an upstream's prefix comes next.
    """
    made = dict(environment) | {"TOKENTAPE_PROXY_URL": url}
    made |= {variable: f"{url}/{base.provider}{base.ending}" for variable, base in base_urls().items()}
    for variable in ("NO_PROXY", "no_proxy"):
        listed = [host.strip() for host in environment.get(variable, "").split(",") if host.strip()]
        made[variable] = ",".join([*listed, *(host for host in _LOCAL if host not in listed)])
    # A key that is set to nothing, as CI sets a secret that a fork has not, is no key.
    return made | {name: key for name, key in fake_keys().items() if not made.get(name)} if keys else made
