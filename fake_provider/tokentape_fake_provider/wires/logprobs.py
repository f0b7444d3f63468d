"""Log probabilities of generated tokens: invented, but such as a model's could be."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tokentape_fake_provider.script.tokenizer import split_tokens
from tokentape_fake_provider.wires.wire import ProviderRequest

MOST_ALTERNATIVES = 20

# Frequent tokens, as alternatives at any place: more than the most that can be requested.
_FREQUENT = (
    *(" the", " a", " and", ",", ".", " of", " to", " in", " is", " that", "\n", " for", " it", " with", " on"),
    *(" as", " this", "-", " be", " are", ":", " or", " an", "The", "I", "It", " by", "'s", " from", " at", "!", "?"),
)
_REST = 0.95
"""The part of the probability beside the likeliest token that its alternatives share."""
_DECAY = 0.55


class TokenLogprob(NamedTuple):
    """A token, its log probability, and the likeliest tokens at its place with theirs, the likeliest first.

    The token itself is one of them, or less likely than all of them.
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Logprobs:
    """Invents the log probabilities of one choice's tokens, in their order; equal seeds give equal ones.

    `top` is the number of alternatives for each token, at most `MOST_ALTERNATIVES`.
    """

    def __init__(self, seed: str, top: int) -> None:
        self._draw = random.Random(f"{seed} logprobs")  # noqa: S311 - not for secrets
        self._top = min(max(top, 0), MOST_ALTERNATIVES)

    def of(self, text: str) -> list[TokenLogprob]:
        """Those of the next tokens, which join to the text."""
        return [self._token(token) for token in split_tokens(text)]

    def _token(self, token: str) -> TokenLogprob:
        draw = self._draw
        doubt = 0.5 * draw.random() ** 4 + 1e-6
        probabilities = [1 - doubt]
        rest = doubt * _REST
        for _ in range(max(self._top, 1)):
            probabilities.append(rest * (1 - _DECAY))
            rest *= _DECAY
        # Sampling mostly takes the likeliest token, at times another one, and rarely one that is not reported.
        rank = 0 if draw.random() < 0.9 else min(int(draw.expovariate(0.8)) + 1, len(probabilities) - 1)
        logprobs = [math.log(probability) for probability in probabilities]
        others = self._alternatives(token, draw.randrange(len(_FREQUENT)))
        top = tuple((token if place == rank else next(others), logprobs[place]) for place in range(self._top))
        return TokenLogprob(token, logprobs[rank], top)

    @staticmethod
    def _alternatives(token: str, start: int) -> Iterator[str]:
        seen = {token}
        for other in (token.swapcase(), f" {token}", *_FREQUENT[start:], *_FREQUENT[:start]):
            if other not in seen:
                seen.add(other)
                yield other


def token_object(token: TokenLogprob, *, ordered: bool = False) -> dict[str, Any]:
    """A token as OpenAI's formats have it; `bytes` is its UTF-8. With `ordered` its fields are in order of name."""
    plain = _ordered_object if ordered else _object
    top = [plain(text, logprob) for text, logprob in token.top]
    return plain(token.token, token.logprob) | {"top_logprobs": top}


def _object(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _ordered_object(text: str, logprob: float) -> dict[str, Any]:
    return {"bytes": list(text.encode()), "logprob": logprob, "token": text}


def requested_count(body: Mapping[str, Any], name: str) -> int:
    """A number of alternatives in a request; 0 if there is none."""
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def logprobs_seed(request: ProviderRequest, *place: int) -> str:
    """The seed for one text of a response: the same for equal requests, whatever their number in the session."""
    return f"{request.text} {request.body.get('seed')} {place}"
