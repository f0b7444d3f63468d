"""The connections of this process to Redis or Valkey: one for commands, and one for the channels of responses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Container, Sequence
from hashlib import sha1
from typing import Any

from tokentape.errors import BufferUnavailableError, ConfigurationError
from tokentape.web.resumable.redis_scripts import KEYS, SCRIPTS
from tokentape.web.resumable.redis_settings import KEY_ERRORS, RedisSettings

log = logging.getLogger("tokentape.web")

_HASHES = {name: sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in SCRIPTS.items()}
_RECONNECT_S = 0.2


class RedisConnection:
    """Runs scripts, and follows channels. Errors are those of the package redis."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._client = settings.client()
        self._subscriber = settings.client(timeout=None)
        self._channels: Any = None
        self._followed: set[str] = set()
        self._lock = asyncio.Lock()
        self._checked = False

    async def check(self) -> None:
        """Raise ConfigurationError for a server that can't keep responses; once it could, do nothing."""
        from redis.exceptions import NoPermissionError

        if not self._checked:
            info: dict[str, Any] = {}
            with contextlib.suppress(NoPermissionError):
                info = await self._client.info("server")
            if info.get("redis_mode") == "cluster":
                raise ConfigurationError(
                    f"Redis at {self._settings.address} is a node of a Redis Cluster, of which RedisBuffer would know "
                    "only this one: use a server without cluster mode (cluster-enabled no)"
                )
            self._checked = True

    async def run(self, script: str, key: str, *arguments: Any) -> Any:
        """Run a script for the response with this key, and return its reply.

        Raises BufferUnavailableError for a response that another program has overwritten.
        """
        (reply,) = await self.run_all([(script, key, *arguments)])
        if isinstance(reply, BufferUnavailableError):
            raise reply
        return reply

    async def run_all(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run scripts in one round trip; if the server does not know one, load all and run them again.

        The reply of a response that another program has overwritten is an error; any other error is raised.
        """
        from redis.exceptions import NoScriptError

        await self.check()
        replies: list[Any] = []
        for _ in range(2):
            pipeline = self._client.pipeline(transaction=False)
            for script, key, *arguments in calls:
                pipeline.evalsha(_HASHES[script], len(KEYS), *(key + part for part in KEYS), *arguments)
            replies = list(await pipeline.execute(raise_on_error=False))
            if not any(isinstance(reply, NoScriptError) for reply in replies):
                break
            for text in SCRIPTS.values():
                await self._client.script_load(text)
        for place, reply in enumerate(replies):
            if isinstance(reply, Exception):
                if not str(reply).startswith("WRONGTYPE"):
                    raise reply
                replies[place] = self._settings.overwritten(calls[place][1])
        return replies

    async def subscribe(self, key: str) -> None:
        """Follow the channel of a response."""
        async with self._lock:
            if key not in self._followed:
                self._followed.add(key)
                await self._send_to_channels("SUBSCRIBE", key)

    async def unsubscribe_others(self, keys: Container[str]) -> None:
        """Follow no other channels than those of these responses."""
        async with self._lock:
            others = [key for key in self._followed if key not in keys]
            if others:
                self._followed.difference_update(others)
                await self._send_to_channels("UNSUBSCRIBE", *others)

    async def listen(self, receive: Callable[[str, object], None]) -> None:
        """Report each message with its key, for ever.

        After a reconnection each channel is reported anew, with a number: messages may have been lost.
        """
        while True:
            channels = None
            try:
                async with self._lock:
                    channels = self._channels or await self._open_channels()
                while True:
                    _, name, data = await channels.read_response()
                    receive(name.decode(errors=KEY_ERRORS), data)
            except Exception as error:
                log.warning("the subscription of resumable responses broke off: %s", type(error).__name__)
            async with self._lock:
                if channels is self._channels:
                    await self._close_channels()
            await asyncio.sleep(_RECONNECT_S)

    async def _send_to_channels(self, *command: str) -> None:
        if self._channels is not None:
            with contextlib.suppress(Exception):  # it is lost: the next one follows all channels
                await self._channels.send_command(*command)
                return
        await self._open_channels()

    async def _open_channels(self) -> Any:
        """Connect, and follow all channels.

        The caller has the lock: of two tasks that connect at once, the package redis loses the connection of one.
        """
        await self.check()
        await self._close_channels()
        pool: Any = self._subscriber.connection_pool
        self._channels = channels = pool.make_connection()
        try:
            await channels.connect()
            if self._followed:
                await channels.send_command("SUBSCRIBE", *self._followed)
        except BaseException:
            await self._close_channels()
            raise
        return channels

    async def _close_channels(self) -> None:
        channels, self._channels = self._channels, None
        if channels is not None:
            with contextlib.suppress(Exception):
                await channels.disconnect(nowait=True)

    async def close(self) -> None:
        """Disconnect."""
        await self._close_channels()
        for client in (self._subscriber, self._client):
            await client.aclose()
