"""Search: finds the recordings that match a request in an open cassette of vcrpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from vcr.cassette import Cassette
from vcr.request import Request

Matcher = Callable[[Any, Any], Any]


def search_by_first_difference(cassette: Cassette, first: Matcher) -> None:
    """Compare a request with a recorded one only up to the first difference, and by `first` before the other matchers.

    What may still be played comes first. vcrpy evaluates every matcher for every recorded request, and formats the
    differences for its debug log.
    """
    matchers = sorted(cassette._match_on, key=lambda matcher: matcher is not first)
    filtered = cassette._before_record_request

    def responses(request: Request) -> Iterator[tuple[int, dict[str, Any]]]:
        request = filtered(request)
        played = {} if cassette.allow_playback_repeats else cassette.play_counts
        for number in sorted(range(len(cassette.data)), key=lambda number: played.get(number, 0) > 0):
            recorded, response = cassette.data[number]
            if all(_matches(matcher, request, recorded) for matcher in matchers):
                yield number, response

    cassette._responses = responses


def _matches(matcher: Matcher, request: Request, recorded: Request) -> bool:
    """Whether a matcher of vcrpy accepts both: it returns a truth value, or nothing, or it raises."""
    try:
        result = matcher(request, recorded)
    except AssertionError:
        return False
    return result is None or bool(result)
