"""Files are uploaded, listed, retrieved, read and deleted by the official SDKs, and prompts refer to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider import FakeProviderServer, Session
from tokentape_fake_provider.sessions import stored_files
from tokentape_fake_provider.sessions.stored_files import StoredFile, StoredFiles

pytestmark = pytest.mark.both_stores
DATA = b"%PDF-1.4\r\n\r\n--x\r\n\x00\xff\r\n"


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """The session's base URL."""
    return f"{server.url}/s/{session.id}"


@pytest.fixture
def claude(url: str) -> Iterator[anthropic.Anthropic]:
    """A client of Anthropic's."""
    with anthropic.Anthropic(base_url=url, api_key="k") as client:
        yield client


@pytest.fixture
def google(url: str) -> Iterator[Any]:
    """A client of Gemini's."""
    with genai.Client(api_key="k", http_options={"base_url": url}) as client:
        yield client


def test_openai_stores_files(openai_client: openai.OpenAI) -> None:
    """Any bytes come back as they were; a file that was deleted is unknown."""
    files = openai_client.files
    first = files.create(file=("a.pdf", DATA, "application/pdf"), purpose="user_data")
    second = files.create(file=("b.jsonl", b"{}"), purpose="batch")
    assert (first.filename, first.bytes, first.purpose) == ("a.pdf", len(DATA), "user_data")
    assert [file.id for file in files.list()] == [second.id, first.id]
    assert [file.id for file in files.list(limit=1)] == [second.id, first.id]  # in two pages
    assert [file.id for file in files.list(purpose="batch")] == [second.id]
    assert [file.id for file in files.list(order="asc")] == [first.id, second.id]
    assert files.retrieve(first.id) == first
    content = files.content(first.id)
    assert (content.read(), content.response.headers["content-type"]) == (DATA, "application/pdf")
    assert files.delete(first.id).deleted
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {first.id}"):
        files.retrieve(first.id)


def test_openai_refers_to_files(openai_client: openai.OpenAI) -> None:
    """In chats and in responses; an unknown id is refused, unless the setting `validate` is off."""
    known = openai_client.files.create(file=("a.pdf", DATA), purpose="user_data").id

    def ask(file_id: str) -> str:
        part: Any = {"type": "file", "file": {"file_id": file_id}}
        chat = openai_client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": [part]}])
        item: Any = {"role": "user", "content": [{"type": "input_file", "file_id": file_id}]}
        return (chat.choices[0].message.content or "") + openai_client.responses.create(
            model="gpt-5", input=[item]
        ).output_text

    assert ask(known)
    with pytest.raises(openai.BadRequestError, match="were not found"):
        ask("file-unknown")
    openai_client.files.delete(known)
    with pytest.raises(openai.BadRequestError, match="were not found"):
        ask(known)


def test_what_is_missing_is_refused(openai_client: openai.OpenAI) -> None:
    """The purpose."""
    with pytest.raises(openai.BadRequestError, match="Missing required parameter: 'purpose'"):
        openai_client.files.create(file=b"x", purpose="")  # type: ignore[arg-type]


def test_anthropic_stores_files(claude: anthropic.Anthropic) -> None:
    """With its own fields, and as documents of a message."""
    files: Any = claude.beta.files
    file = files.upload(file=("a.pdf", DATA, "application/pdf"))
    assert (file.filename, file.mime_type, file.size_bytes) == ("a.pdf", "application/pdf", len(DATA))
    assert [each.id for each in files.list()] == [file.id]
    assert files.retrieve_metadata(file.id).id == file.id
    assert files.download(file.id).read() == DATA

    def ask() -> Any:
        source: Any = {"type": "document", "source": {"type": "file", "file_id": file.id}}
        messages: Any = [{"role": "user", "content": [source, {"type": "text", "text": "Sum it up"}]}]
        return claude.beta.messages.create(model="claude-opus-5", max_tokens=99, messages=messages)

    assert ask().content
    assert files.delete(file.id).type == "file_deleted"
    with pytest.raises(anthropic.NotFoundError, match="File not found"):
        ask()


def test_gemini_stores_files(google: Any) -> None:
    """An upload in parts of 8 MB; the file's address is part of a prompt."""
    data = bytes(9_000_000)
    config = types.UploadFileConfig(mime_type="video/mp4", display_name="A film")
    file = google.files.upload(file=BytesIO(data), config=config)
    assert (file.display_name, file.mime_type, file.size_bytes, file.state.value) == (
        "A film",
        "video/mp4",
        len(data),
        "ACTIVE",
    )
    assert [each.name for each in google.files.list()] == [file.name]
    assert google.files.get(name=file.name).uri == file.uri
    assert google.models.generate_content(model="gemini-2.5-flash", contents=[file, "What is it?"]).text
    google.files.delete(name=file.name)
    with pytest.raises(Exception, match="or it may not exist"):
        google.models.generate_content(model="gemini-2.5-flash", contents=[file, "What is it?"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/files", 200),
        ("/files", 200),
        ("/openai/v1/files", 200),
        ("/gateway/v1/files", 200),
        ("/v1beta/openai/files", 200),
        ("/v1/vector_stores/vs_1/files", 501),
        ("/v1/containers/c/files/f/content", 501),
    ],
)
def test_the_paths_of_files(url: str, path: str, status: int) -> None:
    """Files of vector stores and of containers are others."""
    assert httpx.get(url + path).status_code == status


def test_a_session_has_its_own_files(openai_client: openai.OpenAI, server: FakeProviderServer) -> None:
    """Others don't see them, and a reset forgets them."""
    file = openai_client.files.create(file=("a", b"x"), purpose="batch")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k") as other, pytest.raises(openai.NotFoundError):
        other.files.retrieve(file.id)


def test_clearing_a_session_forgets_its_files(openai_client: openai.OpenAI, session: Session) -> None:
    """As it forgets what else is stored."""
    openai_client.files.create(file=("a", b"x"), purpose="batch")
    session.clear()
    assert list(openai_client.files.list()) == []


@given(sizes=st.lists(st.integers(0, 60), max_size=30))
def test_files_are_bounded(sizes: list[int]) -> None:
    """By number and by bytes; the newest one is always kept."""
    files = StoredFiles()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_files, "MOST", 5)
        patch.setattr(stored_files, "MOST_BYTES", 100)
        for number, size in enumerate(sizes):
            files.keep(StoredFile(str(number), "", "", 0), bytes(size))
            kept = files.all()
            assert kept[-1].id == str(number)
            assert len(kept) <= 5
            assert sum(len(files.content(file)) for file in kept) <= 100


@given(sizes=st.lists(st.integers(0, 60), max_size=30))
def test_uploads_that_are_never_finished_are_bounded(sizes: list[int]) -> None:
    """By number and by bytes, as files are; the one that grew last is kept."""
    files = StoredFiles()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_files, "MOST", 5)
        patch.setattr(stored_files, "MOST_BYTES", 100)
        for number, size in enumerate(sizes):
            files.begin(StoredFile(str(number), "", "", 0))
            files.add(str(number), bytes(size), last=False)
        finished = {}
        for number in range(len(sizes)):
            with suppress(KeyError):
                finished[number] = files.add(str(number), b"", last=True)
        assert len(finished) <= 5
        assert sum(len(files.content(file)) for file in finished.values()) <= 100
        assert not sizes or len(sizes) - 1 in finished


@pytest.mark.parametrize("name", ["a\r\nset-cookie: b=c", "你", "../a?b&c", "", "x" * 41])
def test_a_name_of_google_is_no_header(url: str, name: str) -> None:
    """What the address of an upload can't have is refused, and no name at all is replaced by one of the server's."""
    answer = httpx.post(f"{url}/upload/v1beta/files", json={"file": {"name": f"files/{name}"}})
    assert answer.status_code == (400 if name else 200)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("given_type", "sent"),
    [
        (b"text/html", "text/html"),
        (b"image/svg+xml; charset=utf-8", "image/svg+xml"),
        (b"a\x00/\x01", "application/octet-stream"),
        ("t/你".encode(), "application/octet-stream"),
    ],
)
def test_a_page_that_was_uploaded_is_not_opened(url: str, given_type: bytes, sent: str) -> None:
    """A browser stores the content of a file instead of running its scripts in the origin of the console."""
    head = b'content-disposition: form-data; name="file"; filename="a"\r\ncontent-type: ' + given_type
    form = (
        b'--B\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--B\r\n' + head + b"\r\n\r\nx\r\n--B--"
    )
    kind = {"content-type": "multipart/form-data; boundary=B"}
    stored = httpx.post(f"{url}/v1/files", content=form, headers=kind).json()
    content = httpx.get(f"{url}/v1/files/{stored['id']}/content")
    assert (content.content, content.headers["content-type"]) == (b"x", sent)
    assert content.headers["content-disposition"] == "attachment"
    assert content.headers["x-content-type-options"] == "nosniff"


def test_a_page_of_files_has_any_limit(openai_client: openai.OpenAI) -> None:
    """Also one of 5,000 digits."""
    openai_client.files.create(file=("a", b"x"), purpose="batch")
    assert len(openai_client.files.list(extra_query={"limit": "9" * 5000}).data) == 1
