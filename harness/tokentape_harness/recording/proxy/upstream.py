"""Upstream: the provider to which requests below each path prefix go."""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tokentape_harness.errors import UsageError
from tokentape_harness.testing.sdk_environment import base_urls, fake_keys, providers

CONNECT_S: Final = 30.0
"""How long a connection to an upstream may take, in s."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_LOCAL: Final = ("127.0.0.1", "localhost", "::1")
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_ALIASES: Final = {"google": "gemini"}


class Upstream(NamedTuple):
    """A provider: the name of its prefix, and its origin, with a base path if it has one."""

    name: str
    url: str

    @property
    def ending(self) -> str:
        """The path at the end of the base URL for the provider's SDK, both of this URL and of the proxy's."""
        return next((base.ending for base in base_urls().values() if base.provider == self.name), "")


class Target(NamedTuple):
    """The upstream of one request, and its path and query there, as the client wrote them."""

    upstream: Upstream
    path: str

    @property
    def uri(self) -> str:
        """The URI that the client would request without the proxy."""
        return self.upstream.url + self.path

    @property
    def websocket_uri(self) -> str:
        """The URI of a WebSocket there."""
        return f"ws{self.uri.removeprefix('http')}"


def http_uri(uri: str) -> str:
    """The URI of HTTP for one of a WebSocket; others stay as they are."""
    return f"http{uri[2:]}" if uri.startswith(("ws:", "wss:")) else uri


def upstreams_of(options: Iterable[str], environment: Mapping[str, str]) -> dict[str, Upstream]:
    """The upstreams by name: those of `options` (`NAME=URL`), of the SDKs' variables, and the providers' own.

    A URL may be a base URL as the SDK takes it (`https://gateway.example/v1`). Raises `UsageError`.
    """
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    # An address, since a server may not listen on every address of localhost.
    origins = {name: known.origin.replace("//localhost", "//127.0.0.1") for name, known in providers().items()}
    urls = {name: origin.format(region=region) for name, origin in origins.items()}
    for variable, base in reversed(base_urls().items()):
        if environment.get(variable):
            urls[base.provider] = _checked(base.provider, _absolute(base.provider, environment[variable]), variable)
    for option in options:
        name, equals, url = option.partition("=")
        if not equals or not NAME.fullmatch(name):
            raise UsageError(f"--upstream {option}: give NAME=URL, such as openai=https://gateway.example/v1")
        urls[name] = _checked(name, url, f"--upstream {name}")
    return {name: Upstream(name, url) for name, url in urls.items()}


def _absolute(provider: str, url: str) -> str:
    """A URL of a variable; that of Ollama may be a host without scheme and port."""
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
        raise UsageError(f"{source}: the URL holds a user or password: give the key to the program itself")
    return url.rstrip("/").removesuffix(Upstream(name, url).ending).rstrip("/")


def _shown(url: str) -> str:
    return repr(url.rpartition("@")[2].partition("?")[0])


def without_secret(path: str, secret: str) -> tuple[str, bool]:
    """The path without the secret that the user's own programs have in their base URL, and whether it was there."""
    first, _, rest = path.removeprefix("/").partition("/")
    return (f"/{rest}", True) if hmac.compare_digest(first.encode(), secret.encode()) else (path, False)


def target_of(path: str, query: str, upstreams: Mapping[str, Upstream]) -> Target | None:
    """The target of a request; `None` if no upstream has its prefix."""
    name, _, rest = path.removeprefix("/").partition("/")
    upstream = upstreams.get(name)
    return None if upstream is None else Target(upstream, f"/{rest}" + (f"?{query}" if query else ""))


def command_urls(url: str, upstreams: Mapping[str, Upstream]) -> dict[str, str]:
    """What each placeholder of a command stands for: the base URL of its SDK, and `proxy` for the proxy at `url`."""
    urls = {name: f"{url}/{name}{upstream.ending}" for name, upstream in upstreams.items()}
    aliases = {alias: urls[name] for alias, name in _ALIASES.items() if name in urls}
    return {"proxy": url} | aliases | urls


def with_urls(command: Sequence[str], urls: Mapping[str, str]) -> list[str]:
    """The command with `{NAME}` replaced by that URL. All other braces stay, also those of `{{NAME}}` and `${NAME}`."""
    names = "|".join(map(re.escape, urls))
    placeholder = re.compile(rf"{{{{(?:{names})}}}}|(?<!\$){{({names})}}")
    return [placeholder.sub(lambda found: urls[found[1]] if found[1] else found[0], word) for word in command]


def command_environment(
    url: str, environment: Mapping[str, str], *, blocking: str | None, keys: Collection[str]
) -> dict[str, str]:
    """The environment for a program that uses the proxy at `url`; `keys` are the providers whose missing keys become
    fake ones: a program may use every provider for which it has a key.

    `TOKENTAPE_PROXY_URL` is for programs whose SDK reads no variable: an upstream's prefix follows it. Requests to all
    other hosts go to the proxy at `blocking`, if there is one.
    """
    variables = dict(environment) | {"TOKENTAPE_PROXY_URL": url}
    variables |= {variable: f"{url}/{base.provider}{base.ending}" for variable, base in base_urls().items()}
    if blocking is not None:
        variables |= {variable: blocking for name in _PROXIES for variable in (name, name.upper())}
        variables["NODE_USE_ENV_PROXY"] = "1"
    for variable in ("NO_PROXY", "no_proxy"):
        given = "" if blocking is not None else environment.get(variable, "")
        listed = [host.strip() for host in given.split(",") if host.strip()]
        variables[variable] = ",".join([*listed, *(host for host in _LOCAL if host not in listed)])
    if not keys:
        return variables
    # CI sets the secrets that a fork lacks to an empty text.
    return variables | {name: key for name, key in fake_keys(keys).items() if not variables.get(name)}
