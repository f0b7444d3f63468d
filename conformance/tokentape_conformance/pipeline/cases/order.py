"""Order: what the provider sends comes out once, in order, and nothing else does."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose

SOURCE = "the streaming chapter's first promise: messages are yielded as they are received"
_MANY = 2000
_MANY_SO_FAR = 500
"""The number where each message has the text so far, whose bytes grow with its square."""


@case("pipeline/order/all-tokens", "Every token that the provider sent comes out.", source=SOURCE)
def all_tokens(trial: PipelineTrial) -> None:
    markers = trial.markers()
    received = set(trial.numbers(trial.answer(markers=markers)))
    trial.expect("the missing tokens", sorted(set(range(markers.count)) - received), [])


@case("pipeline/order/in-order", "Tokens come out in the order in which the provider sent them.", source=SOURCE)
def in_order(trial: PipelineTrial) -> None:
    numbers = list(dict.fromkeys(trial.numbers(trial.answer(markers=trial.markers()))))
    trial.expect("the order of the tokens", numbers, sorted(numbers))


@case("pipeline/order/once", "No token comes out twice.", source=SOURCE)
def once(trial: PipelineTrial) -> None:
    numbers = trial.numbers(trial.answer(markers=trial.markers()))
    trial.expect("the repeated tokens", sorted({n for n in numbers if numbers.count(n) > 1}), [])


@case(
    "pipeline/order/repeated-tokens",
    "A token that the provider sends several times comes out the same number of times.",
    source=SOURCE,
    needs=["text"],
)
def repeated_tokens(trial: PipelineTrial) -> None:
    pieces = ("ha ", "ha ", "ha ", "no", "no", "\n", "\n", "-")
    trial.expect_text(*pieces)


@case(
    "pipeline/order/nothing-between",
    "Nothing that the provider did not send comes out between two tokens.",
    source=SOURCE,
    needs=["text"],
)
def nothing_between(trial: PipelineTrial) -> None:
    markers = trial.markers()
    text = trial.text(trial.answer(markers=markers))
    sent = "".join(markers.tokens).strip()
    if sent not in text:
        trial.fail("the text that came out", text, Prose(f"{sent!r} in it"))


@case(
    "pipeline/order/nothing-around",
    "Nothing comes out before the first token or after the last: no role, no `None`, no `[DONE]`.",
    source=SOURCE,
    needs=["text", "bare_text"],
)
def nothing_around(trial: PipelineTrial) -> None:
    markers = trial.markers()
    text = trial.text(trial.answer(markers=markers))
    first, last = text.find(markers.token(0)), text.rfind(markers.marker(markers.count - 1))
    if first < 0 or last < 0:
        trial.fail("the text that came out", text, Prose("the first token and the last in it"))
    around = text[:first] + text[last + len(markers.marker(0)) :]
    trial.expect("the text around the response", around.strip(), "")


@case("pipeline/order/many-tokens", "2,000 tokens that are sent at once all come out, in order.", source=SOURCE)
def many_tokens(trial: PipelineTrial) -> None:
    many = _MANY_SO_FAR if trial.has_text_so_far else _MANY
    trial.expect_whole("the response", trial.answer(markers=trial.markers(many)))
