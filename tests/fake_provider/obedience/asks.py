"""What a request asks of the model, and how each wire format expresses it, or why it can't."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from tests.fake_provider.asks import COMPLETE_PATHS, PATHS

WEATHER_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "days", "unit"],
    "additionalProperties": False,
}
TIME_SCHEMA: Final = {
    "type": "object",
    "properties": {"zone": {"type": "string"}},
    "required": ["zone"],
    "additionalProperties": False,
}
FUNCTIONS: Final = {
    "get_time": ("The local time of a zone.", TIME_SCHEMA),
    "get_weather": ("The weather forecast of a city.", WEATHER_SCHEMA),
}
ANSWER_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "scores": {"type": "array", "items": {"type": "number"}, "minItems": 1},
    },
    "required": ["name", "kind", "scores"],
    "additionalProperties": False,
}
RESULT: Final = "It is 17.25 degrees."

Choice = Literal["none", "auto", "required", "named", "allowed", "allowed_required"]


class Ask(NamedTuple):
    """What a request asks; `named` and `allowed` are of `get_weather`, `budget` is of the reasoning, in tokens."""

    message: str = "Tell me something about Oslo."
    tools: bool = False
    choice: Choice | None = None
    parallel: bool | None = None
    results: tuple[str, ...] = ()
    json: bool = False
    schema: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n: int | None = None
    seed: int | None = None
    temperature: float | None = None
    effort: Literal["low", "high"] | None = None
    budget: int | None = None
    thinks: bool | None = None
    verbosity: Literal["low", "high"] | None = None


class NotApplicableError(Exception):
    """The wire format has no way to ask for it; the message says so."""


def fields(**values: Any) -> dict[str, Any]:
    """Those that are set."""
    return {name: value for name, value in values.items() if value is not None}


def unable(ask: Ask, wire: str, **reasons: str) -> None:
    """Raise `NotApplicableError` if the request asks for one of these."""
    for name, reason in reasons.items():
        value = getattr(ask, name)
        if value not in (None, (), False):
            raise NotApplicableError(f"{wire} has no {reason}")


def lacks(ask: Ask, wire: str, *choices: Choice) -> None:
    """Raise `NotApplicableError` if the request has one of these tool choices."""
    if ask.choice in choices:
        raise NotApplicableError(f"{wire} has no tool choice for {ask.choice!r}")


def openai_chat(ask: Ask) -> dict[str, Any]:
    """`openai_chat`."""
    unable(ask, "openai_chat", budget="budget of reasoning")
    messages: list[dict[str, Any]] = [{"role": "user", "content": ask.message}]
    for name in ask.results:
        call = {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"call_{name}", "content": RESULT})
    chosen = {"type": "function", "function": {"name": "get_weather"}}
    output: Any = {"type": "json_object"} if ask.json else None
    if ask.schema:
        output = {"type": "json_schema", "json_schema": {"name": "answer", "schema": ANSWER_SCHEMA, "strict": True}}
    return {"model": "gpt-5.2", "messages": messages} | fields(
        tools=_tools(ask, lambda **function: {"type": "function", "function": function}),
        tool_choice=_openai_choice(ask, chosen, lambda mode, tools: {"allowed_tools": {"mode": mode, "tools": tools}}),
        parallel_tool_calls=ask.parallel,
        response_format=output,
        max_completion_tokens=ask.max_tokens,
        stop=list(ask.stop) or None,
        n=ask.n,
        seed=ask.seed,
        temperature=ask.temperature,
        reasoning_effort=ask.effort or {None: None, True: "medium", False: "none"}[ask.thinks],
        verbosity=ask.verbosity,
    )


def openai_responses(ask: Ask) -> dict[str, Any]:
    """`openai_responses`."""
    unable(ask, "openai_responses", stop="stop sequences", n="n", seed="seed", budget="budget of reasoning")
    items: list[dict[str, Any]] = [{"role": "user", "content": ask.message}]
    for name in ask.results:
        items.append({"type": "function_call", "call_id": f"call_{name}", "name": name, "arguments": "{}"})
        items.append({"type": "function_call_output", "call_id": f"call_{name}", "output": RESULT})
    form: Any = {"type": "json_object"} if ask.json else None
    if ask.schema:
        form = {"type": "json_schema", "name": "answer", "schema": ANSWER_SCHEMA, "strict": True}
    effort = ask.effort or {None: None, True: "medium", False: "none"}[ask.thinks]
    text = fields(format=form, verbosity=ask.verbosity)
    return {"model": "gpt-5.2", "input": items} | fields(
        tools=_tools(ask, lambda **function: {"type": "function", "strict": True, **function}),
        tool_choice=_openai_choice(
            ask, {"type": "function", "name": "get_weather"}, lambda mode, tools: {"mode": mode, "tools": tools}
        ),
        parallel_tool_calls=ask.parallel,
        text=text or None,
        max_output_tokens=ask.max_tokens,
        temperature=ask.temperature,
        reasoning=None if effort is None else {"effort": effort, "summary": "auto"},
    )


def openai_completions(ask: Ask) -> dict[str, Any]:
    """`openai_completions`."""
    unable(
        ask,
        "openai_completions",
        tools="tools",
        results="tools",
        json="JSON mode",
        schema="structured output",
        effort="reasoning",
        budget="reasoning",
        thinks="reasoning",
        verbosity="verbosity",
    )
    if ask.thinks is False:
        raise NotApplicableError("openai_completions has no reasoning")
    return {"model": "gpt-3.5-turbo-instruct", "prompt": ask.message} | fields(
        max_tokens=ask.max_tokens, stop=list(ask.stop) or None, n=ask.n, seed=ask.seed, temperature=ask.temperature
    )


def anthropic_messages(ask: Ask) -> dict[str, Any]:
    """`anthropic_messages`."""
    return {"model": "claude-sonnet-4-5"} | _claude(ask, "anthropic_messages") | _claude_effort(ask)


def bedrock_invoke(ask: Ask) -> dict[str, Any]:
    """`bedrock_invoke` with a model of Anthropic."""
    body = {"anthropic_version": "bedrock-2023-05-31"} | _claude(ask, "bedrock_invoke")
    return body | _claude_effort(ask)


def _claude_effort(ask: Ask) -> dict[str, Any]:
    output = fields(effort=ask.effort, format={"type": "json_schema", "schema": ANSWER_SCHEMA} if ask.schema else None)
    return {"output_config": output} if output else {}


def _claude(ask: Ask, wire: str) -> dict[str, Any]:
    unable(ask, wire, n="n", seed="seed", json="JSON mode without a schema", verbosity="verbosity")
    lacks(ask, wire, "allowed", "allowed_required")
    messages: list[dict[str, Any]] = [{"role": "user", "content": ask.message}]
    for name in ask.results:
        call = {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}}
        messages.append({"role": "assistant", "content": [call]})
        result = {"type": "tool_result", "tool_use_id": f"toolu_{name}", "content": RESULT}
        messages.append({"role": "user", "content": [result]})
    choices: Mapping[Any, Any] = {
        None: None,
        "none": {"type": "none"},
        "auto": {"type": "auto"},
        "required": {"type": "any"},
        "named": {"type": "tool", "name": "get_weather"},
    }
    choice = choices[ask.choice]
    if ask.parallel is not None:
        choice = {"type": "auto", **(choice or {}), "disable_parallel_tool_use": not ask.parallel}
    thinking: Any = {None: None, True: {"type": "adaptive"}, False: {"type": "disabled"}}[ask.thinks]
    if ask.budget is not None:
        thinking = {"type": "enabled", "budget_tokens": ask.budget}
    if ask.effort is not None:
        thinking = {"type": "adaptive"}
    return {"max_tokens": ask.max_tokens or 4096, "messages": messages} | fields(
        tools=_tools(ask, lambda name, description, parameters: {
            "name": name, "description": description, "input_schema": parameters}),
        tool_choice=choice,
        stop_sequences=list(ask.stop) or None,
        temperature=ask.temperature,
        thinking=thinking,
    )  # fmt: skip


def bedrock_converse(ask: Ask) -> dict[str, Any]:
    """`bedrock_converse`."""
    wire = "bedrock_converse"
    unable(ask, wire, n="n", seed="seed", json="JSON mode without a schema", verbosity="verbosity")
    lacks(ask, wire, "none", "allowed", "allowed_required")
    if ask.parallel is not None:
        raise NotApplicableError("bedrock_converse has no switch for parallel calls")
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"text": ask.message}]}]
    for name in ask.results:
        call = {"toolUse": {"toolUseId": f"tooluse_{name}", "name": name, "input": {}}}
        messages.append({"role": "assistant", "content": [call]})
        result = {"toolResult": {"toolUseId": f"tooluse_{name}", "content": [{"text": RESULT}]}}
        messages.append({"role": "user", "content": [result]})
    choices: Mapping[Any, Any] = {
        "auto": {"auto": {}},
        "required": {"any": {}},
        "named": {"tool": {"name": "get_weather"}},
    }
    tools = _tools(ask, lambda name, description, parameters: {
        "toolSpec": {"name": name, "description": description, "inputSchema": {"json": parameters}}})  # fmt: skip
    thinking: Any = {None: None, True: {"type": "adaptive"}, False: {"type": "disabled"}}[ask.thinks]
    if ask.budget is not None:
        thinking = {"type": "enabled", "budget_tokens": ask.budget}
    extra = fields(
        thinking={"type": "adaptive"} if ask.effort else thinking, output_config=ask.effort and {"effort": ask.effort}
    )
    structure = {"jsonSchema": {"schema": _json(ANSWER_SCHEMA), "name": "answer"}}
    return {"messages": messages} | fields(
        toolConfig=None if tools is None else {"tools": tools} | fields(toolChoice=choices.get(ask.choice)),
        inferenceConfig=fields(
            maxTokens=ask.max_tokens, stopSequences=list(ask.stop) or None, temperature=ask.temperature
        )
        or None,
        outputConfig={"textFormat": {"type": "json_schema", "structure": structure}} if ask.schema else None,
        additionalModelRequestFields=extra or None,
    )


def gemini(ask: Ask) -> dict[str, Any]:
    """`gemini`."""
    unable(ask, "gemini", verbosity="verbosity")
    if ask.parallel is not None:
        raise NotApplicableError("gemini has no switch for parallel calls")
    contents: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": ask.message}]}]
    for name in ask.results:
        contents.append({"role": "model", "parts": [{"functionCall": {"name": name, "args": {}}}]})
        response = {"name": name, "response": {"output": RESULT}}
        contents.append({"role": "user", "parts": [{"functionResponse": response}]})
    declared = _tools(ask, lambda name, description, parameters: {
        "name": name, "description": description, "parametersJsonSchema": parameters})  # fmt: skip
    modes = {
        "none": "NONE",
        "auto": "AUTO",
        "required": "ANY",
        "named": "ANY",
        "allowed_required": "ANY",
        "allowed": "VALIDATED",
    }
    calling = None
    if ask.choice is not None:
        names = ["get_weather"] if ask.choice in ("named", "allowed", "allowed_required") else None
        calling = {"functionCallingConfig": {"mode": modes[ask.choice]} | fields(allowedFunctionNames=names)}
    thinking: Any = {None: None, True: {"thinkingBudget": -1}, False: {"thinkingBudget": 0}}[ask.thinks]
    if ask.budget is not None:
        thinking = {"thinkingBudget": ask.budget}
    if ask.effort is not None:
        thinking = {"thinkingLevel": ask.effort.upper()}
    if thinking and ask.thinks is not False:
        thinking["includeThoughts"] = True
    config = fields(
        maxOutputTokens=ask.max_tokens,
        stopSequences=list(ask.stop) or None,
        candidateCount=ask.n,
        seed=ask.seed,
        temperature=ask.temperature,
        responseMimeType="application/json" if ask.json or ask.schema else None,
        responseJsonSchema=ANSWER_SCHEMA if ask.schema else None,
        thinkingConfig=thinking,
    )
    return {"contents": contents} | fields(
        tools=None if declared is None else [{"functionDeclarations": declared}],
        toolConfig=calling,
        generationConfig=config or None,
    )


def gemini_interactions(ask: Ask) -> dict[str, Any]:
    """`gemini_interactions`."""
    wire = "gemini_interactions"
    unable(ask, wire, n="n", budget="budget of reasoning", verbosity="verbosity")
    if ask.parallel is not None:
        raise NotApplicableError(f"{wire} has no switch for parallel calls")
    if ask.thinks is False:
        raise NotApplicableError(f"{wire} has no level that turns reasoning off")
    steps: list[dict[str, Any]] = [{"type": "user_input", "content": [{"type": "text", "text": ask.message}]}]
    for name in ask.results:
        steps.append({"type": "function_call", "id": f"call_{name}", "name": name, "arguments": {}})
        steps.append({"type": "function_result", "call_id": f"call_{name}", "name": name, "result": RESULT})
    modes = {"named": "any", "required": "any", "allowed": "validated", "allowed_required": "any"}
    choice: Any = None
    if ask.choice in ("named", "allowed", "allowed_required"):
        choice = {"allowed_tools": {"mode": modes[ask.choice], "tools": ["get_weather"]}}
    elif ask.choice is not None:
        choice = modes.get(ask.choice, ask.choice)
    level = ask.effort or ("medium" if ask.thinks else None)
    form: Any = {"type": "text", "mime_type": "application/json"} if ask.json or ask.schema else None
    config = fields(
        max_output_tokens=ask.max_tokens,
        stop_sequences=list(ask.stop) or None,
        seed=ask.seed,
        temperature=ask.temperature,
        tool_choice=choice,
        thinking_level=level,
        thinking_summaries="auto" if level else None,
    )
    return {"model": "gemini-3-pro-preview", "input": steps} | fields(
        tools=_tools(ask, lambda **function: {"type": "function", **function}),
        generation_config=config or None,
        response_format=form and form | ({"schema": ANSWER_SCHEMA} if ask.schema else {}),
    )


def ollama(ask: Ask) -> dict[str, Any]:
    """`ollama`."""
    unable(ask, "ollama", n="n", budget="budget of reasoning", verbosity="verbosity", choice="tool choice")
    if ask.parallel is not None:
        raise NotApplicableError("ollama has no switch for parallel calls")
    messages: list[dict[str, Any]] = [{"role": "user", "content": ask.message}]
    for name in ask.results:
        messages.append({"role": "assistant", "tool_calls": [{"function": {"name": name, "arguments": {}}}]})
        messages.append({"role": "tool", "tool_name": name, "content": RESULT})
    options = fields(
        num_predict=ask.max_tokens, stop=list(ask.stop) or None, seed=ask.seed, temperature=ask.temperature
    )
    return {"model": "gpt-oss", "messages": messages} | fields(
        tools=_tools(ask, lambda **function: {"type": "function", "function": function}),
        format=ANSWER_SCHEMA if ask.schema else "json" if ask.json else None,
        options=options or None,
        think=ask.effort or ask.thinks,
    )


def cohere_chat(ask: Ask) -> dict[str, Any]:
    """`cohere_chat`."""
    wire = "cohere_chat"
    unable(ask, wire, n="n", effort="effort of reasoning", verbosity="verbosity")
    lacks(ask, wire, "auto", "named", "allowed", "allowed_required")
    if ask.parallel is not None:
        raise NotApplicableError(f"{wire} has no switch for parallel calls")
    messages: list[dict[str, Any]] = [{"role": "user", "content": ask.message}]
    for name in ask.results:
        call = {"id": f"{name}_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
        messages.append({"role": "assistant", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"{name}_1", "content": RESULT})
    thinking: Any = {None: None, True: {"type": "enabled"}, False: {"type": "disabled"}}[ask.thinks]
    if ask.budget is not None:
        thinking = {"type": "enabled", "token_budget": ask.budget}
    form: Any = {"type": "json_object"} if ask.json or ask.schema else None
    return {"model": "command-a-reasoning-08-2025", "messages": messages} | fields(
        tools=_tools(ask, lambda **function: {"type": "function", "function": function}),
        tool_choice=ask.choice and ask.choice.upper(),
        response_format=form and form | ({"json_schema": ANSWER_SCHEMA} if ask.schema else {}),
        max_tokens=ask.max_tokens,
        stop_sequences=list(ask.stop) or None,
        seed=ask.seed,
        temperature=ask.temperature,
        thinking=thinking,
    )


WIRES: Final[Mapping[str, Callable[[Ask], dict[str, Any]]]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "openai_completions": openai_completions,
    "anthropic_messages": anthropic_messages,
    "bedrock_converse": bedrock_converse,
    "bedrock_invoke": bedrock_invoke,
    "gemini": gemini,
    "gemini_interactions": gemini_interactions,
    "ollama": ollama,
    "cohere_chat": cohere_chat,
}


def request(wire: str, ask: Ask, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """The path and the body of a request. Raises `NotApplicableError`."""
    body = WIRES[wire](ask)
    if wire in COMPLETE_PATHS:
        return (PATHS if stream else COMPLETE_PATHS)[wire], body
    if stream and wire in ("openai_chat", "openai_completions"):
        body["stream_options"] = {"include_usage": True}
    return PATHS[wire], body | {"stream": stream}


def _tools(ask: Ask, make: Callable[..., dict[str, Any]]) -> list[dict[str, Any]] | None:
    if not ask.tools:
        return None
    return [
        make(name=name, description=description, parameters=schema) for name, (description, schema) in FUNCTIONS.items()
    ]


def _openai_choice(ask: Ask, chosen: dict[str, Any], allow: Callable[[str, list[Any]], dict[str, Any]]) -> Any:
    if ask.choice in ("allowed", "allowed_required"):
        mode = "auto" if ask.choice == "allowed" else "required"
        return {"type": "allowed_tools", **allow(mode, [chosen])}
    return chosen if ask.choice == "named" else ask.choice


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
