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
        self._pubsub: Any = None
        self._always = settings.key("")  # without a channel there is nothing to listen to
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
            if self._pubsub is None:
                await self.check()
                pubsub = self._subscriber.pubsub()
                await pubsub.subscribe(self._always)
                self._pubsub = pubsub
            name, pubsub = key.encode(errors=KEY_ERRORS), self._pubsub
            if name not in pubsub.channels or name in pubsub.pending_unsubscribe_channels:
                await pubsub.subscribe(key)

    async def unsubscribe_others(self, keys: Container[str]) -> None:
        """Follow no other channels than those of these responses."""
        async with self._lock:
            followed = () if self._pubsub is None else map(_key, list(self._pubsub.channels))
            others = [key for key in followed if key != self._always and key not in keys]
            if others:
                await self._pubsub.unsubscribe(*others)

    async def listen(self, receive: Callable[[str, object], None]) -> None:
        """Report each message with its key, for ever.

        After a reconnection each channel is reported anew, with a number: messages may have been lost.
        """
        while True:
            try:
                if self._pubsub is None:
                    await self.subscribe(self._always)
                async for message in self._pubsub.listen():
                    receive(_key(message["channel"]), message["data"])
            except Exception as error:
                log.warning("the subscription of resumable responses broke off: %s", type(error).__name__)
                await asyncio.sleep(_RECONNECT_S)
                with contextlib.suppress(Exception):
                    await self._pubsub.connect()

    async def close(self) -> None:
        """Disconnect."""
        for client in (self._pubsub, self._subscriber, self._client):
            if client is not None:
                await client.aclose()


def _key(name: bytes) -> str:
    return name.decode(errors=KEY_ERRORS)
