"""The simulated model: what it generates for a prompt."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider.script.model import Choice, Reasoning, Script, Text, ToolCall
from tokentape_fake_provider.script.usage import count_output
from tokentape_fake_provider.simulation.model import simulate
from tokentape_fake_provider.simulation.settings import Simulation
from tokentape_fake_provider.wires.prompt import (
    Effort,
    Message,
    OutputFormat,
    Prompt,
    ReasoningRequest,
    Tool,
    ToolChoice,
    ToolResult,
)

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
}
WEATHER = Tool("get_weather", "The weather now.", CITY)
TIME = Tool("getTime", "The local time of a place.", {"type": "object", "properties": {}})
FINAL = Tool("final_answer", "Ends the work.", {"type": "object", "properties": {"answer": {"type": "string"}}})


def prompt(*texts: str | Message, **fields: Any) -> Prompt:
    """A prompt of messages of the user, and others."""
    messages = tuple(Message("user", text) if isinstance(text, str) else text for text in texts)
    return Prompt(messages=messages, **fields)


def answer(asked: Prompt, **settings: Any) -> Script:
    """What the model generates."""
    return simulate(asked, Simulation(**settings), seed="0", locale="en_US")


def only(script: Script) -> Choice:
    """The only choice."""
    (choice,) = script.choices
    return choice


def text_of(script: Script) -> str:
    """The text of the first choice."""
    return "".join(item.text for item in script.choices[0].items if isinstance(item, Text))


def calls(script: Script) -> list[str]:
    """The names of the tools that the first choice calls."""
    return [item.name for item in script.choices[0].items if isinstance(item, ToolCall)]


def answered(*names: str, text: str = "18 °C", user: str = "What is the weather?") -> tuple[Message, ...]:
    """A message of the user, the calls of these tools one by one, and their results."""
    turns = [Message("user", user)]
    for name in names:
        turns.append(Message("assistant", calls=(ToolCall(name, id=f"call_{name}"),)))
        turns.append(Message("tool", results=(ToolResult(text, f"call_{name}", name),)))
    return tuple(turns)


TOOLS = (TIME, WEATHER)
CHOICES = [
    (ToolChoice(), "What is the weather in Oslo?", ["get_weather"]),
    (ToolChoice(), "Hello", ["getTime"]),
    (ToolChoice(), "The time and the weathers, please", ["getTime", "get_weather"]),
    (ToolChoice(), "Call getTime, then get_weather.", ["getTime", "get_weather"]),
    (ToolChoice(parallel=False), "The time and the weather, please", ["getTime"]),
    (ToolChoice("none"), "What is the weather?", []),
    (ToolChoice("required"), "Hello", ["getTime"]),
    (ToolChoice("required", ("get_weather",)), "What is the time?", ["get_weather"]),
    (ToolChoice("auto", ("get_weather",)), "What is the time?", ["get_weather"]),
    (ToolChoice("required", parallel=False), "The time and the weather", ["getTime"]),
]


@pytest.mark.parametrize(("choice", "text", "expected"), CHOICES, ids=str)
def test_it_calls_what_the_choice_and_the_message_name(choice: ToolChoice, text: str, expected: list[str]) -> None:
    """The tool choice decides whether and what may be called, the words of the message which, and how many at once."""
    script = answer(prompt(text, tools=TOOLS, tool_choice=choice))
    assert calls(script) == expected
    assert only(script).ended == ("tool_calls" if expected else "stop")
    assert bool(text_of(script)) == (not expected)


def test_a_tool_that_only_its_description_names_is_found() -> None:
    """Without a tool's name in the message, the words of descriptions and parameters decide."""
    tools = (Tool("alpha", "Adds numbers."), Tool("beta", "Books a flight.", {"properties": {"airport": {}}}))
    assert calls(answer(prompt("I want a flight", tools=tools))) == ["beta"]
    assert calls(answer(prompt("Which airport?", tools=tools))) == ["beta"]
    assert calls(answer(prompt("Sum up numbers", tools=tools))) == ["alpha"]


def test_arguments_take_the_users_words_where_they_are_valid() -> None:
    """A place and one of the allowed values come from the message; another value only from the schema."""
    (call,) = only(answer(prompt("Weather in New York in Fahrenheit?", tools=(WEATHER,)))).items
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"city": "New York", "unit": "fahrenheit"}
    bounded = Tool(
        "f", schema={"type": "object", "properties": {"city": {"type": "string", "maxLength": 3}}, "required": ["city"]}
    )
    (call,) = only(answer(prompt("Weather in New York?", tools=(bounded,)))).items
    assert isinstance(call, ToolCall)
    assert len(json.loads(call.arguments)["city"]) <= 3


def test_results_end_the_turn_and_are_quoted() -> None:
    """Once results are there, the text quotes all of them; the next message of the user begins a new turn."""
    script = answer(prompt(*answered("get_weather", "getTime"), tools=TOOLS))
    assert calls(script) == []
    assert "get_weather: 18 °C" in text_of(script)
    assert "getTime: 18 °C" in text_of(script)
    following = (*answered("get_weather"), Message("assistant", "Mild."), Message("user", "And the time?"))
    assert calls(answer(prompt(*following, tools=TOOLS))) == ["getTime"]


@pytest.mark.parametrize(
    ("settings", "before", "expected"),
    [
        ({"tools": "never"}, (), []),
        ({"tools": "always"}, ("getTime", "get_weather", "getTime"), ["get_weather"]),
        ({"tools": "always", "turns": 2}, ("getTime",), ["get_weather"]),
        ({"tools": "always", "turns": 2}, ("getTime", "get_weather"), []),
        ({"turns": 2}, ("getTime",), ["get_weather"]),
        ({"turns": 0}, (), []),
    ],
    ids=str,
)
def test_settings_decide_about_calls_by_choice(settings: Any, before: tuple[str, ...], expected: list[str]) -> None:
    """`tools` and `turns` bound the calls that the request leaves to the model."""
    assert calls(answer(prompt(*answered(*before), tools=TOOLS), **settings)) == expected


@pytest.mark.parametrize("settings", [{"tools": "never"}, {"turns": 0}], ids=str)
def test_a_forced_call_is_made_whatever_the_settings(settings: Any) -> None:
    """The request outranks the settings."""
    assert calls(answer(prompt("x", tools=TOOLS, tool_choice=ToolChoice("required")), **settings)) == ["getTime"]


def test_an_agent_that_must_call_ends_with_its_tool_for_the_answer() -> None:
    """With `required` it calls a working tool first, then the one for the answer, which gets the results."""
    tools = (FINAL, WEATHER)
    required = {"tools": tools, "tool_choice": ToolChoice("required")}
    assert calls(answer(prompt("The weather?", **required))) == ["get_weather"]
    (call,) = only(answer(prompt(*answered("get_weather"), **required))).items
    assert isinstance(call, ToolCall)
    assert call.name == "final_answer"
    assert "18 °C" in json.loads(call.arguments).get("answer", "18 °C")
    assert calls(answer(prompt("x", tools=(FINAL,), tool_choice=ToolChoice("required")))) == ["final_answer"]


def test_a_required_call_prefers_a_tool_that_was_not_called_yet() -> None:
    """So a tool that stands for structured output is reached, whatever its name."""
    tools = (WEATHER, Tool("Report"))
    required = {"tools": tools, "tool_choice": ToolChoice("required")}
    assert calls(answer(prompt(*answered("get_weather"), **required))) == ["Report"]


def test_a_tool_for_structured_output_is_called_also_by_choice() -> None:
    """Frameworks that leave calls to the model still wait for it; once called, text ends the turn."""
    tools = (WEATHER, Tool("set_model_response"))
    assert calls(answer(prompt(*answered(), tools=tools))) == ["get_weather"]
    assert calls(answer(prompt(*answered("get_weather"), tools=tools))) == ["set_model_response"]
    assert calls(answer(prompt(*answered("get_weather", "set_model_response"), tools=tools))) == []
    assert calls(answer(prompt(*answered("get_weather"), tools=(WEATHER, Tool("get_answer"))))) == []


def test_the_result_of_a_tool_that_is_no_longer_offered_ends_no_turn() -> None:
    """After a handoff the next agent calls its own tools; without a name a result counts."""
    assert calls(answer(prompt(*answered("transfer_to_forecaster"), tools=(WEATHER,)))) == ["get_weather"]
    nameless = (Message("user", "x"), Message("tool", results=(ToolResult("18 °C"),)))
    assert calls(answer(prompt(*nameless, tools=(WEATHER,)))) == []


def test_a_custom_tool_gets_text() -> None:
    """The input of a custom tool is no JSON."""
    tools = (Tool("shell", kind="custom"),)
    assert only(answer(prompt("ls -l", tools=tools))).items == (ToolCall("shell", "ls -l"),)


def test_json_without_a_schema_is_an_object_with_the_keys_that_the_prompt_quotes() -> None:
    """`json_object` gives an object; keys in quotation marks are its keys."""
    output = OutputFormat("json")
    assert isinstance(json.loads(text_of(answer(prompt("Answer in JSON.", output=output)))), dict)
    quoted = json.loads(text_of(answer(prompt('JSON with "name" and `age`.', output=output))))
    assert quoted.keys() == {"name", "age"}


def test_a_schema_is_obeyed_also_where_only_the_prompt_has_it() -> None:
    """Structured output parses; libraries without the provider's help write the schema into a message."""
    output = OutputFormat("schema", CITY, "place")
    value = json.loads(text_of(answer(prompt("Where?", output=output))))
    assert value["unit"] in ("celsius", "fahrenheit")
    written = prompt(Message("system", f"Answer in JSON by this schema:\n{json.dumps(CITY)}\nNo more."), "Where?")
    assert json.loads(text_of(answer(written))).keys() == {"city", "unit"}
    assert json.loads(text_of(answer(msgspec.structs.replace(written, tools=TOOLS), tools="never")))
    feature = json.dumps({"type": "Feature", "properties": {"name": "Oslo", "size": {"people": 1}}})
    broken = json.dumps({"properties": {"a": {"type": "string", "minLength": -1}}})
    for text in ("What is JSON?", f"Which place is this JSON? {feature}", f"Is this JSON right? {broken}"):
        assert not text_of(answer(prompt(text))).startswith("{")


@given(st.integers(1, 120), st.booleans(), st.sampled_from(["text", "json", "tool"]))
def test_max_tokens_are_never_exceeded(limit: int, reasons: bool, kind: str) -> None:
    """All output counts, and an answer that is cut has the finish reason `length`, and begins like the whole one."""
    fields: dict[str, Any] = {"reasoning": ReasoningRequest(enabled=reasons)}
    if kind == "tool":
        fields |= {"tools": (WEATHER,), "tool_choice": ToolChoice("required")}
    elif kind == "json":
        fields |= {"output": OutputFormat("schema", CITY)}
    whole = answer(prompt("Weather in Oslo?", **fields))
    cut = answer(prompt("Weather in Oslo?", max_tokens=limit, **fields))
    total = count_output(whole.choices)[0]
    assert count_output(cut.choices)[0] <= limit
    assert only(cut).ended == ("length" if total > limit else only(whole).ended)
    assert len(only(cut).items) <= len(only(whole).items)
    for item, of in zip(only(cut).items, only(whole).items, strict=False):
        field = "arguments" if isinstance(of, ToolCall) else "text"
        assert getattr(of, field).startswith(getattr(item, field))


def test_a_call_that_does_not_fit_is_left_out_where_it_cannot_be_sent_in_part() -> None:
    """Formats with arguments as values have no half of them."""
    asked = prompt("Weather in Oslo?", tools=(WEATHER,), max_tokens=6)
    assert calls(simulate(asked, Simulation(), seed="0", locale="en_US")) == ["get_weather"]
    script = simulate(asked, Simulation(), seed="0", locale="en_US", partial_calls=False)
    assert only(script) == Choice((), "length")


def test_the_first_stop_sequence_ends_the_text() -> None:
    """The text ends before it, and the sequence is reported; one that does not occur changes nothing."""
    whole = text_of(answer(prompt("x")))
    words = whole.split()
    cut = only(answer(prompt("x", stop=(words[9], words[5], "~none~"))))
    first = min((word for word in (words[9], words[5])), key=whole.find)
    assert cut == Choice((Text(whole[: whole.find(first)]),), "stop", stop_sequence=first)
    assert text_of(answer(prompt("x", stop=("~none~",)))) == whole
    assert only(answer(prompt("x", stop=(whole[:3],)))) == Choice((), "stop", stop_sequence=whole[:3])


def test_seeds_and_choices() -> None:
    """The request's seed changes the text, each choice has its own, and the first is that of a single one."""
    texts = {text_of(answer(prompt("x", seed=seed))) for seed in (None, 1, 2)}
    assert len(texts) == 3
    assert text_of(answer(prompt("x", seed=1))) == text_of(answer(prompt("x", seed=1)))
    several = answer(prompt("x", choices=3))
    assert len({choice.items for choice in several.choices}) == 3
    assert several.choices[0] == only(answer(prompt("x")))


def test_ids_of_calls_do_not_change_the_content() -> None:
    """Ids differ from request to request; the same conversation gets the same answer."""
    turns = answered("get_weather")
    other = msgspec.structs.replace(turns[2], results=(ToolResult("18 °C", "another", "get_weather"),))
    assert answer(prompt(*turns[:2], other, tools=TOOLS)) == answer(prompt(*turns, tools=TOOLS))


def test_verbosity_scales_the_text() -> None:
    """Low is shorter than medium, high longer, and `words` is the length of medium."""
    lengths = [
        len(text_of(answer(prompt("x", verbosity=level), words=40)).split()) for level in ("low", "medium", "high")
    ]
    assert lengths == [20, 40, 80]


EFFORTS: list[Effort] = ["minimal", "low", "medium", "high", "xhigh", "max"]


def reasoned(request: ReasoningRequest, **settings: Any) -> int:
    """The tokens of reasoning."""
    return count_output(answer(prompt("x", reasoning=request), **settings).choices)[1]


def test_reasoning_follows_effort_and_budget() -> None:
    """More effort is more reasoning, never more than the budget; without a request for it there is none."""
    tokens = [reasoned(ReasoningRequest(effort=effort)) for effort in EFFORTS]
    assert tokens == sorted(set(tokens))
    assert 0 < reasoned(ReasoningRequest(budget=5)) <= 5
    assert reasoned(ReasoningRequest(enabled=True, budget=100_000)) > 5
    assert reasoned(ReasoningRequest(visible=True)) > 0
    off = (
        ReasoningRequest(),
        ReasoningRequest(enabled=False),
        ReasoningRequest(effort="none"),
        ReasoningRequest(budget=0),
    )
    assert [reasoned(request) for request in off] == [0, 0, 0, 0]
    assert reasoned(ReasoningRequest(), reasoning="always") > 0
    assert reasoned(ReasoningRequest(effort="high"), reasoning="never") == 0
    (first, second) = only(answer(prompt("x", reasoning=ReasoningRequest(enabled=True)))).items
    assert isinstance(first, Reasoning)
    assert isinstance(second, Text)


def test_integers_of_any_size_are_answered() -> None:
    """A schema may hold an integer of more than 64 bits."""
    prompt = Prompt(messages=(Message("user", "Hi"),), output=OutputFormat("schema", {"const": 2**70}))
    (item,) = simulate(prompt, Simulation(), seed="0", locale="en").choices[0].items
    assert item == Text(str(2**70))


@pytest.mark.parametrize(
    "text",
    ['{"properties": ' * 100_000, ('{"properties": ' * 300 + "!") * 30],
    ids=["deep", "groups that never close"],
)
def test_a_text_full_of_braces_is_not_searched_for_ever(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each brace may begin a schema: the characters that are read in vain are bounded."""
    tries: list[int] = []
    decode = json.JSONDecoder.raw_decode

    def counted(self: json.JSONDecoder, s: str, idx: int = 0) -> tuple[Any, int]:
        tries.append(idx)
        return decode(self, s, idx)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", counted)
    assert text_of(answer(prompt(f"In JSON: {text}")))
    assert len(tries) < 1_000


def test_of_two_stop_sequences_that_overlap_the_one_that_is_complete_first_ends_the_text() -> None:
    """A model has generated the inner sequence before it has generated the whole of the outer one."""
    whole = text_of(answer(prompt("x")))
    outer, inner = whole[10:30], whole[12:20]
    assert only(answer(prompt("x", stop=(outer, inner)))) == Choice((Text(whole[:12]),), "stop", stop_sequence=inner)
    assert only(answer(prompt("x", stop=(whole[12:20], whole[10:20])))).stop_sequence == whole[10:20]


def test_a_place_is_a_name_of_a_few_words() -> None:
    """A long run of words in capitals is no city."""
    (call,) = only(answer(prompt("in " + "Aa " * 1_000, tools=(WEATHER,)))).items
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments)["city"] == "Aa Aa Aa Aa Aa"
