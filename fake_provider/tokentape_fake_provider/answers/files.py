"""Files: upload, list, retrieve, content and delete, in the shape of OpenAI, Anthropic or Gemini.

platform.openai.com/docs/api-reference/files, platform.claude.com/docs/en/build-with-claude/files,
ai.google.dev/api/files: an upload of Gemini's is begun, and then sent in one or several parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from tokentape_fake_provider.answers.answer import Answer, Headers, HttpRequest, refused
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import make_id
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION, Session
from tokentape_fake_provider.sessions.stored_files import StoredFile, StoredFiles
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import WIRES
from tokentape_fake_provider.wires.openai_http import missing
from tokentape_fake_provider.wires.reading.fields import as_object, either, text_of

# Behind a version there are other files, such as those of a vector store.
_PATH: Final = re.compile(r"((?:/(?!v\d)[^/]+)*?)/(upload/)?(?:v1\w*/|openai/|api/){0,3}files(?:/([^/]+)(/content)?)?")
_FIELD: Final = re.compile(rb'(?<!file)name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_FILE_NAME: Final = re.compile(rb'filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_TYPE: Final = re.compile(rb"^content-type:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)')
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_GOOGLE_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_GOOGLES: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_LIFETIME: Final = timedelta(hours=48)
_ANY: Final = "application/octet-stream"
# A browser must not open a page that somebody uploaded: it would have the origin of the console.
_DOWNLOAD: Final = (("content-disposition", "attachment"), ("x-content-type-options", "nosniff"))
_PARTS: Final = ("file", "input_file", "input_image", "container_upload")
_GOOGLE_URI: Final = re.compile(r"https?://.*/v1\w*/files/([^/?]+)")


def file_answer(session: Session, http: HttpRequest) -> Answer | None:
    """The answer to a request about files; `None` for any other request."""
    found, wire = _PATH.fullmatch(http.path), http.error_wire
    if found is None or wire is None or http.wire is not None:
        return None
    name, content = found[3] or "", bool(found[4])
    style = "gemini" if found[2] else wire.name
    answer = {"gemini": _google, "anthropic_messages": _anthropic}.get(style, _openai)
    try:
        if http.method == "POST" and not name and style != "gemini":
            return answer(session, http, _uploaded(session, http, style), "")
        file = None
        if name and not name.startswith(":") and (file := session.files.find(name)) is None:
            raise _unknown(style, name)
        if content and file is not None and http.method in ("GET", "HEAD"):
            empty = _answer(b"", (("content-type", file.media_type), *_DOWNLOAD))
            return msgspec.structs.replace(empty, content_of=file)
        return None if content else answer(session, http, file, found[1])
    except BadRequestError as error:
        return refused(WIRES.get(style, wire), error)


def refers_to_files(raw: bytes) -> bool:
    """Whether a request may refer to files by id."""
    return b"file" in raw and (b'"file_id"' in raw or b"/files/" in raw)


def check_files(files: StoredFiles, wire: str, body: Any) -> None:
    """Raise `BadRequestError` for a file in a prompt that is not among `files`."""
    style = {"anthropic_messages": wire, "gemini": wire}.get(wire, "openai_chat")
    for name in _referred(body):
        if files.find(name) is None:
            raise _unknown(style, name, prompt=True)


def _referred(body: Any) -> Iterator[str]:
    waiting: list[Any] = [as_object(body).get(name) for name in ("messages", "input", "contents", "system")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            file_id = value.get("file_id")
            kind = value.get("type")
            if isinstance(file_id, str) and (kind in _PARTS or (kind is None and "file_data" not in value)):
                yield file_id
            uri = _GOOGLE_URI.fullmatch(text_of(either(value, "fileUri")))
            if uri is not None:
                yield uri[1]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _unknown(style: str, name: str, *, prompt: bool = False) -> BadRequestError:
    match style:
        case "anthropic_messages":
            return BadRequestError(f"File not found: {name}", status=404)
        case "gemini":
            problem = f"You do not have permission to access the File {name} or it may not exist."
            return BadRequestError(problem, status=403)
    problem = f"Files ['{name}'] were not found." if prompt else f"No such File object: {name}"
    return BadRequestError(problem, status=400 if prompt else 404, param="file_id" if prompt else "id")


def _uploaded(session: Session, http: HttpRequest, style: str) -> StoredFile:
    """The file of a form, which is kept from then on."""
    fields = _form(http)
    if "file" not in fields:
        raise missing("file") if style != "anthropic_messages" else BadRequestError("file: Field required")
    if style == "openai_chat" and not fields.get("purpose", ("", "", b""))[2]:
        raise missing("purpose")
    name, media_type, data = fields["file"]
    prefix, seed = ("file_", _seed(session)) if style == "anthropic_messages" else ("file-", _seed(session))
    purpose = fields.get("purpose", ("", "", b""))[2].decode(errors="replace")
    file = StoredFile(prefix + make_id(seed, "file", 24), name or "upload", media_type, http.created, purpose)
    return session.files.keep(file, data)


def _form(http: HttpRequest) -> Mapping[str, tuple[str, str, bytes]]:
    """The fields of a multipart form: file name, media type and content."""
    boundary = _BOUNDARY.search(_header(http, b"content-type"))
    fields: dict[str, tuple[str, str, bytes]] = {}
    for part in http.raw.split(b"--" + boundary[1].encode())[1:-1] if boundary is not None else ():
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name, file_name, media_type = _FIELD.search(head), _FILE_NAME.search(head), _TYPE.search(head)
        if name is not None:
            shown = "" if file_name is None else file_name[1].decode(errors="replace")
            kind = "" if media_type is None else media_type[1].decode(errors="replace")
            fields[name[1].decode(errors="replace")] = shown, _media_type(kind), data.removesuffix(b"\r\n")
    return fields


def _media_type(text: str) -> str:
    """The type and subtype of a content type; any bytes where it has none that a header could have."""
    found = _MEDIA_TYPE.match(text)
    return _ANY if found is None else found[0]


def _header(http: HttpRequest, name: bytes) -> str:
    return next((value.decode("latin-1") for each, value in http.headers if each == name), "")


def _seed(session: Session) -> str:
    return f"{session.settings.seed}:{session.next_number()}"


def _openai(session: Session, http: HttpRequest, file: StoredFile | None, _base: str) -> Answer | None:
    if file is None:
        return _listed(session, http, _openai_file) if http.method in ("GET", "HEAD") else None
    if http.method == "DELETE":
        session.files.delete(file.id)
        return _json({"id": file.id, "object": "file", "deleted": True})
    return _json(_openai_file(file)) if http.method in ("GET", "HEAD", "POST") else None


def _openai_file(file: StoredFile) -> dict[str, Any]:
    return {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose or "user_data",
        "filename": file.name,
        "bytes": file.size,
        "created_at": file.created,
        "expires_at": None,
        "status": "processed",
        "status_details": None,
    }


def _anthropic(session: Session, http: HttpRequest, file: StoredFile | None, _base: str) -> Answer | None:
    if file is None:
        return _listed(session, http, _anthropic_file) if http.method in ("GET", "HEAD") else None
    if http.method == "DELETE":
        session.files.delete(file.id)
        return _json({"id": file.id, "type": "file_deleted"})
    return _json(_anthropic_file(file)) if http.method in ("GET", "HEAD", "POST") else None


def _anthropic_file(file: StoredFile) -> dict[str, Any]:
    return {
        "type": "file",
        "id": file.id,
        "filename": file.name,
        "mime_type": file.media_type,
        "size_bytes": file.size,
        "created_at": _time(file.created),
        "downloadable": True,
    }


def _listed(session: Session, http: HttpRequest, shape: Callable[[StoredFile], dict[str, Any]]) -> Answer:
    """A page of the files, the newest first."""
    query = {name: values[-1] for name, values in parse_qs(http.query).items()}
    files = [file for file in session.files.all() if query.get("purpose", file.purpose) == file.purpose]
    if query.get("order") != "asc":
        files.reverse()
    ids = [file.id for file in files]
    after = query.get("after") or query.get("after_id")
    begin = ids.index(after) + 1 if after in ids else 0
    limit = query.get("limit", "")
    end = begin + int(limit[:9]) if limit.isdecimal() else len(ids)
    shown = [shape(file) for file in files[begin:end]]
    edges = [file["id"] for file in shown] or [None]
    body = {"data": shown, "has_more": end < len(ids), "first_id": edges[0], "last_id": edges[-1]}
    return _json({"object": "list", **body} if shape is _openai_file else body)


def _google(session: Session, http: HttpRequest, file: StoredFile | None, base: str) -> Answer | None:
    upload = parse_qs(http.query).get("upload_id", [""])[-1]
    if upload:
        return _part(session, http, upload)
    if file is None and http.method in ("GET", "HEAD"):
        files = [_google_file(session, http, each) for each in session.files.all()]
        return _json({"files": files} if files else {})
    if file is None and http.method == "POST":
        given = as_object(as_object(http.body).get("file"))
        name = text_of(given.get("name")).removeprefix("files/") or make_id(_seed(session), "file", 12, _GOOGLES)
        if not _GOOGLE_NAME.fullmatch(name):
            raise BadRequestError(
                "* CreateFileRequest.file.name: must be lowercase alphanumeric or dashes, at most 40."
            )
        kind = _media_type(_header(http, b"x-goog-upload-header-content-type") or text_of(either(given, "mimeType")))
        shown = text_of(either(given, "displayName")) or _header(http, b"x-goog-upload-file-name")
        session.files.begin(StoredFile(name, shown, kind, http.created))
        address = f"{_origin(session, http)}{base}/upload/v1beta/files?upload_id={name}&upload_protocol=resumable"
        return _json({}, (("x-goog-upload-url", address), ("x-goog-upload-status", "active")))
    if file is not None and http.method == "DELETE":
        session.files.delete(file.id)
        return _json({})
    return _json(_google_file(session, http, file)) if file is not None and http.method in ("GET", "HEAD") else None


def _part(session: Session, http: HttpRequest, upload: str) -> Answer:
    """One part of an upload; with the last one the file."""
    last = "finalize" in _header(http, b"x-goog-upload-command")
    try:
        file = session.files.add(upload, http.raw, last=last)
    except KeyError:
        raise BadRequestError("Upload has already been terminated.") from None
    if not file.whole:
        return _json({}, (("x-goog-upload-status", "active"),))
    return _json({"file": _google_file(session, http, file)}, (("x-goog-upload-status", "final"),))


def _google_file(session: Session, http: HttpRequest, file: StoredFile) -> dict[str, Any]:
    return {
        "name": f"files/{file.id}",
        **({"displayName": file.name} if file.name else {}),
        "mimeType": file.media_type,
        "sizeBytes": str(file.size),
        "createTime": _time(file.created),
        "updateTime": _time(file.created),
        "expirationTime": _time(file.created + int(_LIFETIME.total_seconds())),
        "uri": f"{_origin(session, http)}/v1beta/files/{file.id}",
        "state": "ACTIVE",
        "source": "UPLOADED",
    }


def _origin(session: Session, http: HttpRequest) -> str:
    """The address of the session, as the client named it."""
    scheme = _header(http, b"x-forwarded-proto") or "http"
    prefix = "" if session.id == DEFAULT_SESSION else f"/s/{session.id}"
    return f"{scheme}://{_header(http, b'host') or 'localhost'}{prefix}"


def _time(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: Any, headers: Headers = ()) -> Answer:
    return _answer(msgspec.json.encode(value), (("content-type", "application/json"), *headers))


def _answer(data: bytes, headers: Sequence[tuple[str, str]]) -> Answer:
    return Answer(Tape((Frame(0.0, data),), 200, tuple(headers)), "stored")
