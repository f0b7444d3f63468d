"""Stream: its grammar, for every scenario: text, one tool call, two, reasoning, a token limit."""

from __future__ import annotations

from tokentape_conformance.provider import GRAMMARS, ProviderTrial, case, having
from tokentape_conformance.provider.grammar import id_path
from tokentape_conformance.provider.grammar_event import Document, at_path
from tokentape_conformance.provider.http_request import request_of
from tokentape_conformance.provider.scenario import REASONING, TEXT
from tokentape_conformance.trial import Prose

REFERENCE = "the provider's API reference, as cited in conformance/provider/grammars"
WHATWG = "WHATWG HTML, 9.2.6; NDJSON; Amazon event stream encoding"
COUNTED = tuple(wire for wire, grammar in GRAMMARS.items() if grammar.counted)
WITH_ID = tuple(wire for wire, grammar in GRAMMARS.items() if id_path(grammar))
CONSTANT = tuple(wire for wire, grammar in GRAMMARS.items() if grammar.constant)


@case("provider/stream/framing", "The body is framed as its format specifies, down to the last event.", source=WHATWG)
def framing(trial: ProviderTrial) -> None:
    trial.expect_no("framing")


@case("provider/stream/known", "All events are in the specification.", source=REFERENCE)
def known(trial: ProviderTrial) -> None:
    trial.expect_no("known")


@case("provider/stream/order", "Events come in an allowed order.", source=REFERENCE)
def order(trial: ProviderTrial) -> None:
    trial.expect_no("order")


@case("provider/stream/ends", "The stream, and everything that started in it, ends.", source=REFERENCE)
def ends(trial: ProviderTrial) -> None:
    trial.expect_no("ends")


@case("provider/stream/over", "Nothing follows the end.", source=REFERENCE)
def over(trial: ProviderTrial) -> None:
    trial.expect_no("over")


@case("provider/stream/fields", "Each event has the required fields, of the right types.", source=REFERENCE)
def fields(trial: ProviderTrial) -> None:
    trial.expect_no("fields")


@case(
    "provider/stream/names",
    "The name of a server-sent event is the type in its data.",
    source=REFERENCE,
    needs=["names"],
    wires=having(lambda facts: facts.named_events),
)
def names(trial: ProviderTrial) -> None:
    trial.expect_no("names")


@case(
    "provider/stream/constant",
    "Id and model are the same in all events of a stream.",
    source=REFERENCE,
    wires=CONSTANT,
)
def constant(trial: ProviderTrial) -> None:
    trial.expect_no("constant")


@case(
    "provider/stream/created",
    "The time of creation is the same in all events of a stream.",
    source="OpenAI API reference: each chunk has the same timestamp",
    wires=["openai_chat", "openai_completions", "openai_responses"],
)
def created(trial: ProviderTrial) -> None:
    trial.expect_no("created")


@case("provider/stream/new-id", "Each response has its own id.", source=REFERENCE, wires=WITH_ID)
def new_id(trial: ProviderTrial) -> None:
    path = id_path(trial.grammar)
    assert path is not None
    url, request = trial.target.url(TEXT, TEXT), request_of(trial.wire, TEXT, trial.target.model_for(trial.wire))
    answers = [trial.target.send(url, trial.wire, request) for _ in range(2)]
    seen = [
        next((value for event in trial.judged(answer).events if (value := at_path(event.document, path))), None)
        for answer in answers
    ]
    if seen[0] is None or seen[0] == seen[1]:
        trial.fail("the ids of two responses", seen, Prose("two different ids"))


@case(
    "provider/stream/indices",
    "Blocks, items and calls are numbered from 0 without gaps.",
    source=REFERENCE,
    wires=COUNTED,
)
def indices(trial: ProviderTrial) -> None:
    trial.expect_no("indices")


@case(
    "provider/stream/sequence",
    "Events are numbered from 0 without gaps.",
    source=REFERENCE,
    needs=["sequence"],
    wires=[wire for wire, grammar in GRAMMARS.items() if grammar.sequence],
)
def sequence(trial: ProviderTrial) -> None:
    trial.expect_no("sequence")


@case(
    "provider/stream/wholes",
    "A whole value in an event equals its joined deltas.",
    source=REFERENCE,
    wires=["openai_responses"],
)
def wholes(trial: ProviderTrial) -> None:
    trial.expect_no("wholes")


@case(
    "provider/stream/item-ids",
    "All events of an item have its id.",
    source=REFERENCE,
    wires=["openai_responses"],
)
def item_ids(trial: ProviderTrial) -> None:
    trial.expect_no("item-ids")


@case(
    "provider/stream/role",
    "The first delta of a choice has the role `assistant`.",
    source=REFERENCE,
    wires=["openai_chat"],
)
def role(trial: ProviderTrial) -> None:
    for scenario, judged in trial.streams():
        first: Document = next(
            (event.document["choices"][0] for event in judged.events if event.document.get("choices")), {}
        )
        trial.expect(f"the role ({scenario.name})", (first.get("delta") or {}).get("role"), "assistant")


@case("provider/stream/text", "The joined deltas are the response's text.", source=REFERENCE)
def text(trial: ProviderTrial) -> None:
    content = trial.stream().content
    if trial.scripted:
        expected = "".join(item.text for item in TEXT.script.choices[0].items if hasattr(item, "text"))
        trial.expect("the text", content.text, expected)
    elif not (content.text or content.reasoning):
        trial.fail("the text", content.text, Prose("some"))


@case(
    "provider/stream/model",
    "The stream names a model.",
    source=REFERENCE,
    wires=having(lambda facts: facts.model_reported),
)
def model(trial: ProviderTrial) -> None:
    if not trial.stream().content.model:
        trial.fail("the model", "", Prose("its name"))


@case(
    "provider/stream/reasoning",
    "Reasoning comes apart from the text, before it.",
    source=REFERENCE,
    needs=["reasoning"],
    wires=having(lambda facts: facts.reasoning),
)
def reasoning(trial: ProviderTrial) -> None:
    content = trial.stream(REASONING).content
    if trial.scripted:
        trial.expect(
            "reasoning and text", (content.reasoning, content.text), ("27 times 43 is 27 times 40 and 81.", "1161.")
        )
    elif not content.reasoning:
        trial.skip("reasoning: this response has none")
