"""The faults, in the order of the cases."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from tests.conformance.telemetry_mutants.ground import Call, Ground, prompt_of, text_of, tools_of
from tests.conformance.telemetry_mutants.recorded import broken
from tokentape import BadRequestError, ConnectionFailedError, ServerError
from tokentape_harness.testing.sdk_environment import FAKE_KEY


class Changed(Ground):
    """Adds or replaces attributes of the span; None removes one."""

    def change(self, call: Call) -> dict[str, Any]:
        """The changed attributes."""
        return {}

    def attributes(self, call: Call) -> dict[str, Any]:
        """Those that are left."""
        found = {**super().attributes(call), **self.change(call)}
        return {name: value for name, value in found.items() if value is not None}


class Without(Changed):
    """Leaves an attribute out."""

    attribute = ""

    def change(self, call: Call) -> dict[str, Any]:
        """The attribute is removed."""
        return {self.attribute: None}


def reasons(call: Call) -> list[str]:
    """The finish reasons that were sent."""
    return [str(call.output.finish_reason)] if call.output and call.output.finish_reason else []


@broken("spans/one-per-request")
class Doubled(Ground):
    """A second instrumentation sees each first call that ends with text."""

    def spans(self, call: Call) -> int:
        """Two."""
        return 1 + (call.complete and not call.is_follow_up and reasons(call) != ["tool_calls"])


@broken("spans/follow-up")
class OnlyTheFirst(Ground):
    """The call after a tool's result has no span."""

    def spans(self, call: Call) -> int:
        """None."""
        return int(not call.is_follow_up)


@broken("spans/two-at-once")
class Shared(Changed):
    """The id of the response is kept in the instrumentation, where the last call that begins overwrites it."""

    open: ClassVar[list[Call]] = []

    def begun(self, call: Call) -> None:
        """The last one."""
        self.open[:] = [call, *self.open[:1]]

    def change(self, call: Call) -> dict[str, Any]:
        """The id is that of the last call if it has one, else one's own."""
        last = self.open[0]
        id = last.output.metadata.get("id") if last.output else "none yet"  # noqa: A001
        return {"gen_ai.response.id": id} if last.messages is call.messages and call.output else {}


@broken("spans/covers-the-stream")
class EndsAtTheFirstChunk(Ground):
    """The span ends at the first chunk."""

    def end(self, call: Call) -> float:
        """At the first chunk."""
        return call.chunks[0] if call.chunks else call.ended


@broken("spans/streamed")
class NotStreamed(Changed):
    """Every response is reported as not streamed."""

    def change(self, call: Call) -> dict[str, Any]:
        """Not streamed."""
        return {"gen_ai.request.stream": False}


@broken("spans/request-model")
class Overwritten(Changed):
    """The response's model overwrites the requested one."""

    def change(self, call: Call) -> dict[str, Any]:
        """The response's model."""
        return {"gen_ai.request.model": call.output.model} if call.output else {}


@broken("response/model")
class Requested(Changed):
    """The requested model is reported as the response's."""

    def change(self, call: Call) -> dict[str, Any]:
        """The requested model."""
        return {"gen_ai.response.model": "gpt-4o-mini"}


@broken("response/id")
class NoId(Without):
    """The response's id is not reported."""

    attribute = "gen_ai.response.id"


class Reason(Changed):
    """Replaces a finish reason."""

    replaced: ClassVar[dict[str, str]] = {}

    def change(self, call: Call) -> dict[str, Any]:
        """The reason that it is replaced with."""
        return {"gen_ai.response.finish_reasons": [self.replaced.get(word, word) for word in reasons(call)] or None}


@broken("response/finish-reason")
class NeverStops(Reason):
    """A complete response is reported as one of unknown end."""

    replaced: ClassVar = {"stop": "unknown"}


@broken("response/length")
class AlwaysStops(Reason):
    """A response that was cut at its length is reported as complete."""

    replaced: ClassVar = {"length": "stop"}


@broken("response/tool-calls")
class NoToolCalls(Reason):
    """A response that ends in a tool call is reported as a complete text."""

    replaced: ClassVar = {"tool_calls": "stop"}


@broken("usage/tokens")
class CountsChunks(Changed):
    """The output tokens are the number of chunks."""

    def change(self, call: Call) -> dict[str, Any]:
        """The number of chunks, where usage is known."""
        known = call.output is not None and call.output.usage.output is not None
        return {"gen_ai.usage.output_tokens": len(call.chunks)} if known else {}


@broken("usage/cached")
class NoCache(Without):
    """Cached tokens are not reported."""

    attribute = "gen_ai.usage.cache_read.input_tokens"


@broken("usage/reasoning")
class NoReasoning(Without):
    """Reasoning tokens are not reported."""

    attribute = "gen_ai.usage.reasoning.output_tokens"


@broken("usage/not-invented")
class Estimates(Changed):
    """Usage that was not reported is estimated."""

    def change(self, call: Call) -> dict[str, Any]:
        """An estimate."""
        unknown = call.complete and call.output is not None and call.output.usage.output is None
        return {"gen_ai.usage.output_tokens": 4} if unknown else {}


@broken("usage/metric")
class CountsTwice(Ground):
    """The metric of token usage counts a response twice."""

    def metrics(self, call: Call) -> dict[str, list[tuple[float, dict[str, Any]]]]:
        """Twice."""
        found = super().metrics(call)
        return {**found, "gen_ai.client.token.usage": found["gen_ai.client.token.usage"] * 2}


@broken("times/first-chunk")
class FirstHead(Changed):
    """The time to the first chunk is that to the response's head."""

    def change(self, call: Call) -> dict[str, Any]:
        """The head."""
        return {"gen_ai.response.time_to_first_chunk": call.head - call.began}


class Measured(Ground):
    """Replaces the values of a metric."""

    metric = ""

    def values(self, call: Call) -> list[float]:
        """The wrong values."""
        return []

    def metrics(self, call: Call) -> dict[str, list[tuple[float, dict[str, Any]]]]:
        """The others are right."""
        name = f"gen_ai.client.operation.{self.metric}"
        return {**super().metrics(call), name: [(value, {}) for value in self.values(call)]}


@broken("times/first-chunk-metric")
class SecondChunk(Measured):
    """The metric of the first chunk has the time of the last."""

    metric = "time_to_first_chunk"

    def values(self, call: Call) -> list[float]:
        """The last."""
        return [at - call.began for at in call.chunks[-1:]]


@broken("times/per-chunk-metric")
class FromTheRequest(Measured):
    """The time per chunk counts from the request, not from the chunk before."""

    metric = "time_per_output_chunk"

    def values(self, call: Call) -> list[float]:
        """From the request."""
        return [at - call.began for at in call.chunks[1:]]


@broken("times/duration-metric")
class UntilTheHead(Measured):
    """The duration ends with the response's head."""

    metric = "duration"

    def values(self, call: Call) -> list[float]:
        """Until the head."""
        return [call.head - call.began]


class Lenient(Ground):
    """Some errors are not reported as such."""

    overlooked: type[Exception]

    def is_error(self, call: Call) -> bool:
        """Whether it is another error."""
        return super().is_error(call) and not isinstance(call.error, self.overlooked)


@broken("errors/refused")
class Refused(Lenient):
    """A refused request is no error."""

    overlooked = BadRequestError


@broken("errors/type")
class NoType(Without):
    """The type of an error is not reported."""

    attribute = "error.type"


@broken("errors/in-stream")
class InStream(Lenient):
    """An error inside the stream is no error."""

    overlooked = ServerError


@broken("errors/cut-off")
class CutOff(Lenient):
    """A connection that closes half-way is no error."""

    overlooked = ConnectionFailedError


@broken("errors/retried")
class FailedOnce(Ground):
    """A call that succeeded after a retry is an error."""

    def is_error(self, call: Call) -> bool:
        """Whether any attempt failed."""
        return super().is_error(call) or bool(call.attempts)


@broken("leaving/one-span")
class EndsWhenExhausted(Ground):
    """A stream that is left half-way has no span."""

    def spans(self, call: Call) -> int:
        """None, if some texts were read."""
        return int(not (call.was_left and call.texts > 2))


@broken("leaving/before-the-first-token")
class EndsAfterSomething(Ground):
    """A stream that is left at once has no span."""

    def spans(self, call: Call) -> int:
        """None, if hardly a text was read."""
        return int(not (call.was_left and call.texts <= 2))


@broken("leaving/no-finish-reason")
class LeftAsComplete(Changed):
    """A stream that was left is reported as complete."""

    def change(self, call: Call) -> dict[str, Any]:
        """It stopped."""
        return {"gen_ai.response.finish_reasons": ["stop"]} if call.was_left else {}


@broken("leaving/no-usage")
class LeftWithCounts(Changed):
    """The tokens of a stream that was left are estimated."""

    def change(self, call: Call) -> dict[str, Any]:
        """An estimate."""
        return {"gen_ai.usage.output_tokens": call.texts} if call.was_left else {}


@broken("content/response-left-out")
class TellsResponses(Changed):
    """The response's text is recorded although content is off."""

    def change(self, call: Call) -> dict[str, Any]:
        """The text."""
        return {"gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": text_of(call)}])}


@broken("content/prompt-left-out")
class TellsPrompts(Changed):
    """The prompt is recorded although content is off."""

    def change(self, call: Call) -> dict[str, Any]:
        """The prompt."""
        return {"gen_ai.input.messages": prompt_of(call)}


@broken("content/tool-call-left-out")
class TellsToolCalls(Changed):
    """The arguments of tool calls are recorded although content is off."""

    def change(self, call: Call) -> dict[str, Any]:
        """The calls."""
        return {"gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": tools_of(call)}])}


class Recording(Ground):
    """Changes the content that is recorded."""

    def parts(self, call: Call) -> list[dict[str, Any]]:
        """The parts of the response."""
        return [*text_of(call), *tools_of(call)]

    def content(self, call: Call) -> dict[str, Any]:
        """The content with these parts."""
        message = {"role": "assistant", "parts": self.parts(call)}
        return {**super().content(call), "gen_ai.output.messages": json.dumps([message])}


@broken("content/response-recorded", content="on")
class CutText(Recording):
    """The response's text is recorded without its end."""

    def parts(self, call: Call) -> list[dict[str, Any]]:
        """A text that is too short."""
        cut = [{**part, "content": part["content"][:-5]} for part in text_of(call)]
        return [*cut, *tools_of(call)]


@broken("content/prompt-recorded", content="on")
class CutPrompt(Recording):
    """The prompt is recorded without its end."""

    def content(self, call: Call) -> dict[str, Any]:
        """A prompt that is too short."""
        return {**super().content(call), "gen_ai.input.messages": prompt_of(call).replace("the sea?", "the")}


@broken("content/tool-call-recorded", content="on")
class CutArguments(Recording):
    """A tool call is recorded without its arguments."""

    def parts(self, call: Call) -> list[dict[str, Any]]:
        """Calls without arguments."""
        return [*text_of(call), *({**part, "arguments": {}} for part in tools_of(call))]


@broken("content/no-keys")
class TellsKeys(Changed):
    """The headers of the request are recorded, with the key."""

    def change(self, call: Call) -> dict[str, Any]:
        """The headers."""
        return {"http.request.header.authorization": f"Bearer {FAKE_KEY}"}


overwritten = Overwritten()
"""One of them for the command line."""
