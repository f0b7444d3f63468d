"""The connections of this process to the store: a pool for commands, and one by which the others know that it lives."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit
from uuid import uuid4

from tokentape_fake_provider.errors import (
    SessionUnreadableError,
    SettingError,
    StoreUnavailableError,
    extra_needed,
)
from tokentape_fake_provider.sessions.redis_store.scripts import OF_SESSION

if TYPE_CHECKING:
    from redis.asyncio import Redis

NAME: Final = "tokentape-"
_SCHEMES: Final = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}
_CONNECT_S: Final = 2.0
_ANSWER_S: Final = 5.0
_REOPEN_S: Final = 0.1
_MISSED_S: Final = 0.5
# A command is not sent again by itself: it may have been executed.
_OPTIONS: Final[dict[str, Any]] = {"socket_connect_timeout": _CONNECT_S, "socket_timeout": None, "protocol": 2}
_logger: Final = logging.getLogger("tokentape_fake_provider")


_DATABASE: Final = re.compile(r"(/\d*)?")  # redis takes another path as number 0
_PREFIX: Final = re.compile(r"[\w.-]{1,100}")
_NOT_CLUSTER: Final = (
    "is a node of a Redis Cluster, in which the keys of a session would be on several nodes: use a server without "
    "cluster mode (cluster-enabled no)"
)
_PRIMARY: Final = "give the address of its primary"


class StoreAddress:
    """A URL of Redis or Valkey. Raises `SettingError`; no message has its user and password.

    Its parameter `prefix` is that of all keys, so that several projects can use one server.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port, scheme = parts.hostname or "", parts.port or 6379, parts.scheme.lower()
        except ValueError:
            parts, host, port, scheme = urlsplit(""), "", 0, ""
        usable = parts.path if scheme == "unix" else host and _DATABASE.fullmatch(parts.path)
        if scheme not in _SCHEMES or not usable:
            raise SettingError(
                "the store's URL is not usable: give one like redis://127.0.0.1:6379/0 (or rediss, valkey, valkeys, "
                "unix), with user and password if it needs them"
            )
        query = parse_qs(parts.query, keep_blank_values=True)
        self.prefix = query.pop("prefix", ["tokentape"])[-1]
        """What all keys begin with, before a colon."""
        self._parameters = list(query)
        if not _PREFIX.fullmatch(self.prefix):
            raise SettingError("the prefix in the store's URL is not usable: use 1 to 100 of A-Z a-z 0-9 . _ -")
        parts = parts._replace(scheme=_SCHEMES[scheme], query=urlencode(query, doseq=True))
        self.url = (
            urlunsplit(parts) if host else f"unix://{parts.netloc}{parts.path}{'?' if query else ''}{parts.query}"
        )
        place = parts.path if scheme == "unix" else f"{f'[{host}]' if ':' in host else host}:{port}"
        self.shown = f"{scheme}://{place}"
        """The URL without user and password."""

    def offset(self) -> float:
        """Connect once, and return by how many ms the server's time is ahead of this machine's monotonic clock.

        Raises `StoreUnavailableError`, `SettingError` for a URL that redis can't read and for a server that can't have
        sessions, `MissingExtraError`.
        """
        with extra_needed("store", "--store"):
            from redis import Redis
            from redis.backoff import NoBackoff
            from redis.exceptions import NoPermissionError
            from redis.retry import Retry
        # A server without TLS does not answer a client with it.
        options = {**_OPTIONS, "socket_timeout": _ANSWER_S, "retry": Retry(NoBackoff(), 0)}
        with self.errors(), Redis.from_url(self.url, **options) as client:
            with suppress(NoPermissionError):
                self._check(client.info())
            client.client_list()  # by which it is known who lives
            seconds, micros = client.time()
            return float(seconds * 1000 + micros / 1000 - time.perf_counter() * 1000)

    def _check(self, info: Mapping[str, Any]) -> None:
        if info.get("redis_mode") == "cluster":
            raise SettingError(f"the store at {self.shown} {_NOT_CLUSTER}")
        if info.get("role") == "slave":
            raise SettingError(f"the store at {self.shown} is a replica, to which nothing can be written: {_PRIMARY}")

    def client(self) -> Redis:
        """A client for the running event loop."""
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return Redis.from_url(self.url, **_OPTIONS, retry=Retry(NoBackoff(), 0))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """A context that raises `StoreUnavailableError` for errors of the connection and of the server."""
        from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError, ResponseError

        try:
            yield
        except SettingError:
            raise
        except AuthenticationError:
            raise StoreUnavailableError(
                f"the store at {self.shown} refused the user or the password: check those of the URL"
            ) from None
        except ReadOnlyError:
            raise StoreUnavailableError(
                f"the store at {self.shown} has become a replica, to which nothing can be written: {_PRIMARY}"
            ) from None
        except ResponseError as error:
            reason = str(error).partition(" script: ")[0].rstrip(".")  # not where in the script
            if reason.startswith("WRONGTYPE"):
                raise SessionUnreadableError(
                    f"the store at {self.shown} has a value of another program in a key of this session: delete the "
                    "session, or give the store's URL a prefix of its own (?prefix=NAME)"
                ) from None
            kind = SessionUnreadableError if reason.startswith(OF_SESSION) else StoreUnavailableError
            refused = reason.removeprefix(OF_SESSION)
            raise kind(f"the store at {self.shown} refused a command: {refused}") from None
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError(
                f"the store at {self.shown} can't be reached ({type(error).__name__}): start it, or check the URL"
            ) from None
        except (TypeError, ValueError):  # a parameter that the package redis does not know
            raise SettingError(
                f"the store's URL at {self.shown} has a parameter that redis does not know, or with a value that it "
                f"does not take: {', '.join(self._parameters)}"
            ) from None


class Presence:
    """A named connection: while the server has it, this process lives. Once opened, it opens again by itself."""

    def __init__(self, address: StoreAddress, client: Redis) -> None:
        self._address = address
        self._client = client
        self._connection: Any = None
        self._reading: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self.name = f"{NAME}{socket.gethostname()}:{os.getpid()}-{uuid4().hex[:8]}"

    async def open(self) -> None:
        """Open the connection unless it is open. Raises `StoreUnavailableError`."""
        if self._connection is None:
            async with self._opening:
                await self._open()

    async def _open(self) -> None:
        if self._connection is None:
            pool: Any = self._client.connection_pool
            with self._address.errors():
                async with asyncio.timeout(_CONNECT_S):
                    connection = pool.make_connection()
                    await connection.connect()
                    await connection.send_command("CLIENT", "SETNAME", self.name)
                    await connection.read_response()
            self._connection = connection
            self._reading = asyncio.ensure_future(self._read(connection))

    async def _read(self, connection: Any) -> None:
        """Read the replies, which nobody needs, until the connection ends; then open another one."""
        try:
            while True:
                await connection.read_response()
        except Exception as error:
            _logger.debug("the connection to the store ended: %s", type(error).__name__)
        finally:
            self._connection = None
            with suppress(Exception):
                await connection.disconnect(nowait=True)
        while self._connection is None:
            with suppress(StoreUnavailableError):
                await self.open()
            await asyncio.sleep(_REOPEN_S)

    def send(self, *command: str) -> None:
        """Send a command without waiting for its reply: it leaves in the same turn of the event loop.

        Nothing is sent while there is no connection.
        """
        connection = self._connection
        if connection is not None:
            sending = connection.send_packed_command(connection.pack_command(*command), check_health=False)
            with suppress(Exception):  # StopIteration: it waits for nothing, unless the server does not read
                sending.send(None)
            sending.close()

    async def dead(self, names: Iterable[str]) -> set[str]:
        """Those of the processes with these names that live no longer.

        They are looked for twice: one that only lost its connection has opened it again meanwhile.
        """
        dead = set(names)
        for pause in (0.0, _MISSED_S):
            if dead:
                await asyncio.sleep(pause)
                dead -= {client["name"] for client in await self._client.client_list()}
        return dead

    async def close(self) -> None:
        """Close the connection."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
