"""Redaction by form and by name: what a model generated stays but for true secrets, and no secret is missed."""

# ruff: noqa: E501 - planted secrets and lines of code are long

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.request import Request as URLRequest
from urllib.request import urlopen

import httpx2
import pytest

from tests.http_server import QuietHandler, serving
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Interaction, RecordedError, Request, Response, StreamRecord
from tokentape_harness.recording.use_cassette import use_cassette
from tokentape_harness.redaction import DEFAULT_RULES, PLACEHOLDER, find_secrets, redact, redact_request, redact_text

# What follows no rule of a provider, and what does.
OPAQUE = "7f3Q9xK2mP8vL4nR6tW1"
MIXED = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA3bC5dE7fG9hJ1"
HEX = "0123456789abcdef0a1b2c3d4e5f6789"
FORMS = {
    "Pinecone": f"pcsk_2abCd_{MIXED}",
    "Voyage": f"pa-{MIXED[:43]}",
    "Vault": f"hvs.CAESI{MIXED[:24]}",
    "Vault of old": f"s.{MIXED[:24]}",
    "DigitalOcean": f"dop_v1_{HEX}{HEX}",
    "age": "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQS3290GQ",
    "Alibaba": f"LTAI5t{MIXED[:18]}",
    "DashScope": f"sk-{HEX}",
    "ElevenLabs": f"sk_{HEX}{HEX[:16]}",
    "Jina": f"jina_{MIXED}",
    "Azure AD": f"aB38Q~{MIXED[:32]}",
    "Azure OpenAI": f"{MIXED}abCDJQQJ99{MIXED[:26]}",
    "Baidu": f"bce-v3/ALTAK-{MIXED[:21]}/{HEX}",
    "Shopify": f"shpat_{HEX}",
    "Telegram": f"123456789:AA{MIXED[:33]}",
    "GitLab runner": f"glrt-{MIXED[:20]}",
    "Docker": f"dckr_pat_{MIXED[:27]}",
    "Figma": f"figd_{MIXED[:40]}",
    "Apify": f"apify_api_{MIXED[:36]}",
    "PostHog": f"phx_{MIXED[:43]}",
    "Tailscale": f"tskey-auth-{MIXED[:12]}-{MIXED[12:44]}",
    "1Password": f"ops_eyJ{MIXED}{MIXED}",
    "Discord webhook": f"https://discord.com/api/webhooks/123456789012345678/{MIXED}{MIXED[:20]}",
    "Cohere": f"co_{MIXED[:40]}",
    "Exa": f"exa-{MIXED[:32]}",
    **{f"Cloudflare {mark}": f"{mark}_{MIXED[:40]}{HEX[:8]}" for mark in ("cfk", "cfut", "cfat")},
    "Render": f"rnd_{MIXED[:28]}",
    **{f"Vercel {mark}": f"{mark}_{MIXED[:24]}" for mark in ("vercel", "vcp", "vci", "vca", "vcr", "vck")},
    "Vercel Blob": f"vercel_blob_rw_{MIXED[:16]}_{MIXED[16:46]}",
    "Netlify": f"nfp_{MIXED[:36]}",
    "Neon": f"napi_{MIXED}",
    "Heroku": f"HRKU-AA{MIXED}",
    "Airtable": f"pat{MIXED[:14]}.{HEX}{HEX}",
    "Mapbox": f"sk.eyJ1{MIXED[:30]}.{MIXED[:22]}",
    "E2B": f"e2b_{HEX}{HEX[:8]}",
    "LlamaCloud": f"llx-{MIXED}",
    "RunPod": f"rpa_{MIXED[:46].upper()}",
    "Mem0": f"m0-{MIXED[:40]}",
    "Cartesia": f"sk_car_{MIXED[:22]}",
    "Browserbase": f"bb_live_{MIXED[:27]}",
    "Weights & Biases": f"wandb_v1_{MIXED[:24]}_{MIXED[24:]}",
    "Resend": f"re_{MIXED[:8]}_{MIXED[8:32]}",
    "user of a URL": f"https://{OPAQUE}@h.example/x",
    "password of a URL": "https://bob:hunter2@h.example/x",
    "password alone in a URL": f"redis://:{OPAQUE}@h.example:6379/0",
}
# Values behind a name: in each language a literal.
NAMED = [
    f'api_key="{OPAQUE}"',
    f"const apiKey: string = '{OPAQUE}';",
    f'apiKey := "{OPAQUE}"',
    f'var apiKey string = "{OPAQUE}"',
    f'api_key: "{OPAQUE}"',
    f':api_key => "{OPAQUE}"',
    f"OPENAI_API_KEY={OPAQUE}",
    f"ENV API_KEY {OPAQUE}",
    f"--api-key {OPAQUE}",
    f"--token={OPAQUE}",
    f"password: {OPAQUE}",
    f"Authorization: Bearer {OPAQUE}",
    f'"client_secret": "{OPAQUE}"',
    f'\\"accessToken\\": \\"{OPAQUE}\\"',
    f"config['secret_key'] = '{OPAQUE}'",
    f'os.environ["API_KEY"] = "{OPAQUE}"',
    f"https://h/?api_key={OPAQUE}&x=1",
    f"AccountName=x;AccountKey={MIXED}+/{MIXED[:36]}==;EndpointSuffix=y",
    f"SharedAccessKey={MIXED[:43]}=",
    "awsSecretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY'",
    *(f'password = "tr0ub4dor{mark}3x9"' for mark in "&,;()[]<>{}|"),
    "{'password': 'tr0ub4dor&amp;3x', 'user': 'bob'}",
    '\\"password\\": \\"tr0ub4dor&3x\\"',
]
ORDINARY = [
    'OpenAI(api_key=os.environ["OPENAI_API_KEY"])',
    "password=None, secret_key=True, token=settings.token",
    "access_token=get_token(); access_token=client.auth.getAccessTokenV2B3C4()",
    ".sk-folding-cube-animation-wrapper-2 { animation: sk-foldCubeAngle 2.4s }",
    ".sk-cube3d-4x-rotate-90deg-fade-in-out",
    "gsk_renderer_new_for_surface gsk_gl_shader_builder_set_glsl_version",
    "git clone ssh://git@github.com:22/org/repo.git && pip install git+ssh://git@host/x",
    "a basic understanding-of-the-fundamentals-of-2-things",
    "Bearer YOUR_API_KEY_HERE, Bearer ${TOKEN}, Bearer <token>",
    "const apiKey: string = process.env.API_KEY_V2 ?? '';",
    'apiKey := os.Getenv("OPENAI_API_KEY_2")',
    'api_key: ENV.fetch("OPENAI_API_KEY")',
    'password: "{{ vault_db_password_2 }}"',
    "OPENAI_API_KEY=sk-your-key-here",
    "API_KEY=${{ secrets.OPENAI_API_KEY }}",
    'token="{tok1A2b3C4d5E}", api_key="<YOUR1A2b3C4d>", secret="${A1b2C3d4E5f6}", password="$(pass9Show2X8yZ)"',
    "ENV OPENAI_API_KEY changeme",
    '--token "$GITHUB_TOKEN_V2"',
    "postgresql://user:password@localhost:5432/db",
    'f"https://{user}:{pw}@host" postgres://${DB_USER}:${DB_PASS}@db/x',
    "https://cdn.jsdelivr.net/npm/@scope/pkg@1.2.3/x.js",
    "550e8400-e29b-41d4-a716-446655440000 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    'etag: "33a64df551425fcc55e4d42a148795d9f25f89d4"',
    'cache_key: "v1-deps-a1b2c3d4e5f6g7h8", nextPageToken: "CAUQAA1b2c3d4e5f6"',
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==",
    "chatcmpl-a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5 req_011CZa1B2c3D4e5F6g7H8 call_a1B2c3D4e5F6g7H8i9J0k1L2 exa-results-2024-for-team-b2b",
    "rnd_state_after_2_rounds_of_mt19937 vercel_project_production_url_2 co_occurrence_matrix_of_4_words re_compiled_pattern_v2",
    "cfut_worker_main_meta_path, vck_surface_khr_1_2_3, exa-550e8400-e29b-41d4-a716-446655440000, patterns.deadbeef",
    'pin: "1234", otp = "123456", jwt: HS256, pat="octocat", credentials: "same-origin", connectionString = "Data Source=x"',
    "eyJhbGciOiJIUzI1NiJ9... is header.payload.signature",
    "def login(password: str, token: Optional[str] = None, secret_key: bytes = b''):",
    "private_key: x25519.X25519PrivateKey, keys: PKCS7PrivateKeyTypes",
    "token = tokenizer.decode(ids[0:4]); tokens: 4096; max_tokens=1024",
    "hf_hub_download, sk_live_your_key_here, ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, sk-xxxxxxxxxxxxxxxxxxxxxxxx",
    'if line.startswith("-----BEGIN RSA PRIVATE KEY-----"): pass',
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "some**bold****bold2** and s****y",
    "https://h/?token=YOUR_TOKEN&api_key=<key>&key={key}",
    "arn:aws:secretsmanager:us-west-2:123456789012:secret:MyTestDatabaseSecret-a1b2c3",
    'example: {"password": "hunter", "api_key": null, "token": " the", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h"}',
]
SECRETS = [*FORMS.values(), *NAMED]


def planted(text: str) -> str:
    """The part of a text that must go."""
    return next((part for part in (OPAQUE, MIXED[:20], "wJalrX", "hunter2", "tr0ub4dor", HEX) if part in text), text)


def sse(text: str) -> bytes:
    """A stream with the text in deltas of seven characters."""
    parts = [text[at : at + 7] for at in range(0, len(text), 7)]
    events = [{"choices": [{"index": 0, "delta": {"content": part}}]} for part in parts]
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def answer(body: bytes, content_type: str) -> Interaction:
    return Interaction(Request("POST", "https://h/"), Response(200, "", (("content-type", content_type),), body))


@pytest.mark.parametrize("text", ORDINARY)
def test_what_a_model_generated_stays(text):
    """Code, prose, hashes and templates come out unchanged: in deltas, in a whole answer, in arguments, in a request."""
    arguments = {"content": [{"type": "tool_use", "input": {"password": "hunter", "code": text}}], "text": text}
    for body, content_type in ((sse(text), "text/event-stream"), (json.dumps(arguments).encode(), "application/json")):
        assert redact(answer(body, content_type)) == answer(body, content_type)
    request = Request("POST", "https://h/", (), json.dumps({"messages": [{"content": text}]}).encode())
    assert redact_request(request) == request


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_goes_from_every_place(text, step):
    """A secret by its form goes from headers, requests, answers, deltas, multipart, UTF-16, and the text of an error."""
    part = planted(text)
    whole = f"it is {text} , I think"
    document = json.dumps({"messages": [{"content": whole}]})
    multipart = f'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\n{whole}\r\n--b--\r\n'
    bodies = [
        (sse(whole), "text/event-stream"),
        (document.encode(), "application/json"),
        (whole.encode(), "text/plain"),
        (multipart.encode(), "multipart/form-data; boundary=b"),
        (document.encode("utf-16"), "application/json"),
        (document.encode("utf-16-le"), "application/json; charset=utf-16le"),
        (document.encode("utf-16-be"), "application/json"),
        (document.encode("utf-32"), ""),
    ]
    for body, content_type in bodies[SECRETS.index(text) % step :: step]:
        request = Request("POST", "https://h/", (("content-type", content_type), ("x-note", whole)), body)
        record = StreamRecord((Chunk(len(body), 1.0),), error=RecordedError("read", "Error", whole))
        headers = (("content-type", content_type), ("x-echo", whole))
        clean = redact(Interaction(request, Response(200, whole, headers, body, record)))
        shown = repr(clean) + text_of(clean.request.body) + text_of(clean.response.body)
        assert part not in shown
        assert "I think" in shown
        assert sum(chunk.size for chunk in clean.response.stream.chunks) == len(clean.response.body)
        assert redact(clean) == clean
    assert part not in redact_text(whole)


def text_of(body: bytes) -> str:
    """A body's text, its deltas joined."""
    if body.startswith(b"data: "):
        events = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]
        return "".join(event["choices"][0]["delta"]["content"] for event in events)
    return body.replace(b"\0", b"").decode("utf-8", "replace")


NAMES = "connectionString connection_string apiKey accessToken refreshToken authToken privateKey awsSecretAccessKey api_secret api_token api_key app_key"


@pytest.mark.parametrize("name", [*NAMES.split(), "client_secret", "id_token", "x-goog-api-key", "password"])
def test_a_name_is_enough_where_names_are_structure(name):
    """Whatever its value, a secret name is enough in a header, query, form, multipart body and JSON, of both sides."""
    value = "plain words"
    document = json.dumps({"a": {name: value, "max_tokens": 5}, "list": {name: [value]}}).encode()
    form = f"x=1&{name}=plain+words&y=2".encode()
    multipart = (
        b'--b\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\nContent-Type: text/plain\r\n\r\n'
        b'plain words\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nplain text\r\n--b--\r\n'
    )
    kinds = [
        (document, "application/json"),
        (document.decode().encode("utf-16"), "application/json"),
        (form, "application/x-www-form-urlencoded"),
        (form, ""),
        (multipart, "multipart/form-data; boundary=b"),
        (form.decode().encode("utf-16-le"), "application/x-www-form-urlencoded"),
    ]
    for body, content_type in kinds:
        headers = ((name, value), ("content-type", content_type))
        request = Request("POST", f"https://h/?{name}=plain%20words&x=1", headers, body)
        clean = redact(Interaction(request, Response(200, "", headers, body)))
        for redacted in (clean.request.body, clean.response.body):
            assert "words" not in text_of(redacted)
            assert PLACEHOLDER in text_of(redacted)
        assert clean.request.headers[0] == clean.response.headers[0] == (name, PLACEHOLDER)
        assert clean.request.uri == f"https://h/?{name}={PLACEHOLDER}&x=1"
    assert b"plain text" in redact_request(Request("POST", "h", (("content-type", kinds[4][1]),), multipart)).body


AMBIGUOUS = [
    *(("pin", "1234"), ("cardPin", "87654321"), ("otp", "123456")),
    *((name, OPAQUE) for name in ("credentials", "jwt", "pat", "github_pat", "auth", "bearer", "pass", "otp", "pin")),
]
PLAIN = [
    *(("pin", "13"), ("pin", "GPIO4"), ("pin", "left"), ("otp", "sms"), ("spin", "1234"), ("pat", "octocat")),
    *(("credentials", "same-origin"), ("credentials", "include"), ("credentials", "/etc/creds/v2/app.json")),
    *(("jwt", "HS256"), ("auth", "oauth2"), ("pass", "1234"), ("bearer", "header"), ("with_credentials", "true")),
    ("credentials", "user name and password of the 2 accounts"),
]


@pytest.mark.parametrize(("name", "value"), AMBIGUOUS)
def test_an_ambiguous_name_needs_the_form_of_a_secret_in_json(name, value):
    """A code under `pin`, a key under `jwt`: secret in JSON and in the arguments of a sent call, but not generated."""
    for document in ({"a": {name: value}}, {"a": {name: {"value": value}}}, {"list": {name: [value]}}):
        body = json.dumps(document).encode()
        assert value not in str(redact_request(Request("POST", "http://h/", (), body)).body)
        assert value not in str(redact(answer(body, "application/json")).response.body)
    arguments = {"messages": [{"tool_calls": [{"function": {"arguments": json.dumps({name: value})}}]}]}
    assert value not in str(redact_request(Request("POST", "http://h/", (), json.dumps(arguments).encode())).body)
    if value != OPAQUE:
        for body in (sse(json.dumps({name: value})), json.dumps({"input": {name: value}}).encode()):
            assert redact(answer(body, "application/json")) == answer(body, "application/json")


@pytest.mark.parametrize(("name", "value"), PLAIN)
def test_an_ambiguous_name_alone_is_no_secret_in_json(name, value):
    """Ordinary values of such names stay, and so do the parameters of a tool that have them."""
    schema = {"type": "object", "properties": {name: {"type": "string", "description": value}}, "required": [name]}
    body = json.dumps({name: value, "tools": [{"function": {"name": name, "parameters": schema}}]}).encode()
    request = Request("POST", "http://h/", (), body)
    assert redact_request(request) == request
    assert redact(answer(body, "application/json")) == answer(body, "application/json")


@pytest.mark.parametrize("name", ["credentials", "jwt", "pat", "pin", "otp"])
def test_an_ambiguous_name_is_enough_in_a_header_query_and_form(name):
    """There the name decides, whatever the value."""
    form = (("content-type", "application/x-www-form-urlencoded"),)
    clean = redact_request(
        Request("POST", f"http://h/?{name}=plain", ((f"x-{name}", "plain"), *form), b"%b=plain" % name.encode())
    )
    assert "plain" not in repr(clean)


def test_a_secret_of_the_request_body_goes_from_the_answer():
    """What a request gives as a secret is taken out of the answer that repeats it; a field's label is not."""
    body = b'{"tools": [{"authorization": "0paque member value"}], "password": "Enter your password"}'
    document = b'{"text": "0paque member value. Enter your password"}'
    clean = redact(Interaction(Request("POST", "h", (), body), Response(body=document)))
    assert clean.response.body == b'{"text": "REDACTED. Enter your password"}'


def test_a_short_lived_key_is_secret_under_its_value():
    """The `value` of a client secret is removed, as in the answer that creates an ephemeral key."""
    redacted = redact(answer(b'{"client_secret": {"value": "short", "expires_at": 1}}', "application/json"))
    assert redacted.response.body == b'{"client_secret": {"value": "REDACTED", "expires_at": 1}}'


HOSTILE = [
    *("sk-", "sk-a1B2", "-----BEGIN PRIVATE KEY-----", "a://b:c", "eyJ", "eyJaaaaaaaaeyJ.", "key=", "key   ", '"a":'),
    *(
        "key\\",
        "_token_key",
        "bearer a1B2",
        "?a=",
        "ab_****",
        "*",
        "SG.",
        "1Q~",
        "aB1",
        "12345678:AA",
        "--token ",
        "[1,",
    ),
    *('key="[', 'token="a1[b2<'),
    *('{"a":1,"b":', '\\"', '"', "content-disposition: form-data; name=key\r\n\r\n", 'content-disposition: x; name="'),
]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit):
    """Text that was designed to be slow to search takes no longer than other text: 100 kB would take hours otherwise."""
    text = unit * (100_000 // len(unit))
    for content_type in ("application/json", "multipart/form-data; boundary=b"):
        redact(answer(text.encode(), content_type))
    redact_text(text)


class Echo(QuietHandler):
    """Repeats the credentials that it gets."""

    def do_GET(self):
        body = f"no such key: {self.headers['authorization']} {self.headers['x-auth']}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-time-per-token", "0.0123456789")
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def echo():
    """The port of a server that repeats credentials."""
    with serving(Echo) as server:
        yield server.server_port


CREDENTIALS = {"authorization": "Bearer 0paque words of mine", "x-auth": "an0ther opaque one"}


def call_urllib(port):
    with urlopen(URLRequest(f"http://127.0.0.1:{port}/", headers=CREDENTIALS)) as response:
        return response.read()


def call_http_client(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/", headers=CREDENTIALS)
    body = connection.getresponse().read()
    connection.close()
    return body


def call_httplib2(port):
    httplib2 = pytest.importorskip("httplib2")
    return httplib2.Http().request(f"http://127.0.0.1:{port}/", headers=CREDENTIALS)[1]


def call_httpx2(port):
    with httpx2.Client(headers=CREDENTIALS) as client:
        return client.get(f"http://127.0.0.1:{port}/").content


@pytest.mark.parametrize("call", [call_urllib, call_http_client, call_httplib2, call_httpx2])
@pytest.mark.parametrize("filters", [(), ("authorization", "x-auth")])
def test_echoes_go_whatever_the_client_and_the_filters(call, filters, echo, tmp_path):
    """An answer that repeats a credential is redacted, also for clients of vcrpy's own patch and behind its filters."""
    path = tmp_path / "c.yaml"
    with use_cassette(path, filter_headers=list(filters)):
        assert b"0paque words" in call(echo)
    written = path.read_text()
    assert "0paque" not in written
    assert "an0ther" not in written
    assert "0.0123456789" in written
    with use_cassette(path, record_mode="none", filter_headers=list(filters)):
        assert call(echo) == b"no such key: Bearer REDACTED REDACTED"


@pytest.mark.parametrize("call", [call_urllib, call_httpx2])
def test_a_placeholder_of_the_user_stays(call, echo, tmp_path):
    """The replacement that vcrpy's `filter_headers` puts in place of a secret stays, as text or from a function."""
    path = tmp_path / "c.yaml"
    filters = [("authorization", "Bearer MY-PLACEHOLDER-1"), ("x-auth", lambda key, value, request: f"my {key}")]
    with use_cassette(path, filter_headers=filters):
        call(echo)
    written = Path(path).read_text()
    assert "Bearer MY-PLACEHOLDER-1" in written
    assert "my x-auth" in written
    assert "0paque" not in written


def test_a_function_that_gives_the_secret_back_keeps_nothing(echo, tmp_path):
    """A filter that returns the value itself names no placeholder."""
    with use_cassette(tmp_path / "c.yaml", filter_headers=[("x-auth", lambda key, value, request: value)]):
        call_httpx2(echo)
    assert "an0ther" not in (tmp_path / "c.yaml").read_text()


def test_placeholders_are_a_rule():
    """A placeholder stays in a header, a parameter, a member and a text, though it has the form of a secret."""
    mine = f"sk-proj-{MIXED}"
    rules = DEFAULT_RULES.adding(placeholders=[mine])
    body = json.dumps({"api_key": mine, "text": mine}).encode()
    request = Request("POST", f"http://h/?key={mine}", (("authorization", f"Bearer {mine}"), ("x-api-key", mine)), body)
    interaction = Interaction(request, Response(body=body))
    assert redact(interaction, rules) == interaction
    assert not find_secrets(interaction, rules)
    assert mine not in repr(redact(interaction))
