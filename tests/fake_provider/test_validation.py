"""What the other providers refuse is refused with the same facts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.case_notes import case
from tests.fake_provider.asks import BODIES
from tests.fake_provider.prompts import SCHEMA
from tests.fake_provider.refused_requests import (
    CACHED,
    CALLS,
    HI,
    RESULT,
    USE,
    calling,
    converse,
    declared,
    function,
    gemini,
    refusal,
    spec,
    tool,
    with_thinking,
)
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires import wire_named
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.validation.check import check_request

ANTHROPIC: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 1.5}, "temperature: range: 0..1"),
    ({"top_p": -0.1}, "top_p: range: 0..1"),
    ({"temperature": "hot"}, "temperature: Input should be a valid number"),
    ({"model": "claude-3-haiku-20240307", "max_tokens": 5000}, "max_tokens: 5000 > 4096"),
    ({"model": "claude-sonnet-4-5", "max_tokens": 64_001}, "claude-sonnet-4-5"),
    ({"stop_sequences": [" "]}, "each stop sequence must contain non-whitespace"),
    (with_thinking(1023), "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"),
    (with_thinking(2000), "`max_tokens` must be greater than `thinking.budget_tokens`"),
    ({"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
    (with_thinking(temperature=0.5), "`temperature` may only be set to 1 when thinking is enabled"),
    (with_thinking(top_p=0.5), "`top_p`"),
    (with_thinking(top_k=5), "`top_k` must be unset when thinking is enabled"),
    (with_thinking(tools=[tool()], tool_choice={"type": "any"}), "Thinking may not be enabled when tool_choice forces"),
    (with_thinking(tools=[tool()], tool_choice={"type": "tool", "name": "f"}), "Thinking may not be enabled"),
    ({"thinking": {"type": "adaptive"}, "temperature": 0}, "`temperature` may only be set to 1"),
    ({"tools": [{"input_schema": SCHEMA}]}, "tools.0.custom.name: Field required"),
    ({"tools": [tool("a b")]}, "tools.0.custom.name: String should match pattern"),
    ({"tools": [tool(), tool()]}, "tools: Tool names must be unique"),
    ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
    ({"tools": [{"name": "f", "input_schema": {}}]}, "tools.0.custom.input_schema.type: Field required"),
    ({"tools": [{"name": "f", "input_schema": {"type": "array"}}]}, "Input should be 'object'"),
    ({"tool_choice": {"type": "any"}}, "tool_choice may only be specified while providing tools"),
    ({"tools": [tool()], "tool_choice": {"type": "tool", "name": "g"}}, "Tool 'g' not found in provided tools"),
    ({"tools": [tool()], "tool_choice": {"type": "required"}}, "'required' found using 'type'"),
    ({"system": [{"type": "text", "text": ""}]}, "system: text content blocks must be non-empty"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages.0: all messages must have non-empty content"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
     "text content blocks must be non-empty"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "must contain non-whitespace text"),
    ({"messages": [{"role": "user", "content": [{"type": "txt"}]}]}, "messages.0.content.0: Input tag 'txt'"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content.0.type: Field required"),
    ({"messages": [HI, {"role": "assistant", "content": "So "}]}, "cannot end with trailing whitespace"),
    ({"messages": [{"role": "user", "content": [RESULT]}]}, "messages.0.content.0: unexpected `tool_use_id`"),
    ({"messages": [HI, {"role": "assistant", "content": [USE]}]}, "messages.1: `tool_use` ids were found without"),
    ({"messages": [HI, {"role": "assistant", "content": [USE]}, HI]}, "immediately after: toolu_1"),
    ({"messages": [HI, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [RESULT, RESULT]}]},
     "messages.2.content.1: each tool_use must have a single result"),
    ({"messages": [HI, {"role": "assistant", "content": [USE, USE]}, {"role": "user", "content": [RESULT]}]},
     "messages.1.content.1: `tool_use` ids must be unique"),
    ({"messages": [HI, {"role": "assistant", "content": [{**USE, "input": "{}"}]},
                   {"role": "user", "content": [RESULT]}]},
     "messages.1.content.0.tool_use.input: Input should be a valid dictionary"),
    ({"messages": [{"role": "user", "content": [{"type": ["text"], "text": "x"}]}]}, "Input tag '['text']' found"),
    ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
    ({"system": [CACHED], "tools": [{**tool(), "cache_control": {"type": "ephemeral"}}],
      "messages": [{"role": "user", "content": [CACHED] * 3}]},
     "A maximum of 4 blocks with cache_control may be provided. Found 5."),
]  # fmt: skip
CONVERSE: list[tuple[dict[str, Any], str]] = [
    ({"inferenceConfig": {"temperature": 1.5}}, "less than or equal to 1"),
    ({"inferenceConfig": {"topP": -1}}, "'inferenceConfig.topP' failed to satisfy constraint"),
    ({"inferenceConfig": {"maxTokens": 0}}, "greater than or equal to 1"),
    ({"toolConfig": {"tools": []}}, "'toolConfig.tools' failed to satisfy constraint"),
    ({"toolConfig": {"tools": [spec("a b")]}}, "regular expression pattern: [a-zA-Z0-9_-]+"),
    ({"toolConfig": {"tools": [spec("a" * 65)]}}, "less than or equal to 64"),
    ({"toolConfig": {"tools": [spec(None)]}}, "must not be null"),
    ({"toolConfig": {"tools": [spec(), spec()]}}, "must be unique"),
    ({"toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}}, "toolConfig.tools.0.toolSpec.inputSchema.json"),
    ({"toolConfig": {"tools": [spec()], "toolChoice": {"tool": {"name": "g"}}}}, "the tool g"),
    ({"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 9}}}, "or equal to 1024"),
    ({"inferenceConfig": {"maxTokens": 1024},
      "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}, "`max_tokens`"),
    ({"messages": converse(("assistant", [{"text": "Hi"}]))}, "must start with a user message"),
    ({"messages": converse(("user", []))}, "messages.0 is empty"),
    ({"messages": converse(("user", [{"text": " "}]))}, "messages.0.content.0 is blank"),
    ({"messages": converse(("user", [{"txt": "Hi"}]))}, "must set one of the following keys"),
    ({"messages": converse(("user", [{"toolResult": {"toolUseId": "a", "content": []}}]))}, "toolConfig field must be"),
    ({"toolConfig": {"tools": [spec()]}, "messages": converse(
        ("user", [{"toolResult": {"toolUseId": "a", "content": []}}]))}, "exceeds the number of toolUse blocks"),
    ({"toolConfig": {"tools": [spec()]}, "messages": converse(
        ("user", [{"text": "Hi"}]), ("assistant", [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]),
        ("user", [{"text": "Hi"}]))}, "Expected toolResult blocks at messages.2.content for the following Ids: a"),
]  # fmt: skip
GEMINI: list[tuple[dict[str, Any], str]] = [
    (gemini(temperature=2.5), "generation_config.temperature: temperature must be in the range [0.0, 2.0]"),
    ({"generation_config": {"top_p": 1.5}}, "top_p must be in the range [0.0, 1.0]"),
    (gemini(maxOutputTokens=0), "max_output_tokens must be positive"),
    (gemini(stopSequences=list("abcdef")), "at most 5"),
    (gemini(logprobs=3), "response_logprobs"),
    (gemini(responseLogprobs=True, logprobs=21), "[0, 20]"),
    (gemini(responseMimeType="text/html"), "allowed mimetypes"),
    (gemini(responseSchema={"type": "STRING"}), "response_mime_type"),
    (declared("1f"), "GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name"),
    (declared(None), "Invalid function name"),
    (declared("f", "f"), "Duplicate function declaration found: f"),
    (calling(mode="ANY"), "Function calling config is set without function_declarations"),
    (declared("f") | calling(mode="ANY", allowedFunctionNames=["g"]), "allowed_function_names"),
    (declared("f") | calling(mode="AUTO", allowedFunctionNames=["f"]), "mode is ANY"),
    (declared("f") | calling(mode="REQUIRED"), '"REQUIRED"'),
    ({"contents": [{"role": "assistant", "parts": [{"text": "Hi"}]}]}, "valid role: user, model"),
    ({"contents": [{"role": "user", "parts": []}]}, "contents.parts must not be empty"),
    ({"contents": [{"role": "user", "parts": [{}]}]}, "must have one initialized field"),
    ({"contents": [{"role": "user", "parts": [{"txt": "Hi"}]}]}, "Unknown name \"txt\" at 'contents[0].parts[0]'"),
    ({"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}]},
     "number of function response parts"),
    ({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [
        {"functionCall": {"name": "f"}}]}, {"role": "user", "parts": [{"text": "Hi"}]}]}, "immediately after"),
]  # fmt: skip
COHERE: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 1.5}, "temperature must be between 0 and 1"),
    ({"p": 1}, "p must be between 0.01 and 0.99"),
    ({"k": 501}, "500"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"stop_sequences": list("abcdef")}, "maximum is 5"),
    ({"tools": [function(None)]}, "must have a name"),
    ({"tools": [function(), function()]}, "unique"),
    ({"tool_choice": "REQUIRED"}, "tools"),
    ({"tools": [function()], "tool_choice": "auto"}, "REQUIRED, NONE"),
    ({"messages": [{"role": "user", "content": ""}]}, "must have content"),
    ({"messages": [{"role": "user", "content": [{"type": "txt"}]}]}, "'txt'"),
    ({"messages": [HI, {"role": "tool", "tool_call_id": "a", "content": "1"}]}, "'a'"),
    ({"messages": [HI, CALLS]}, "call_1"),
]
OLLAMA: list[tuple[dict[str, Any], str]] = [
    ({"options": {"temperature": "hot"}}, 'option "temperature" must be of type float32'),
    ({"options": {"num_predict": "many"}}, 'option "num_predict" must be of type integer'),
    ({"options": {"stop": "END"}}, 'option "stop" must be of type array'),
    ({"think": "hard"}, 'invalid think value: "hard"'),
    ({"format": "xml"}, "invalid format"),
    ({"top_logprobs": 21}, "between 0 and 20"),
    ({"messages": [{"role": "user", "content": "x", "images": ["no base64!"]}]}, "illegal base64 data"),
]
INTERACTIONS: list[tuple[dict[str, Any], str]] = [
    ({"generation_config": {"temperature": 3}}, "[0.0, 2.0]"),
    ({"tools": [{"name": "f"}]}, "type"),
    ({"tools": [{"type": "function"}]}, "name"),
    ({"tools": [{"type": "function", "name": "f"}] * 2}, "Duplicate function declaration found: f"),
    ({"generation_config": {"tool_choice": "some"}}, "auto, any, none, validated"),
    ({"generation_config": {"tool_choice": "any"}}, "without function_declarations"),
    ({"tools": [{"type": "function", "name": "f"}], "generation_config": {
        "tool_choice": {"allowed_tools": {"mode": "any", "tools": ["g"]}}}}, "'g'"),
    ({"input": [{"type": "function_result", "call_id": "a", "result": "1"}]}, "'a'"),
    ({"input": [{"type": "function_call", "id": "a", "name": "f", "arguments": {}}]}, "'a'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "rows"),
    [
        ("anthropic_messages", ANTHROPIC),
        ("bedrock_invoke", [row for row in ANTHROPIC if "model" not in row[0]]),
        ("bedrock_converse", CONVERSE),
        ("gemini", GEMINI),
        ("gemini_interactions", INTERACTIONS),
        ("cohere_chat", COHERE),
        ("ollama", OLLAMA),
    ],
)
def test_the_others_refuse(wire: str, rows: list[tuple[dict[str, Any], str]]) -> None:
    """The message has the facts."""
    for fields, fact in rows:
        with case(fields):
            error = refusal(wire, **fields)
            assert error is not None
            assert fact in error.message
            assert error.status == 400


@pytest.mark.parametrize(
    ("model", "budget", "fact"),
    [
        ("gemini-2.5-pro", 0, "Budget 0 is invalid"),
        ("gemini-2.5-pro", 40_000, "between 128 and 32768"),
        ("gemini-2.5-flash-lite", 100, "between 512 and 24576"),
        ("gemini-2.5-flash", 24_577, "between 0 and 24576"),
        ("gemini-2.5-flash", 0, None),
        ("gemini-2.5-pro", -1, None),
        ("gemini-9", 99_999, None),
    ],
)
def test_thinking_budgets_of_gemini(model: str, budget: int, fact: str | None) -> None:
    """The budgets of the models that are known; those of others are taken."""
    body = {**BODIES["gemini"], "generationConfig": {"thinkingConfig": {"thinkingBudget": budget}}}
    request = wire_named("gemini").read(f"/v1beta/models/{model}:generateContent", body, created=0, seed="")
    if fact is None:
        check_request(request, read_prompt(request))
    else:
        with pytest.raises(BadRequestError, match=fact):
            check_request(request, read_prompt(request))


@pytest.mark.parametrize(
    ("model", "body", "fact"),
    [
        ("amazon.titan-text-lite-v1", {"inputText": "Hi", "textGenerationConfig": {"temperature": 2}},
         "#/textGenerationConfig/temperature: 2 is not less or equal to 1"),
        ("meta.llama3-8b-instruct-v1:0", {"prompt": "Hi", "top_p": 2}, "#/top_p: 2 is not less or equal to 1"),
        ("cohere.command-r-v1:0", {"message": "Hi", "p": 1}, "#/p: 1 is not less or equal to 0.99"),
        ("openai.gpt-oss-20b-1:0", {"messages": [HI], "temperature": 3}, "<= 2"),
        ("amazon.nova-lite-v1:0", {"messages": converse(("user", [{"text": ""}]))}, "is blank"),
    ],
)  # fmt: skip
def test_every_family_that_bedrock_invokes(model: str, body: dict[str, Any], fact: str) -> None:
    """Each family's own body has the rules of its provider."""
    request = wire_named("bedrock_invoke").read(f"/model/{model}/invoke", body, created=0, seed="")
    with pytest.raises(BadRequestError) as found:
        check_request(request, read_prompt(request))
    assert fact in found.value.message


def test_beta_features_lift_limits_of_anthropic() -> None:
    """Interleaved thinking takes a budget above max_tokens, and a beta of 3.7 takes 128,000 tokens."""
    interleaved = ((b"anthropic-beta", b"x,interleaved-thinking-2025-05-14"),)
    assert refusal("anthropic_messages", **with_thinking(5000)) is not None
    assert refusal("anthropic_messages", interleaved, **with_thinking(5000)) is None
    longer = ((b"anthropic-beta", b"output-128k-2025-02-19"),)
    assert refusal("anthropic_messages", model="claude-3-7-sonnet-latest", max_tokens=100_000) is not None
    assert refusal("anthropic_messages", longer, model="claude-3-7-sonnet-latest", max_tokens=100_000) is None
