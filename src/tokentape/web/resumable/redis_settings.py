"""The settings of a buffer in Redis or Valkey: where it is, and how much it keeps for how long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from tokentape.arguments import require_text
from tokentape.errors import BufferUnavailableError, ConfigurationError
from tokentape.web.resumable.buffer import WhenFull

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEY_ERRORS: Final = "surrogatepass"
"""How keys are encoded: an id from JSON may have half a surrogate pair."""
_LONGEST_MS: Final = 1 << 50  # for ever, as far as Redis can tell
_SCHEMES: Final = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}


class RedisSettings(NamedTuple):
    """What `RedisBuffer` is set to; `address` is the URL without user and password."""

    url: str
    address: str
    max_response_bytes: int
    max_age: float
    when_full: WhenFull
    lease: float
    prefix: str

    def __repr__(self) -> str:
        return f"RedisSettings({self.address!r})"  # reports of errors may show it

    @property
    def dropped_above(self) -> int:
        """Above how many bytes a response loses its oldest events."""
        return self.max_response_bytes if self.when_full == "drop" else 1 << 50

    @property
    def lease_ms(self) -> int:
        """For how long a worker that does not report counts as alive."""
        return _ms(self.lease)

    @property
    def kept_ms(self) -> int:
        """For how long a response is kept after its end."""
        return _ms(self.max_age)

    @property
    def running_ms(self) -> int:
        """For how long a response is kept whose worker does not report."""
        return self.kept_ms + 2 * self.lease_ms

    def key(self, id: str) -> str:  # noqa: A002 - the parameter's own name
        """Return the key of a response. What is in braces determines the node of a cluster."""
        return f"{self.prefix}{{{id}}}"

    def client(self, timeout: float | None = 5.0) -> Redis:
        """Return a client for the running event loop, whose commands may take `timeout` seconds.

        A command that may have been executed is sent again: each of them may be executed twice.
        """
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import ExponentialBackoff

        retry = Retry(ExponentialBackoff(cap=0.5, base=0.05), 3)
        client: Redis = Redis.from_url(
            self.url,
            socket_connect_timeout=2.0,
            socket_timeout=timeout,
            protocol=2,
            retry=retry,
            encoding_errors=KEY_ERRORS,
        )
        return client

    def overwritten(self, key: str) -> BufferUnavailableError:
        """Return the error of a response that has a key with a value of another type."""
        return BufferUnavailableError(
            f"Redis at {self.address} has a value of another program in a key of this response: delete the keys that "
            f"begin with {key!r}, or give RedisBuffer a prefix of its own"
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """A context that raises BufferUnavailableError for errors of the connection and of the server."""
        from redis.exceptions import RedisError, ResponseError

        try:
            yield
        except BufferUnavailableError:
            raise
        except ResponseError as error:
            reason = str(error).partition(" script: ")[0]  # not where in the script
            raise BufferUnavailableError(f"Redis at {self.address} refused a command: {reason}") from None
        except (RedisError, OSError, TimeoutError) as error:
            raise BufferUnavailableError(
                f"Redis at {self.address} can't be reached ({type(error).__name__}): start it, or check the URL; the "
                "next request tries again"
            ) from None


def _ms(seconds: float) -> int:
    return max(1, int(min(seconds * 1000, _LONGEST_MS)))


def parse_address(url: str) -> tuple[str, str]:
    """Return a URL as the client reads it, and the address without user and password.

    Raises ConfigurationError, also if the package redis is not installed.
    """
    try:
        import redis  # noqa: F401
    except ModuleNotFoundError:
        raise ConfigurationError(
            "RedisBuffer needs the package redis, which is not installed: pip install 'tokentape[redis]'"
        ) from None
    try:
        parts = urlsplit(require_text(url, "the URL of RedisBuffer"))
        host, port, scheme = parts.hostname or "", parts.port or 6379, parts.scheme.lower()
    except ValueError:
        parts, host, port, scheme = urlsplit(""), "", 0, ""
    if scheme not in _SCHEMES or not (host or (scheme == "unix" and parts.path)):
        raise ConfigurationError(
            "the URL of RedisBuffer is not usable: give one like redis://127.0.0.1:6379/0 (or rediss, valkey, valkeys, "
            "unix), with user and password if it needs them"
        )
    place = parts.path if scheme == "unix" else f"{f'[{host}]' if ':' in host else host}:{port}"
    return f"{_SCHEMES[scheme]}{url[len(scheme) :]}", f"{scheme}://{place}"
