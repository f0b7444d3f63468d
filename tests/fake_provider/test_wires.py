"""The table of wire formats, the bytes they send, and the requests they refuse."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.case_notes import case
from tests.fake_provider.asks import BODY, CONTENT_TYPES, ask_of, readable, stream_of
from tests.script_strategies import json_values, scripts
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import BadRequestError, ScriptError, UnknownWireError
from tokentape_fake_provider.script.model import Choice, Error, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.timing import Instant, Recorded, Synthetic
from tokentape_fake_provider.wires import WIRES, named_in_path, wire_for_path, wire_named

SAYS_ALL = [name for name in WIRES if name != "openai_completions"]
"""Those that have a place for reasoning and tool calls."""


@given(scripts("openai_chat"))
def test_every_openai_chat_frame_is_one_event(script: Script) -> None:
    """Each frame is one `data:` line of JSON, the last is [DONE], and all have one id."""
    pieces = wire_named("openai_chat").encode_stream(script, ask_of("openai_chat"))
    assert pieces[-1].data == b"data: [DONE]\n\n"
    ids = set()
    for piece in pieces[:-1]:
        match = re.fullmatch(rb"data: (\{[^\n\r]*\})\n\n", piece.data)
        assert match
        chunk = json.loads(match[1])
        ids.add(chunk["id"])
        assert len(match[1].decode()) >= 200
        assert bool(piece.tokens) == any(
            choice["delta"].get(key)
            for choice in chunk["choices"]
            for key in ("content", "reasoning_content", "refusal", "tool_calls")
        )
    assert len(ids) == 1


@given(scripts("anthropic_messages"))
def test_every_anthropic_messages_frame_is_one_event(script: Script) -> None:
    """Each frame is one event whose name is its type."""
    for piece in wire_named("anthropic_messages").encode_stream(script, ask_of("anthropic_messages")):
        match = re.fullmatch(rb"event: (\w+)\ndata: (\{[^\n\r]*\})\n\n", piece.data)
        assert match
        assert json.loads(match[2])["type"] == match[1].decode()


def test_chunks_of_one_stream_hide_how_long_their_deltas_are() -> None:
    """Obfuscation pads chunks to one length modulo 16, and can be turned off."""
    script = Script.of("I am internationally known for being verbose.")
    pieces = wire_named("openai_chat").encode_stream(script, ask_of("openai_chat"))
    assert len({len(piece.data) % 16 for piece in pieces[1:-1]}) == 1
    assert "obfuscation" not in stream_of("openai_chat", script, stream_options={"include_obfuscation": False})


@pytest.mark.parametrize("wire", list(WIRES))
def test_pieces_and_times_of_the_script_are_kept(wire: str) -> None:
    """Deltas are cut where the script says and leave when it says."""
    text = Text("one two three", ("one t", "wo th", "ree"), (100, 250.5, 400))
    pieces = wire_named(wire).encode_stream(Script.of(text), ask_of(wire))
    timed = [
        (piece.at, part) for piece in pieces for part in text.pieces if f'"{part}"'.encode() in readable(piece.data)
    ]
    assert timed == [(100, "one t"), (250.5, "wo th"), (400, "ree")]
    tape = encode(Script.of(text), ask_of(wire), Recorded(2))
    assert (tape.start, tape.end_at) == (50, 200)


@pytest.mark.parametrize("wire", SAYS_ALL)
@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (Text("abc", ("a", "b")), "script item Text: the pieces join to 'ab', not to its text 'abc'"),
        (Text("ab", ("a", "b"), (1,)), "script item Text: 2 pieces but 1 times in `at`"),
        (ToolCall("f", at=(1,)), "script item ToolCall: `at` has 1 times but there are no `pieces` to time"),
    ],
)
def test_a_script_that_contradicts_itself_is_an_error(wire: str, item: Any, problem: str) -> None:
    """The error names the item and what does not fit."""
    with pytest.raises(ScriptError) as caught:
        stream_of(wire, Script.of(item))
    assert str(caught.value) == problem


@pytest.mark.parametrize("wire", SAYS_ALL)
def test_the_same_ask_gives_the_same_bytes(wire: str) -> None:
    """Ids, padding and signatures come from the seed alone; another seed gives other ids."""
    script = Script.of(Reasoning("Hm."), "Hi", ToolCall("f"))
    ask = ask_of(wire)
    one, again = (encode(script, ask, Synthetic(jitter=0.5)) for _ in range(2))
    assert one == again
    other = encode(script, msgspec.structs.replace(ask, seed="other"), Synthetic(jitter=0.5))
    assert other.body != one.body
    assert (other.headers == one.headers) == (wire == "ollama")  # which numbers no requests
    assert [frame.at for frame in other.frames] != [frame.at for frame in one.frames]


@pytest.mark.parametrize("wire", list(WIRES))
def test_a_script_becomes_a_tape(wire: str) -> None:
    """Streamed frames are timed; a whole answer comes when the stream would have ended; an error at once."""
    timing = Synthetic(ttft_ms=100, tps=10)
    script = Script.of("one two three")
    streamed = encode(script, ask_of(wire), timing)
    assert streamed.start == 100
    assert dict(streamed.headers)["content-type"] == CONTENT_TYPES.get(wire, "text/event-stream; charset=utf-8")
    whole = encode(script, ask_of(wire, stream=False), timing)
    assert [frame.at for frame in whole.frames] == [streamed.end_at] == [pytest.approx(300)]
    assert dict(whole.headers)["content-length"] == str(len(whole.body))
    assert encode(script, ask_of(wire, stream=False), Instant()).start == 0
    error = encode(Script.of(error=Error(503)), ask_of(wire), timing)
    assert (error.status, error.start) == (503, 0)
    in_stream = Script.of("x", error=Error(503, in_stream=True))
    assert encode(in_stream, ask_of(wire), timing).status == 200
    assert encode(in_stream, ask_of(wire, stream=False), timing).status == 503


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/chat/completions", "openai_chat"),
        ("/openai/v1/chat/completions", "openai_chat"),
        ("/openai/deployments/gpt-4o/chat/completions", "openai_chat"),
        ("/api/v1/chat/completions", "openai_chat"),
        ("/v1/responses", "openai_responses"),
        ("/openai/responses", "openai_responses"),
        ("/v1/responses/resp_1", None),
        ("/v1/completions", "openai_completions"),
        ("/openai/deployments/gpt-4o/completions", "openai_completions"),
        ("/v1/messages", "anthropic_messages"),
        ("/anthropic/v1/messages", "anthropic_messages"),
        ("/v1/messages/count_tokens", None),
        ("/api/chat", "ollama"),
        ("/api/generate", "ollama"),
        ("/api/show", None),
        ("/v2/chat", "cohere_chat"),
        ("/v1/chat", None),
        ("/v1/models", None),
        ("/v1/chat/completions/", None),
        ("/openai/deployments/a/b/chat/completions", "openai_chat"),
        ("/inference/v1/chat/completions", "openai_chat"),
        ("/inference/v1/completions", "openai_completions"),
        ("/v1beta/openai/responses", "openai_responses"),
        ("//chat/completions", "openai_chat"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict", "anthropic_messages"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:predict", None),
        ("/llm/v1/messages", "anthropic_messages"),
        ("/api/openai/v1/chat/completions", "openai_chat"),
        ("/s/abc/v1/messages", "anthropic_messages"),
        ("/s/abc/v1/responses", "openai_responses"),
        ("/s/abc/v1beta/models/m:streamGenerateContent", "gemini"),
        ("/llm/v1beta/interactions", "gemini_interactions"),
        ("/gateway/model/m/converse-stream", "bedrock_converse"),
        ("/gateway/model/m/invoke", "bedrock_invoke"),
        ("/s/abc/api/chat", "ollama"),
        ("/a/b/v2/chat", "cohere_chat"),
        ("/llm/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict", "anthropic_messages"),
        ("/v1/threads/t/messages", None),
        ("/v1/v1/messages", None),
        ("/gateway/v1/anthropic/v1/messages", "anthropic_messages"),
        ("/chats/7/messages", None),
        ("/llm/v1/messages/count_tokens", None),
    ],
)
def test_paths_lead_to_wire_formats(path: str, name: str | None) -> None:
    """Each provider's path finds its format, and others find none."""
    found = wire_for_path(path)
    assert (found.name if found else None) == name


def test_an_unknown_wire_format_lists_the_known_ones() -> None:
    """A misspelt name is a one-line error."""
    with pytest.raises(UnknownWireError) as caught:
        wire_named("openai")
    assert str(caught.value) == f"no wire format 'openai': the known ones are {', '.join(WIRES)}"


@pytest.mark.parametrize("prefix", ["", "/gateway"])
def test_azures_model_is_in_the_path(prefix: str) -> None:
    """A deployment path names the model where the body doesn't."""
    body = {name: value for name, value in BODY.items() if name != "model"}
    path = f"{prefix}/openai/deployments/gpt-4o/chat/completions"
    assert wire_named("openai_chat").read(path, body, created=0, seed="").model == "gpt-4o"


def test_the_prompt_is_all_text_of_the_request() -> None:
    """System prompts, parts and tool results are read, in order."""
    parts = [{"type": "text", "text": "b"}, {"type": "image_url", "image_url": {"url": "http://x"}}]
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": parts}]
    assert ask_of("openai_chat", messages=messages).text == "a\nb"
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "d"}]}
    messages = [{"role": "user", "content": "b"}, {"role": "user", "content": [{"type": "text", "text": "c"}, result]}]
    system = [{"type": "text", "text": "a"}]
    assert ask_of("anthropic_messages", system=system, messages=messages).text == "a\nb\nc\nd"


@pytest.mark.parametrize(
    ("wire", "fields", "message"),
    [
        ("openai_chat", {"model": ...}, "you must provide a model parameter"),
        (
            "openai_chat",
            {"model": 5},
            "Invalid type for 'model': expected a string, but got an integer instead.",
        ),
        ("openai_chat", {"messages": ...}, "Missing required parameter: 'messages'."),
        (
            "openai_chat",
            {"messages": "hi"},
            "Invalid type for 'messages': expected an array of objects, but got a string instead.",
        ),
        (
            "openai_chat",
            {"messages": []},
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            "openai_chat",
            {"messages": [None]},
            "Invalid type for 'messages[0]': expected an object, but got null instead.",
        ),
        ("openai_chat", {"messages": [{"content": "x"}]}, "Missing required parameter: 'messages[0].role'."),
        (
            "openai_chat",
            {"messages": [{"role": "bot", "content": "x"}]},
            (
                "Invalid value: 'bot'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', "
                "and 'developer'."
            ),
        ),
        (
            "openai_chat",
            {"stream": "yes"},
            "Invalid type for 'stream': expected a boolean, but got a string instead.",
        ),
        (
            "openai_chat",
            {"stream": False, "stream_options": {"include_usage": True}},
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        (
            "openai_chat",
            {"n": 0},
            "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        ),
        ("openai_chat", {"n": True}, "Invalid type for 'n': expected an integer, but got a boolean instead."),
        ("openai_responses", {"model": ...}, "Missing required parameter: 'model'."),
        ("openai_responses", {"input": ...}, "Missing required parameter: 'input'."),
        (
            "openai_responses",
            {"input": 5},
            ("Invalid type for 'input': expected one of a string or array of input items, but got an integer instead."),
        ),
        (
            "openai_responses",
            {"input": [{"role": "tool", "content": "x"}]},
            "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
        ),
        ("openai_responses", {"input": [{"content": "x"}]}, "Missing required parameter: 'input[0].role'."),
        (
            "openai_responses",
            {"tools": ["x"]},
            "Invalid type for 'tools[0]': expected an object, but got a string instead.",
        ),
        (
            "openai_responses",
            {"stream": False, "stream_options": {"include_obfuscation": True}},
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        ("openai_completions", {"model": ...}, "Missing required parameter: 'model'."),
        ("openai_completions", {"prompt": ...}, "Missing required parameter: 'prompt'."),
        (
            "openai_completions",
            {"prompt": {}},
            "Invalid type for 'prompt': expected a string or an array, but got an object instead.",
        ),
        (
            "openai_completions",
            {"prompt": ["x"] * 2049},
            (
                "Invalid 'prompt': array too long. Expected an array with maximum length 2048, but got an array with "
                "length 2049 instead."
            ),
        ),
        ("anthropic_messages", {"model": ...}, "model: Field required"),
        ("anthropic_messages", {"max_tokens": ...}, "max_tokens: Field required"),
        ("anthropic_messages", {"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
        ("anthropic_messages", {"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ("anthropic_messages", {"messages": ...}, "messages: Field required"),
        ("anthropic_messages", {"messages": {}}, "messages: Input should be a valid list"),
        ("anthropic_messages", {"messages": []}, "messages: at least one message is required"),
        ("anthropic_messages", {"messages": ["x"]}, "messages.0: Input should be a valid dictionary"),
        ("anthropic_messages", {"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (
            "anthropic_messages",
            {"messages": [{"role": "system", "content": "x"}]},
            (
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not '
                '"system" as an input message role.'
            ),
        ),
        (
            "anthropic_messages",
            {"messages": [{"role": "a\nb", "content": "x"}]},
            'messages: Unexpected role "a\\nb". Allowed roles are "user" or "assistant"',
        ),
        ("anthropic_messages", {"stream": 1}, "stream: Input should be a valid boolean"),
        ("ollama", {"model": ...}, "model is required"),
        (
            "ollama",
            {"model": 5},
            "json: cannot unmarshal number into Go struct field ChatRequest.model of type string",
        ),
        (
            "ollama",
            {"stream": "yes"},
            "json: cannot unmarshal string into Go struct field ChatRequest.stream of type bool",
        ),
        (
            "ollama",
            {"messages": [[]]},
            "json: cannot unmarshal array into Go struct field ChatRequest.messages of type api.Message",
        ),
        ("cohere_chat", {"model": ...}, "invalid request: model is required"),
        ("cohere_chat", {"messages": []}, "invalid request: list of messages must not be empty"),
        ("cohere_chat", {"messages": ["x"]}, "invalid request: messages[0] must be an object, not a string"),
        (
            "cohere_chat",
            {"messages": [{"role": "bot"}]},
            "invalid request: messages[0].role 'bot' is not one of system, user, assistant, tool",
        ),
        ("cohere_chat", {"stream": 1}, "invalid request: stream must be a boolean, not an integer"),
    ],
)
def test_a_bad_request_is_refused_in_the_providers_words(wire: str, fields: dict[str, Any], message: str) -> None:
    """What the provider refuses is refused with its message and status 400."""
    with pytest.raises(BadRequestError) as caught:
        ask_of(wire, **fields)
    assert (caught.value.status, str(caught.value)) == (400, message)


@given(
    fields=st.dictionaries(
        st.sampled_from(
            (
                *("model", "messages", "stream", "stream_options", "n", "max_tokens", "system", "stop_sequences"),
                *("input", "prompt", "tools", "include", "reasoning", "text", "instructions"),
            )
        ),
        st.one_of(json_values, st.lists(st.fixed_dictionaries({"role": json_values, "content": json_values}))),
    )
)
def test_any_json_is_read_or_refused(fields: dict[str, Any]) -> None:
    """No request body, however odd, gets further than a refusal with status 400, or is answered."""
    for wire in WIRES:
        with case(wire):
            try:
                ask = ask_of(wire, **fields)
            except BadRequestError as error:
                assert error.status == 400
                assert "\n" not in error.message
            else:
                assert encode(Script.of("Hi", usage=Usage(input=5)), ask, Instant()).status == 200


@pytest.mark.parametrize("wire", list(WIRES))
@pytest.mark.parametrize("stream", [False, True])
def test_what_no_response_can_carry_is_an_error(wire: str, stream: bool) -> None:
    """Half a surrogate pair is a one-line error."""
    with pytest.raises(ScriptError, match=r"half a surrogate pair, '\\ud83d'"):
        encode(Script.of("x\ud83d"), ask_of(wire, stream=stream), Instant())


def test_a_deeply_nested_request_is_read() -> None:
    """Nesting costs no recursion."""
    content: Any = "deep"
    for _ in range(20_000):
        content = [content]
    assert ask_of("anthropic_messages", messages=[{"role": "user", "content": content}]).text == "deep"


def test_unknown_fields_are_let_through() -> None:
    """SDKs and dialects send many fields that nothing here knows."""
    assert ask_of("openai_chat", reasoning={"effort": "low"}, provider={}).body["provider"] == {}
    assert ask_of("anthropic_messages", context_management={}, speed="fast").model == "m"


def test_what_anthropic_cannot_say_is_an_error() -> None:
    """Several choices, and arguments that are no JSON without streaming."""
    with pytest.raises(ScriptError, match="answers with one choice; this script has 2"):
        stream_of("anthropic_messages", Script((Choice(), Choice())))
    broken = Script.of(ToolCall("f", '{"a":'))
    sent = re.findall(r'"partial_json":("[^}]*")}', stream_of("anthropic_messages", broken))
    assert "".join(map(json.loads, sent)) == '{"a":'
    with pytest.raises(ScriptError, match="tool call 'f': its arguments are not JSON"):
        wire_named("anthropic_messages").encode_complete(broken, ask_of("anthropic_messages", stream=False))
    with pytest.raises(ScriptError, match="at least one choice"):
        stream_of("openai_chat", Script(()))


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        ("openai_chat", "stop length tool_calls content_filter stop stop error other"),
        ("anthropic_messages", "end_turn max_tokens tool_use refusal refusal pause_turn error other"),
    ],
)
def test_finish_reasons_are_the_providers_words(wire: str, words: str) -> None:
    """Each reason has its word, and a provider's own word goes out as it is."""
    reasons = ("stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "other")
    for reason, word in zip(reasons, words.split(), strict=True):
        assert f'_reason":"{word}"' in stream_of(wire, Script.of("x", finish_reason=reason))
    own = Script((Choice((Text("x"),), "stop", "stop_sequence"),))
    assert '_reason":"stop_sequence"' in stream_of(wire, own)
    assert '"stop_sequence":"END"' in stream_of("anthropic_messages", own, stop_sequences=["END"])


def test_mistrals_models_send_tool_calls_whole() -> None:
    """One delta has name and arguments; a model of that family behind a gateway sends fragments."""
    script = Script.of(ToolCall.of("f", {"a": 1}))
    whole = '"function":{"name":"f","arguments":"{\\"a\\":1}"}'
    assert whole in stream_of("openai_chat", script, model="mistral-small-latest")
    assert whole not in stream_of("openai_chat", script, model="mistralai/mistral-small")


def counts_of(usage: Usage, *items: Any, prompt: str = "one two three") -> Any:
    script = Script.of(*items, usage=usage)
    return resolve_usage(script, prompt, script.choices)


def test_usage_is_computed_where_it_is_not_given() -> None:
    """Input is the prompt's tokens, output all that is generated, with reasoning a part of it."""
    items = (Reasoning("a b"), Text("c d e"), ToolCall("f", "{}"), Refusal("g"))
    assert counts_of(Usage(), *items)[:6] == (3, 8, 11, 0, 0, 2)
    assert counts_of(Usage(report=False)) is None


def test_given_usage_wins_and_the_rest_fits_it() -> None:
    """A given field is sent as it is, even nonsense; a computed one never contradicts it."""
    assert counts_of(Usage(cached=100, cache_write=20), "a b")[:6] == (120, 2, 122, 100, 20, 0)
    assert counts_of(Usage(reasoning=50), "a b")[:6] == (3, 50, 53, 0, 0, 50)
    assert counts_of(Usage(output=1), Reasoning("a b c"), "d")[:6] == (3, 1, 4, 0, 0, 1)
    assert counts_of(Usage(input=5, cached=9, total=1), "a")[:6] == (5, 1, 1, 9, 0, 0)
    nonsense = Script.of("a", usage=Usage(input=5, cached=9))
    assert '"cached_tokens":9' in stream_of("openai_chat", nonsense, stream_options={"include_usage": True})
    with pytest.raises(ScriptError, match=r"cached \(9\) and cache_write \(0\) are more than input \(5\)"):
        stream_of("anthropic_messages", nonsense)


def test_anthropic_counts_cached_tokens_beside_the_input() -> None:
    """input_tokens leaves out cache reads and writes, at the start and at the end of the stream."""
    stream = stream_of(
        "anthropic_messages", Script.of("a", usage=Usage(input=100, cached=60, cache_write=30, output=7))
    )
    counts = '"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":60'
    assert stream.count(counts) == 2
    assert '"output_tokens":7' in stream


@pytest.mark.parametrize("wire", ["openai_chat", "anthropic_messages"])
def test_errors_can_be_given_in_the_providers_own_words(wire: str) -> None:
    """type, code and param of the script are sent instead of the status's usual ones."""
    reply = wire_named(wire).encode_error(Error(429, "No more.", "quota", "insufficient_quota", "p", 0.25))
    error = json.loads(reply.body)["error"]
    expected = {"openai_chat": {"param": "p", "code": "insufficient_quota"}, "anthropic_messages": {}}[wire]
    assert error == {"message": "No more.", "type": "quota"} | expected
    assert dict(reply.headers)["retry-after"] == "0.25"


@pytest.mark.parametrize("prefix", ["/llm", "/s/abc", "/api/gateway/7"])
@pytest.mark.parametrize("name", WIRES)
def test_paths_below_a_gateway(name: str, prefix: str) -> None:
    """What a format's unmistakable paths name is the same below the prefix of a gateway."""
    for pattern in WIRES[name].paths:
        if re.match(r"/(v\d|api/|openai/|model/)", pattern):
            path = re.sub(r"\{(\w+)\*?\}", r"\1-1", pattern)
            found = wire_for_path(prefix + path)
            assert (found and found.name) == name, path
            assert named_in_path(name, prefix + path) == named_in_path(name, path)
