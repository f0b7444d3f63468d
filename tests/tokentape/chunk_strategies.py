"""Hypothesis strategies for chunks as providers, wrappers and people make them."""

from __future__ import annotations

from hypothesis import strategies as st

from tokentape import ChatMessage, ProviderPart, ReasoningPart, TextPart, TokenUsage, ToolCall, ToolCallDelta

short = st.text(max_size=4)
some = st.text(min_size=1, max_size=4)
counts = st.none() | st.integers(0, 5)
json_texts = st.sampled_from(["", "{", "}", '{"a":1}', '{"a":', "1}", "null", "[]", "{}", '"'])


def tool_calls() -> st.SearchStrategy[ToolCall]:
    """Whole calls, with an id or without."""
    return st.builds(ToolCall.parse, st.sampled_from(["", "1", "2"]), short, json_texts)


def deltas() -> st.SearchStrategy[ToolCallDelta]:
    """Fragments, numbered or not."""
    index = st.none() | st.integers(0, 2)
    return st.builds(ToolCallDelta, index, st.sampled_from(["", "1", "2"]), short, json_texts, st.booleans())


def usages() -> st.SearchStrategy[TokenUsage]:
    """Usage that reports some of its fields."""
    raw = st.dictionaries(some, st.integers(), max_size=2)
    return st.builds(TokenUsage, st.integers(0, 5), counts, counts, counts, counts, counts, raw)


def parts() -> st.SearchStrategy[TextPart | ReasoningPart | ProviderPart]:
    """What a chunk adds beside text: citations, signatures, blocks that only the provider knows."""
    return st.one_of(
        st.builds(TextPart, st.just(""), st.tuples(st.integers())),
        st.builds(ReasoningPart, st.just(""), short, some),
        st.builds(ProviderPart, some, st.dictionaries(some, st.integers(), max_size=2)),
    )


def chunks() -> st.SearchStrategy[ChatMessage]:
    """Any chunk."""
    return st.builds(
        ChatMessage,
        short,
        st.sampled_from(["assistant", "assistant", "assistant", "user"]),
        metadata=st.just({}) | st.dictionaries(some, st.integers(), max_size=2),
        reasoning=st.just("") | short,
        tool_calls=st.just(()) | st.tuples(tool_calls()),
        tool_call_deltas=st.just(()) | st.lists(deltas(), max_size=2).map(tuple),
        usage=st.none() | usages(),
        finish_reason=st.sampled_from([None, None, "stop", "tool_calls", "other"]),
        provider_finish_reason=st.none() | some,
        index=st.integers(0, 2),
        block=st.none() | st.integers(0, 2),
        refusal=st.just("") | short,
        parts=st.just(()) | st.tuples(parts()),
        model=st.none() | some,
        name=st.none() | some,
        tool_call_id=st.none() | some,
    )
