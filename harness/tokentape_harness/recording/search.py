"""Search: finds the recordings that match a request in an open cassette of vcrpy, and those recorded again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from vcr.cassette import Cassette
from vcr.request import Request

Matcher = Callable[[Any, Any], Any]
Key = Callable[[Request], Hashable]
Pair = tuple[Request, dict[str, Any]]


def search_by_first_difference(cassette: Cassette, first: Matcher, first_key: Key) -> None:
    """Compare a request with a recorded one only up to the first difference, and by `first` before the other matchers.

    What may still be played comes first. vcrpy evaluates every matcher for every recorded request, and formats the
    differences for its debug log. A save compares each recording with those made now, if both have one `first_key`, or
    either has none: `first` accepts no other.
    """
    matchers = sorted(cassette._match_on, key=lambda matcher: matcher is not first)
    filtered = cassette._before_record_request
    key: Key = first_key if first in matchers else lambda _: None

    def alike(request: Request, recorded: Request) -> bool:
        return all(_matches(matcher, request, recorded) for matcher in matchers)

    def responses(request: Request) -> Iterator[tuple[int, dict[str, Any]]]:
        request = filtered(request)
        played = {} if cassette.allow_playback_repeats else cassette.play_counts
        for number in sorted(range(len(cassette.data)), key=lambda number: played.get(number, 0) > 0):
            recorded, response = cassette.data[number]
            if alike(request, recorded):
                yield number, response

    def unlike(pairs: Sequence[Pair], others: Sequence[Pair], alike: Matcher) -> list[Pair]:
        """The pairs whose request is like none of the others'."""
        groups: defaultdict[Hashable, list[Request]] = defaultdict(list)
        for other, _ in others:
            groups[key(other)].append(other)

        def near(request: Request) -> Iterable[Request]:
            own = key(request)
            return chain(*groups.values()) if own is None else chain(groups[own], groups[None])

        return [pair for pair in pairs if not any(alike(pair[0], other) for other in near(pair[0]))]

    def new_interactions() -> list[Pair]:
        return unlike(cassette.data, cassette._old_interactions, alike)

    def rerecorded_interactions() -> list[Pair]:
        recorded: list[Pair] = cassette.data[cassette._loaded_count :]
        if cassette.drop_unused_requests:
            return recorded
        loaded = cassette.data[: cassette._loaded_count]
        return [*unlike(loaded, recorded, lambda old, new: alike(new, old)), *recorded]

    cassette._responses = responses
    cassette._new_interactions = new_interactions
    cassette._rerecorded_interactions = rerecorded_interactions


def _matches(matcher: Matcher, request: Request, recorded: Request) -> bool:
    """Whether a matcher of vcrpy accepts both: it returns a truth value, or nothing, or it raises."""
    try:
        result = matcher(request, recorded)
    except AssertionError:
        return False
    return result is None or bool(result)
