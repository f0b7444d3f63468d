"""Persister: loads and saves a cassette's file for vcrpy. A save writes the whole file or leaves it unchanged."""

from __future__ import annotations

import getpass
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vcr.persisters.filesystem import CassetteNotFoundError as Missing
from vcr.request import Request
from vcr.serialize import deserialize, serialize
from vcr.serializers import jsonserializer, yamlserializer

from tokentape_harness.cassettes import yaml_io
from tokentape_harness.cassettes.atomic_file import remove_abandoned
from tokentape_harness.cassettes.chunks import format_chunks, parse_chunks, rechunk
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.model import Interaction
from tokentape_harness.cassettes.reader import parse_cassette, read_file, request_of
from tokentape_harness.cassettes.writer import format_interaction, format_parts, request_fields, write_atomically
from tokentape_harness.errors import (
    CassetteError,
    CassetteFormatError,
    CassetteNotFoundError,
    CassetteSyntaxError,
    CassetteWriteError,
)
from tokentape_harness.recording.playback import response_of, vcr_response
from tokentape_harness.recording.redacted_cache import RedactedCache, RedactedInteraction
from tokentape_harness.recording.redactor import Redactor
from tokentape_harness.recording.vcr_request import VcrRequest

_LOCK_TIMEOUT_S = 60.0

# The serializers whose files `parse_cassette` reads.
_KNOWN = (yamlserializer, jsonserializer)


class CassettePersister:
    """Loads and saves the file of one open cassette.

    It keeps what another process added to the file since it was loaded. A file that can't be read is an error, and
    is not changed. `extra_paths` are more cassettes to replay from, which are never written.
    """

    def __init__(self, redactor: Redactor, extra_paths: Sequence[str] = ()) -> None:
        self._cache = RedactedCache(redactor, _interaction)
        self._extra_paths = tuple(extra_paths)
        self._loaded: list[Interaction] = []
        self._others: list[RedactedInteraction] = []
        self._digest = b""

    def load_cassette(self, cassette_path: Any, serializer: Any) -> tuple[Any, ...]:
        """vcrpy's requests, responses and metadata. Raises `CassetteError`, or vcrpy's error if there is no file."""
        path = Path(cassette_path)
        data = _read(path)
        self._digest = hashlib.sha256(data).digest()
        interactions = _parsed(data, path, serializer)
        self._loaded = list(interactions)
        for extra in dict.fromkeys(map(Path, self._extra_paths)):
            if extra != path:
                interactions += _parsed(_read(extra), extra, serializer)
        if not interactions:
            raise Missing
        pairs = [_vcr_fields(interaction) for interaction in interactions]
        requests, responses = [request for request, _ in pairs], [response for _, response in pairs]
        return requests, responses, _metadata(data, path, serializer)

    def save_cassette(self, cassette_path: Any, cassette_dict: dict[str, Any], serializer: Any) -> None:
        """Write the redacted interactions, in one step. Raises `CassetteWriteError`."""
        path = Path(cassette_path).resolve()
        pairs = zip(cassette_dict["requests"], cassette_dict["responses"], strict=True)
        ours = self._cache.redacted(pairs)
        with _lock(path):
            remove_abandoned(path)
            added = self._added_since(path, serializer, [saved.interaction for saved in ours])
            self._others += map(RedactedInteraction, added)
            written = [*self._others, *ours]
            data = _formatted(written, cassette_dict.get("metadata"), serializer).encode()
            write_atomically(path, data)
            # The next save of a growing cassette must not take these for another process's.
            self._loaded = [saved.interaction for saved in written]
            self._digest = hashlib.sha256(data).digest()

    def _added_since(self, path: Path, serializer: Any, ours: Sequence[Interaction]) -> list[Interaction]:
        """The interactions that another process has added, except those whose request was recorded here, too."""
        data = _read(path)
        if hashlib.sha256(data).digest() == self._digest:
            return []
        try:
            present = _parsed(data, path, serializer)
        except CassetteError as error:
            raise CassetteWriteError(
                f"not overwritten, since the file there can't be read ({error.message}): move it away first", path=path
            ) from error
        known = Counter(map(_key, self._loaded))
        recorded = Counter(map(_request_key, ours)) - Counter(map(_request_key, self._loaded))
        return [
            interaction
            for interaction in present
            if not _take(known, _key(interaction)) and not _take(recorded, _request_key(interaction))
        ]


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except CassetteNotFoundError:
        return b""


def _parsed(data: bytes, path: Path, serializer: Any) -> list[Interaction]:
    if not data.strip():
        return []  # vcrpy takes an empty file for a missing one
    if serializer in _KNOWN:
        return list(parse_cassette(data, path).interactions)
    try:
        requests, responses, *_ = deserialize(data.decode(), serializer)
        return [_interaction(request, response) for request, response in zip(requests, responses, strict=True)]
    except CassetteError as error:
        raise error.at(path) from error.__cause__
    except Exception as error:
        raise CassetteSyntaxError(f"can't be read by its serializer ({error})", path=path) from error


def _metadata(data: bytes, path: Path, serializer: Any) -> dict[str, Any]:
    """The metadata that vcrpy's `Cassette.get_metadata` stored beside the interactions."""
    if b"metadata" not in data:
        return {}
    if serializer in _KNOWN:
        found = yaml_io.load(data, path).get("metadata") or {}
    else:
        _, _, *rest = deserialize(data.decode(), serializer)
        found = rest[0] if rest else {}
    if not isinstance(found, dict):
        raise CassetteFormatError("its `metadata` is not a mapping: correct it", path=path)
    return found


def _formatted(written: Sequence[RedactedInteraction], metadata: Any, serializer: Any) -> str:
    if serializer is yamlserializer and not metadata:
        return format_parts(saved.text for saved in written)
    pairs = [_vcr_fields(saved.interaction) for saved in written]
    document = {"requests": [request for request, _ in pairs], "responses": [response for _, response in pairs]}
    text: str = serialize({**document, "metadata": metadata}, serializer)
    return text


def _take(counts: Counter[Any], key: Any) -> bool:
    """Subtract one from the count of this key. Whether there was one."""
    counts[key] -= 1
    return counts[key] >= 0


def _request_key(interaction: Interaction) -> tuple[str, str, bytes | None]:
    return interaction.request.method, interaction.request.uri, interaction.request.body


def _key(interaction: Interaction) -> str:
    return hashlib.sha256(format_interaction(interaction).encode()).hexdigest()


def _vcr_fields(interaction: Interaction) -> tuple[Request, dict[str, Any]]:
    return VcrRequest(**request_fields(interaction.request)), vcr_response(interaction.response)


def _interaction(request: Request, response: dict[str, Any]) -> Interaction:
    body = request.body_bytes
    fields = {
        "method": request.method,
        "uri": request.uri,
        "body": bytes(body) if isinstance(body, bytearray) else body,
        "headers": {str(name): [value] for name, value in request.headers.items()},
    }
    return Interaction(request_of(fields), response_of(_with_fitting_chunks(response), str(request.uri)))


def _with_fitting_chunks(response: dict[str, Any]) -> dict[str, Any]:
    """The response with chunks that fit its body, which a hook of the user may have changed before the save."""
    stream = response.get("stream")
    body = response.get("body", {}).get("string") or b""
    body = body.encode() if isinstance(body, str) else body
    if not stream or stream.get("bytes") == len(body):
        return response
    kinds = [value for name, value in response["headers"].items() if name.lower() == "content-type"]
    content_type = str(kinds[0][0]) if kinds and kinds[0] else ""
    chunks = rechunk(parse_chunks(stream["chunks"]), split_body(body, content_type))
    return {**response, "stream": {**stream, "chunks": format_chunks(chunks), "bytes": len(body)}}


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep other processes from writing this file. The lock file is outside the folder of cassettes."""
    folder = Path(tempfile.gettempdir()) / f"tokentape-locks-{_user()}"
    import filelock  # a run that records nothing does without

    lock = filelock.FileLock(folder / f"{hashlib.sha256(str(path).encode()).hexdigest()[:32]}.lock")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        lock.acquire(timeout=_LOCK_TIMEOUT_S)
    except filelock.Timeout as error:
        raise CassetteWriteError(
            f"another process has been writing it for {_LOCK_TIMEOUT_S:g} s (its lock is {lock.lock_file})", path=path
        ) from error
    except OSError as error:
        raise CassetteWriteError(f"can't be locked in {folder} ({error.strerror or error})", path=path) from error
    try:
        yield
    finally:
        lock.release()


def _user() -> str:
    try:
        return hashlib.sha256(getpass.getuser().encode()).hexdigest()[:8]
    except (KeyError, OSError):
        return "any"
