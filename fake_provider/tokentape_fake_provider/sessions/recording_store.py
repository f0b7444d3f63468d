"""The recordings of a session, and which of them were played."""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from tokentape_fake_provider.errors import UnreadableRecordingError
from tokentape_fake_provider.playback.near_miss import NearMiss
from tokentape_fake_provider.script.recently_used import RecentlyUsed
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.matching.request_comparison import PREFERRED, Difference, differences, key_of
from tokentape_fake_provider.sessions.matching.shape import shape_of
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.wires import named_in_path

# An unplayed recording with one different field ends the search: among thousands there often is one.
_NEAREST = (1, 0)
# The most differences of the nearest that are kept.
_SHOWN = 20
# In bytes of requests, and of the answers that are made for one request.
_REPEATED = 4_000_000
# Of the recordings with the fewest different fields, this many are compared again without what is volatile.
_RECOUNTED = 20


class Endpoint(NamedTuple):
    """The target of a request: a method and a wire format, or else a method and a path.

    One endpoint has many paths (`/v1/chat/completions`, `/openai/v1/chat/completions`), so the path itself counts only
    if it belongs to no wire format. A named segment of a path (`/openai/deployments/{model}/...`) counts as a field of
    the body if the body lacks it.
    """

    method: str
    path: str
    wire: str | None = None

    @property
    def identity(self) -> Endpoint:
        """An endpoint that is equal for all paths of the same wire format."""
        return Endpoint(self.method, "", self.wire) if self.wire else self

    def with_path_fields(self, body: Any) -> Any:
        """The body with the named segments of the path; one that ends in `-stream` (Bedrock) is `stream: true`."""
        if not isinstance(body, Mapping):
            return body
        streams = {"stream": True} if self.wire is not None and self.path.endswith("-stream") else {}
        return {**named_in_path(self.wire, self.path), **streams, **body}


class Miss(msgspec.Struct, frozen=True):
    """Why no recording answers a request."""

    endpoint: Endpoint
    recordings: int
    nearest: Recording | None = None
    differences: Sequence[Difference] = ()
    played: bool = False
    unreadable: str = ""

    def __str__(self) -> str:
        problem = f"No recording answers {self.endpoint.method} {self.endpoint.path}"
        if self.unreadable:
            return f"{problem}: {self.unreadable}."
        if self.nearest is None:
            loaded = (
                f"none of the {self.recordings} loaded is for this endpoint" if self.recordings else "none is loaded"
            )
            return f"{problem}: {loaded}."
        if self.played:
            return f"{problem}: {self.nearest.label} is the same request, and was played already."
        shown = "; ".join(map(str, self.differences[:3]))
        rest = len(self.differences) - 3
        more = f"; and {rest} more field{'' if rest == 1 else 's'}" if rest > 0 else ""
        return f"{problem}. The nearest is {self.nearest.label}: {shown}{more}."

    @property
    def near(self) -> NearMiss | None:
        """The nearest recording, and the fields that differ."""
        if self.nearest is None:
            return None
        fields = [difference.field for difference in self.differences[:_SHOWN]]
        return NearMiss(
            "recording", self.nearest.label, fields, "the same request, but played already" if self.played else ""
        )


class Repetition(NamedTuple):
    """A recording that answers an equal request again, as long as all that are `alike` have been played.

    `state` is the store and the settings by which it answered.
    """

    number: int
    alike: Sequence[int]
    state: tuple[object, object] = (None, None)


class _Repeated(NamedTuple):
    """What answered a request under these settings."""

    answer: object
    settings: object
    repetition: Repetition


class RecordingStore:
    """Recordings in the order in which they were added. Not thread-safe: the session locks it."""

    def __init__(self) -> None:
        self._recordings: list[Recording] = []
        self._plays: list[int] = []
        self._unreadable: dict[int, str] = {}
        self._endpoints: list[Endpoint] = []
        self._same: dict[tuple[Endpoint, bytes], list[int]] = defaultdict(list)
        self._nearly: dict[tuple[Endpoint, bytes], list[int]] = defaultdict(list)
        self._by_prompt: dict[tuple[Endpoint, str], list[int]] = defaultdict(list)
        self._by_shape: dict[tuple[Endpoint, Any], list[int]] = defaultdict(list)
        self._normal_keys: dict[int, bytes] = {}
        self._normalised_by: Normaliser | None = None
        self._names: list[str] = []
        self._repeated: RecentlyUsed[Hashable, _Repeated] = RecentlyUsed(_REPEATED)
        self.repetition: Repetition | None = None
        """The recording that was taken last, if an equal request will get the same."""

    def __len__(self) -> int:
        return len(self._recordings)

    @property
    def recordings(self) -> Sequence[Recording]:
        """All recordings."""
        return tuple(self._recordings)

    @property
    def unplayed(self) -> Sequence[Recording]:
        """The recordings that have answered no request."""
        return [item for item, plays in zip(self._recordings, self._plays, strict=True) if not plays]

    @property
    def plays(self) -> list[int]:
        """How often each recording has answered; a change of the list is a change of these counts."""
        return self._plays

    @property
    def names(self) -> Sequence[str]:
        """A name of each recording, by its request and its number among those of that request, in any process."""
        if len(self._names) != len(self._recordings):
            self._names = [""] * len(self._recordings)
            for (endpoint, key), alike in self._same.items():
                digest = hashlib.blake2b(msgspec.json.encode(endpoint) + key, digest_size=12).hexdigest()
                for number, index in enumerate(alike):
                    self._names[index] = f"{digest}-{number}"
        return self._names

    def add(self, recordings: Iterable[Recording]) -> None:
        """Add recordings."""
        self._repeated = RecentlyUsed(_REPEATED)
        for recording in recordings:
            endpoint = Endpoint(recording.method.upper(), recording.path, recording.wire)
            index, identity, body = len(self._recordings), endpoint.identity, endpoint.with_path_fields(recording.body)
            self._recordings.append(recording)
            self._plays.append(0)
            self._endpoints.append(endpoint)
            self._same[identity, key_of(body)].append(index)
            self._nearly[identity, key_of(body, without=PREFERRED)].append(index)
            self._by_shape[identity, shape_of(body)].append(index)
            if recording.prompt is not None:
                self._by_prompt[identity, recording.prompt].append(index)

    def count_as(self, other: RecordingStore) -> None:
        """Take over how often the other store has played the recordings that both have."""
        plays = {id(recording): count for recording, count in zip(other._recordings, other._plays, strict=True)}
        self._plays = [plays.get(id(recording), 0) for recording in self._recordings]

    def take(
        self,
        endpoint: Endpoint,
        body: Any,
        *,
        prompt: str | None = None,
        again: bool = False,
        normaliser: Normaliser | None = None,
    ) -> Recording | Miss:
        """The recording that answers; recordings of the same request are played in order.

        `prompt` is the text of the request's messages, which finds recordings of other providers. With `again` the
        last recording answers any further requests. Where none is exactly the same, the `normaliser` finds those that
        differ only in what it ignores.
        """
        identity, body = endpoint.identity, endpoint.with_path_fields(body)
        candidates = list[int]()
        for found in self._alike(identity, body, prompt, normaliser):
            candidates += (index for alike in found for index in alike if index not in candidates)
            order: Iterator[int] = (index for alike in found for index in alike if not self._plays[index])
            if again:
                played = (index for alike in found for index in reversed(alike) if self._plays[index])
                order = chain(order, played)
            index = next((index for index in order if self._is_open(index)), None)
            if index is not None:
                self.repetition = Repetition(index, candidates) if self._plays[index] else None
                self._plays[index] += 1
                return self._recordings[index]
        return self._miss(endpoint, body, candidates, normaliser)

    def keep(self, request: Hashable, answer: object, settings: object, repetition: Repetition, size: int) -> None:
        """Keep what a recording answered for requests that are equal in everything that the answer depends on."""
        self._repeated.put(request, _Repeated(answer, settings, repetition), size)

    def repeat(self, request: Hashable, settings: object) -> object:
        """The answer that was kept, if the recording answers again; else `None`."""
        kept = self._repeated.get(request)
        if kept is None or kept.settings is not settings:
            return None
        plays, (index, alike, _) = self._plays, kept.repetition
        if not all(map(plays.__getitem__, alike)):
            return None
        plays[index] += 1
        return kept.answer

    def _alike(
        self, identity: Endpoint, body: Any, prompt: str | None, normaliser: Normaliser | None
    ) -> Iterator[Sequence[Sequence[int]]]:
        """The recordings that are the same, from exactly to but for what is volatile; each level in lists by rank."""

        def exact(body: Any) -> tuple[list[int], list[int]]:
            key = key_of(body)
            prefers = isinstance(body, Mapping) and not PREFERRED.isdisjoint(body)
            nearly = key_of(body, without=PREFERRED) if prefers else key
            return self._same.get((identity, key), []), self._nearly.get((identity, nearly), [])

        yield (*exact(body), [] if prompt is None else self._by_prompt.get((identity, prompt), []))
        if normaliser is None or not normaliser.active or not isinstance(body, Mapping):
            return
        yield exact(normaliser.with_placeholders(body))
        if self._normalised_by != normaliser:
            self._normal_keys.clear()
            self._normalised_by = normaliser
        wanted = _digest(normaliser.normal(body))
        shapes = [shape_of(body)]
        if not normaliser.keeps_shape:
            shapes = [other for owner, other in self._by_shape if owner == identity]
        yield ([i for other in shapes for i in self._by_shape.get((identity, other), ()) if self._key(i) == wanted],)

    def _key(self, index: int) -> bytes:
        """The digest of a recording's normal form, which is computed once."""
        if index not in self._normal_keys:
            assert self._normalised_by is not None
            body = self._endpoints[index].with_path_fields(self._recordings[index].body)
            self._normal_keys[index] = _digest(self._normalised_by.normal(body))
        return self._normal_keys[index]

    def websockets(self, endpoint: Endpoint, *, again: bool = False) -> list[Recording]:
        """The recorded answers to a handshake; with `again` also those that were played, after the others."""
        alike = [index for index, other in enumerate(self._endpoints) if other.identity == endpoint.identity]
        found = [index for index in alike if not self._plays[index] and self._is_open(index)]
        if again:
            found += [index for index in reversed(alike) if self._plays[index]]
        return [self._recordings[index] for index in found]

    def count(self, recording: Recording, *, again: bool = False) -> bool:
        """Count a recording as played. Whether it may be played."""
        for index, held in enumerate(self._recordings):
            if held is recording and (again or not self._plays[index]):
                self._plays[index] += 1
                return True
        return False

    def give_back(self, recording: Recording) -> None:
        """Undo that a recording was taken."""
        for index, held in enumerate(self._recordings):
            if held is recording and self._plays[index]:
                self._plays[index] -= 1
                return

    def _is_open(self, index: int) -> bool:
        """Whether the recording has its tape, which is read now if necessary."""
        if self._recordings[index].read is None:
            return True
        try:
            self._recordings[index] = self._recordings[index].opened()
        except UnreadableRecordingError as error:
            self._unreadable[index] = str(error)
            return False
        return True

    def _miss(self, endpoint: Endpoint, body: Any, played: Sequence[int], normaliser: Normaliser | None = None) -> Miss:
        if played:
            unreadable = next((self._unreadable[index] for index in played if index in self._unreadable), "")
            if unreadable:
                return Miss(endpoint, len(self), unreadable=unreadable)
            return Miss(endpoint, len(self), self._recordings[played[-1]], played=True)
        ranked = list[tuple[int, int, int]]()
        for index, (recording, plays, other) in enumerate(
            zip(self._recordings, self._plays, self._endpoints, strict=True)
        ):
            if other.identity != endpoint.identity:
                continue
            fields = differences(other.with_path_fields(recording.body), body)
            # Of equally near recordings, the user more likely meant one that was not played.
            ranked.append((len(fields), plays, index))
            if ranked[-1][:2] <= _NEAREST:
                break
        if not ranked:
            return Miss(endpoint, len(self))
        normal = _unchanged if normaliser is None else normaliser.normal
        wanted = normal(body)
        recounted = list[tuple[int, int, int, int, list[Difference]]]()
        for count, plays, index in heapq.nsmallest(_RECOUNTED if normaliser else 1, ranked):
            recorded = normal(self._endpoints[index].with_path_fields(self._recordings[index].body))
            left = differences(recorded, wanted)
            recounted.append((len(left), plays, count, index, left))
        *_, index, left = min(recounted)
        return Miss(endpoint, len(self), self._recordings[index], left)


def _unchanged(body: Any) -> Any:
    return body


def _digest(body: Any) -> bytes:
    return hashlib.blake2b(key_of(body, without=PREFERRED), digest_size=16).digest()
