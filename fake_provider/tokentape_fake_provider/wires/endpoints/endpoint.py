"""An endpoint other than a chat: how it reads a request and writes the result, as data and pure functions.

It is a wire format too, of which a stream is the whole answer at the time of its first token: so queues, rules,
recordings, faults, timing and the journal treat it as they treat a chat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import Error, Script
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import WireFacts
from tokentape_fake_provider.wires.limits import Limits
from tokentape_fake_provider.wires.request_parts import match_path
from tokentape_fake_provider.wires.tasks import Task
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply, Wire

Kind: TypeAlias = Literal["embeddings", "rerank", "moderations", "token counts", "chat"]


class Read(NamedTuple):
    """What an endpoint reads from a request."""

    task: Task
    model: str
    dialect: str = ""


class Format(NamedTuple):
    """How an endpoint reads and writes; the functions are pure.

    - `read` reads the path and the body. Raises `BadRequestError` for what the provider can't read.
    - `check` raises `BadRequestError` for what the provider refuses.
    - `write` gives the body of the response: the number of input tokens is `None` where usage is not reported.
    - `reply` wraps it.
    """

    read: Callable[[str, Mapping[str, Any]], Read]
    check: Callable[[ProviderRequest], None]
    write: Callable[[Any, ProviderRequest, int | None], Any]
    reply: Callable[[Any, ProviderRequest], Reply]


class Endpoint:
    """One endpoint of a provider, whose errors, headers and facts are those of its `owner`'s wire format.

    `models` is a regular expression of the models in the path that it serves, `""` for all. `others` are further
    providers that have taken its format over.
    """

    ping = b""

    def __init__(
        self,
        name: str,
        kind: Kind,
        owner: Wire,
        paths: Sequence[str],
        form: Format,
        *,
        usage: Sequence[tuple[str, ...]] = (),
        models: str = "",
        others: Sequence[str] = (),
    ) -> None:
        self.name, self.kind, self.owner, self.form, self.others = name, kind, owner, form, others
        self.paths: Sequence[str] = paths
        self.base_path = owner.base_path
        self.facts: WireFacts = owner.facts
        self.overloaded: Error = owner.overloaded
        self.document_paths = DocumentPaths(endings=(), usage=usage, output=())
        self.models = models

    def serves(self, path: str) -> bool:
        """Whether requests to this path are its own."""
        named = match_path(self.paths, path)
        return named is not None and re.search(self.models, "/".join(named.values())) is not None

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; see `Format`."""
        read = self.form.read(path, body)
        return ProviderRequest(
            wire=self.name,
            model=read.model,
            stream=False,
            text="\n".join(one.text for one in read.task.inputs),
            created=created,
            seed=seed,
            body=body,
            path=path,
            dialect=read.dialect,
            task=read.task,
        )

    def check(self, request: ProviderRequest) -> None:
        """Raise `BadRequestError` for what the provider refuses."""
        self.form.check(request)

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 - there are none
        """Nothing: it does not stream."""
        return ()

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:  # noqa: ARG002 - only its time counts
        """One token, whose time is that of the answer."""
        return [EncodedFrame(b"", 1)]

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The answer with the result of the script."""
        assert request.task is not None
        tokens = None
        if script.usage.report:
            counted = script.usage.input
            tokens = sum(one.token_count for one in request.task.inputs) if counted is None else counted
        shown = request if script.model is None else msgspec.structs.replace(request, model=script.model)
        return self.form.reply(self.form.write(script.result, shown, tokens), request)

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error of the provider."""
        return self.owner.encode_error(error, request)

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:
        """The error as its body."""
        return self.encode_error(error, request).body

    def limit_headers(self, limits: Limits, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The rate limit headers of the provider."""
        return self.owner.limit_headers(limits, request)


def one_for_each(values: Sequence[Any], inputs: int, what: str) -> Sequence[Any]:
    """The value of each input; a single one stands for all. Raises `ScriptError` for another number."""
    if len(values) not in (1, inputs):
        raise ScriptError(f"the script has {len(values)} {what} for {inputs} inputs: give one, or one for each")
    return values if len(values) == inputs else [*values] * inputs
