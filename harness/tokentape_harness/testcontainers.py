"""The fake provider in a container, for Testcontainers. Needs the extra `testcontainers`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tokentape_fake_provider.errors import extra_needed

with extra_needed("testcontainers", __name__):
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    from tokentape_harness.testing.control_api import TOKEN, URL
    from tokentape_harness.testing.fake_provider import FakeProvider
    from tokentape_harness.testing.remote import RemoteProvider
    from tokentape_harness.testing.sdk_environment import sdk_environment

__all__ = ["TokentapeContainer"]

PORT: Final = 8089
RULES: Final = "/rules"


class TokentapeContainer(DockerContainer):
    """A container of `tokentape serve`; as a context manager it is ready when `/ready` answers with 200.

        with TokentapeContainer(rules="tests/rules") as tokentape, tokentape.fake_provider() as provider:
            provider.script("Hello!")
            client = openai.OpenAI(base_url=provider.base_url("openai_chat"), api_key="any")

    `rules` is a folder of this machine with rules files and cassettes. The control API requires `token`, by default a
    random one. `options` are further options of `serve`. With `store`, the URL of Redis or Valkey as the container
    reaches it, containers share their sessions. `settings` are those of `DockerContainer`.
    """

    def __init__(
        self,
        image: str = "tokentape:latest",
        *,
        rules: Path | str | None = None,
        token: str | None = None,
        store: str | None = None,
        options: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        super().__init__(image, **settings)
        self.token = secrets.token_urlsafe(16) if token is None else token
        self.with_exposed_ports(PORT)
        self.with_env(TOKEN, self.token)
        if store is not None:
            self.with_env("TOKENTAPE_STORE", store)
        if rules is not None:
            self.with_volume_mapping(str(Path(rules).resolve()), RULES, "ro")
        if options:
            self.with_command(["serve", "--host", "0.0.0.0", "--port", str(PORT), *options, RULES])  # noqa: S104
        self.waiting_for(HttpWaitStrategy(PORT, "/ready").for_status_code(200))

    @property
    def url(self) -> str:
        """The URL of the server, as this machine reaches it."""
        return f"http://{self.get_container_host_ip()}:{self.get_exposed_port(PORT)}"

    def environment(self) -> dict[str, str]:
        """The variables by which the pytest fixtures of other processes use this server, and those of the SDKs."""
        return {URL: self.url, TOKEN: self.token, **sdk_environment(self.url)}

    @contextmanager
    def fake_provider(self, **settings: Any) -> Iterator[FakeProvider]:
        """A session of its own on the server, with these settings; it is deleted at the end."""
        with RemoteProvider(self.url, self.token) as server:
            session = server.create_session(**settings)
            try:
                yield FakeProvider(server, session)
            finally:
                server.delete_session(session.id)
