"""Fast search: what it skips or finds sooner is what the slow search would find."""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Iterable
from itertools import chain

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from vcr.request import Request

from tokentape_harness.cassettes.model import Interaction, Response
from tokentape_harness.cassettes.model import Request as RecordedRequest
from tokentape_harness.recording.redactor import Redactor
from tokentape_harness.recording.use_cassette import use_cassette
from tokentape_harness.redaction import DEFAULT_RULES, RedactionRules, credentials_of, redact, spans
from tokentape_harness.redaction import body as redaction_body
from tokentape_harness.redaction.body import redact_body
from tokentape_harness.redaction.body_text import text_pieces
from tokentape_harness.redaction.json_text import StringGroup, json_strings, leaves
from tokentape_harness.redaction.leaf_groups import json_start, leaf_groups
from tokentape_harness.redaction.searched import SearchedTexts
from tokentape_harness.redaction.spans import find_spans
from tokentape_harness.redaction.text_rules import NAME_RULES, TEXT_RULES

KEY = "sk-proj-aB1cD2eF3gH4iJ5kL6mN7oP8"
ESCAPED = KEY.replace("-", "\\u002d")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["text", "tool", 'a"b', "é\\", "\ud83d"])
NAMES = st.sampled_from(["type", "index", "outputIndex", "text", "delta", "items", "é", 'a"b'])
LEAVES = TEXTS | st.integers(-3, 3) | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))
OBJECTS = st.dictionaries(NAMES, DOCUMENTS, max_size=4)


def _numberless(parts: Iterable[str]) -> set[str]:
    return {re.sub(r"-?[0-9][-+0-9.e]*", "0", part) for part in parts}


@given(st.lists(OBJECTS, min_size=1, max_size=4), st.booleans())
@example([{}] * 4, False)
def test_a_parser_finds_the_strings_of_the_tokenizer(documents, ascii_only):
    """The strings, their groups and their paths are those that the slow search finds."""
    texts = [json.dumps(document, ensure_ascii=ascii_only) for document in documents]
    expected: dict[object, tuple[object, list[str]]] = {}
    for text in texts:
        for leaf in leaves(text):
            if leaf.is_string:
                expected.setdefault(leaf.group, (leaf.path, []))[1].append(leaf.value)
    found = json_strings(texts, lambda _: 0)
    assert found is not None
    assert sorted(map(repr, map(tuple, found.groups))) == sorted(map(repr, expected.values()))
    assert _numberless(found.parts) >= _numberless("".join(texts).split('"'))


SHORT_NAMES = st.sampled_from(["a", "b", "type", "index"])


@given(st.lists(st.tuples(SHORT_NAMES, st.sampled_from("xyz"), SHORT_NAMES, st.integers(0, 2), st.sampled_from("xyz"))))
@example([(name, text, "a", 0, "x") for name, text in zip("abab", "xyzx", strict=True)])
def test_texts_of_one_form_may_have_other_names(events):
    """Texts that differ in the names of their members as well give the groups that the slow search finds."""
    texts = [f'{{"{a}": "{b}", "{c}": {d}, "last": "{e}"}}' for a, b, c, d, e in events]
    expected: dict[object, list[str]] = {}
    for leaf in chain.from_iterable(map(leaves, texts)):
        if leaf.is_string:
            expected.setdefault(leaf.group, []).append(leaf.value)
    assert sorted(group.values for group in _groups(texts) or ()) == sorted(expected.values())


def _groups(texts: list[str]) -> list[StringGroup] | None:
    found = json_strings(texts, lambda _: 0)
    return None if found is None else found.groups


FORMS = [
    '{"type":%s,"index":%s,"a":[{"text":%s}],"type2":"x"}',
    'event: x\ndata: [%s,{"index":%s,"type":%s}]',
    'data: {"type":%s,"count":%s,"delta":{"text":%s},"id":"x"}\n\n',
    'id: x\ndata: {"kind":%s,"index":%s,"text":%s}\n\n',
]


KINDS, NUMBERS = st.sampled_from(["text", "tool", "a\\b"]), st.sampled_from(["0", "1", "-2.5e3"])


def test_no_hint_may_be_in_a_number():
    """Events are not searched for their numbers, so no rule is hinted at by a number or what stands beside one."""
    for rule in (*TEXT_RULES, *NAME_RULES):
        assert not [hint for hint in (*rule.hints, *rule.exact) if re.fullmatch(r"[-+0-9.e,:{}\[\]\s]+", hint)]


EVENTS = st.tuples(st.sampled_from(FORMS), KINDS, NUMBERS, TEXTS)


@given(st.lists(EVENTS, max_size=8))
@example([(FORMS[0], *event) for event in (("text", "0", "a"), ("text", "0", "b"), ("tool", "0", "c"))])
@example([(FORMS[0], *event) for event in (("text", "0", "a"), ("tool", "0", "b"), ("text", "0", "c"))])
@example([(FORMS[0], *event) for event in (("text", "0", "a"), ("text", "1", "b"), ("text", "2", "c"))])
@example([(FORMS[2], *event) for event in (("text", "0", "a"), ("text", "1", "b"), ("text", "-2.5e3", "c"))])
@example([(FORMS[2], "text", "0", text) for text in ("a", "b", 'c"', "d\n", "e")])
@example([(FORMS[number], "text", "0", text) for number, text in zip((0, 0, 0, 2, 0, 3), "abcdef", strict=True)])
def test_events_of_one_shape_are_searched_as_any_others(events):
    """Events that differ in nothing but their strings and numbers give the groups that the slow search finds."""
    texts = [form % (json.dumps(kind), n, json.dumps(text, ensure_ascii=False)) for form, kind, n, text in events]
    expected: dict[object, tuple[object, list[str]]] = {}
    for text in texts:
        for leaf in leaves(text, json_start(text)):
            if leaf.is_string:
                expected.setdefault(leaf.group, (leaf.path, []))[1].append(leaf.value)
    found = json_strings(texts, json_start)
    assert found is None or sorted(map(repr, map(tuple, found.groups))) == sorted(map(repr, expected.values()))
    assert found is None or _numberless(found.parts) >= _numberless("".join(texts).split('"'))
    assert found is not None or any(text.startswith("event") for text in texts)


def test_a_line_feed_in_a_string_is_not_taken_for_the_shape_of_the_others():
    """A string that a line feed cuts off is left to the slow search, though all around the string is as before."""
    text = '{"a": "b", "c": "d"}\n'
    assert _groups([text] * 3) == [(("a",), ["b"] * 3), (("c",), ["d"] * 3)]
    assert _groups([*[text] * 3, text.replace("b", "b\n")]) is None
    others = [text.replace("b", other) for other in "xyz"]
    assert _groups([text, *others]) == [(("a",), ["b", *"xyz"]), (("c",), ["d"] * 4)]
    assert _groups([text, *others, text.replace("b", "b\n")]) is None
    assert _groups([text, *others, text + "{}\n"]) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "b',
        '{"a": "b\tc"}',
        '{"a": "\\x"}',
        '{"a": "b"} {"a": "c"}',
        '{"a":\ndata: "b"}',
        "[" * 200 + '"a"' + "]" * 200,
        "[" * 100_000,
    ],
)
def test_what_is_not_plain_json_is_left_to_the_slow_search(text):
    """Damaged documents, several in one text and very deep ones are not judged by a parser."""
    assert _groups(['{"a": "b"}', text]) is None


def test_both_values_of_a_repeated_name_are_searched():
    """A name that appears twice in one object hides neither of its values."""
    assert _groups(['{"a": "b", "a": "c"}']) == [(("a",), ["b", "c"])]


@given(st.data())
def test_a_key_in_pieces_is_found_wherever_it_is_cut(data):
    """A key that is spread over the events of a stream, one group among others, is removed as without the shortcut."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(KEY)), max_size=4)))
    pieces = [KEY[start:end] for start, end in zip([0, *cuts], [*cuts, len(KEY)], strict=True)]
    label = data.draw(st.sampled_from(["text", "tool"]))
    events = [{"type": label, "index": 0, "id": "m-1", "delta": {"text": piece}} for piece in pieces]
    events.insert(data.draw(st.integers(0, len(events))), {"type": label, "index": 1, "delta": {"text": " and "}})
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    headers = (("content-type", "text/event-stream"),)
    redacted = redact(Interaction(RecordedRequest("POST", "http://h/"), Response(200, "", headers, body)))
    texts = [json.loads(line[6:]) for line in redacted.response.body.split(b"\n\n") if line.startswith(b"data: {")]
    joined = "".join(event["delta"]["text"] for event in texts if event["index"] == 0)
    assert joined == "REDACTED"


FRAGMENTS = st.sampled_from(
    [
        *{hint for rule in (*TEXT_RULES, *NAME_RULES) for hint in rule.hints},
        *{hint.upper() for rule in TEXT_RULES for hint in rule.hints},
        *("sk-ant-", "AKIA", "AIza", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.", "?key=", "&token=", "x-amz-signature="),
        *("aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3", "0123456789abcdef" * 4, "user:p4ssw0rd", "@host", "İ"),
        *(" ", "=", ": ", '"', "/", ".", "-", "\\", "\n", "é"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_matches_are_found_at_the_hints_that_they_begin_with(text):
    """Looking at the places of the hints alone finds the matches of the whole search, of each rule."""
    for rule in (*TEXT_RULES, *NAME_RULES):
        found = [match.span() for match in spans._rule_matches(rule, text, text.lower())]
        assert found == [match.span() for match in rule.pattern.finditer(text)], rule.name


@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_a_rule_without_a_hint_in_a_text_does_not_match_it(text):
    """A text is searched by fewer rules, and the secrets are the same."""
    assert find_spans(text, DEFAULT_RULES) == find_spans(text, DEFAULT_RULES, DEFAULT_RULES.text)


PREFIXES = sorted({hint for rule in TEXT_RULES for hint in rule.hints} | {"AKIA", "AIza", "ABSK", "SK", "LTAI", "AKID"})


@pytest.mark.slow
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_key_within_a_large_file_in_base64_is_found_as_before(prefix):
    """A file in base64 is searched by few rules, and the secrets in it and at its ends are the same."""
    draw = random.Random(prefix)
    letters = string.ascii_letters + string.digits
    blob = "".join(draw.choices(letters, k=4200))
    rests = (draw.choices(letters, k=64), draw.choices("0123456789abcdef", k=40), draw.choices("A7BC2", k=16))
    for written, rest in zip((prefix, prefix, prefix.upper()), map("".join, rests), strict=True):
        within, ends = f"{blob}/{written}{rest}/{blob}", f"{written}{rest}/{blob}/{written}{rest}/{written}=="
        for whole in (within, ends):
            text = f'{{"image": "data:image/png;base64,{whole}", "next": "aB1cD2eF3gH4iJ5kL6mN7oP8"}}'
            assert find_spans(text, DEFAULT_RULES) == find_spans(text, DEFAULT_RULES, DEFAULT_RULES.text)


def test_a_clean_body_is_searched_again_for_a_credential_that_comes_later():
    """A body that held no secret when it was searched loses the credential of a later request."""
    redactor = Redactor(DEFAULT_RULES)
    body = b'{"text": "7f3Q-opaque-93zzKq"}'
    first = Interaction(RecordedRequest("POST", "http://h/", (), body), Response(200, "", (), body))
    assert redactor.interaction(first) == first
    redactor.learn(Interaction(RecordedRequest("GET", "http://h/", (("x-api-key", "7f3Q-opaque-93zzKq"),)), Response()))
    redacted = redactor.interaction(first)
    assert redacted.request.body == redacted.response.body == b'{"text": "REDACTED"}'


def test_each_body_is_searched_once(tmp_path, monkeypatch):
    """Recording a request searches its body once, though it is matched, recorded and saved; its response, too."""
    searched = []
    search = redaction_body._redacted

    def noting(body, *rest):
        searched.append(body)
        return search(body, *rest)

    monkeypatch.setattr(redaction_body, "_redacted", noting)
    hooked = []

    def hook(request):
        hooked.append(request.uri)
        return request

    question, answer = b'{"model": "m", "input": "question"}', b'{"output": "answer"}'
    with use_cassette(tmp_path / "c.yaml", record_mode="new_episodes", before_record_request=hook) as cassette:
        request = Request("POST", "http://h/v1/responses", question, {"authorization": f"Bearer {KEY}"})
        assert not cassette.can_play_response_for(request)
        cassette.append(request, {"status": {"code": 200, "message": ""}, "headers": {}, "body": {"string": answer}})
        assert cassette.filter_request(request) is cassette.requests[0]
    assert searched == [question, answer]
    assert hooked == ["http://h/v1/responses"]
    assert KEY not in (tmp_path / "c.yaml").read_text()


def test_audio_is_not_read_as_json():
    """Audio has no strings, whatever its bytes; a key in it goes, and so does a secret name beside a file in a form."""
    audio = random.Random(1).randbytes(100_000)
    kind = ("content-type", "audio/mpeg")
    assert not leaf_groups(text_pieces(audio, "audio/mpeg")).groups
    response = Response(headers=(kind,), body=audio + KEY.encode() + audio)
    redacted = redact(Interaction(RecordedRequest("GET", "http://h/"), response)).response.body
    assert redacted == audio + b"REDACTED" + audio
    part = b'content-type: application/json\r\n\r\n{"password": "four plain words here"}'
    form = b"--b\r\n" + part + b"\r\n--b\r\n\r\n%s\r\n--b--\r\n"
    upload = (("content-type", "multipart/related; boundary=b"),)
    request = RecordedRequest("POST", "http://h/", upload, form % audio)
    assert b"four plain words" not in redact(Interaction(request, Response())).request.body


def test_headers_that_come_again_are_redacted_of_a_new_secret():
    """Headers that were clean are redacted when a later request shows that they hold its credential."""
    redactor = Redactor(DEFAULT_RULES)
    noted = RecordedRequest("GET", "http://h/", (("x-note", "7f3Q-opaque-93zzKq"),))
    for _ in range(2):
        assert redactor.interaction(Interaction(noted, Response())).request == noted
    sent = RecordedRequest("GET", "http://h/", (("x-api-key", "7f3Q-opaque-93zzKq"),))
    redactor.learn(Interaction(sent, Response()))
    assert redactor.interaction(Interaction(noted, Response())).request.headers == (("x-note", "REDACTED"),)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", f'{{"a": "{KEY}", "b": 1}}'),
        ("application/json", f'{{"a": "{ESCAPED}"}}'),
        ("application/json", f'{{"a": "\\"{KEY}"}}'),
        ("application/x-ndjson", f'{{"a": "{KEY[:9]}"}}\n{{"a": "{KEY[9:]}"}}\n'),
        ("text/plain", f"a {KEY}"),
    ],
)
@pytest.mark.parametrize("sent", [True, False])
def test_a_known_value_is_found_by_itself(content_type, body, sent):
    """Rules that know a value alone remove it from a body, whether or not its strings stand in the text as they are."""
    rules = RedactionRules(secrets=(KEY,))
    found, _ = redact_body(body.encode(), content_type, (), rules, lambda _: None, sent=sent)
    assert "REDACTED" in found.decode()
    strings = leaf_groups(text_pieces(found, content_type)).groups or [[]]
    assert KEY not in found.decode() + "".join(leaf.value for members in strings for _, leaf in members)


@pytest.mark.parametrize("rules", [RedactionRules(json_paths=("$.api_key",)), RedactionRules(known_names=True)])
def test_a_place_or_a_name_is_enough(rules):
    """Rules that know no value and no form remove what they name."""
    body = b'{"api_key": "a b c", "b": "d"}'
    assert redact_body(body, "", (), rules, lambda _: None)[0] == b'{"api_key": "REDACTED", "b": "d"}'


def test_a_credential_under_an_ambiguous_name_is_one_if_it_looks_like_one():
    """A request's own credentials are also those under names such as `jwt`, whose values look random."""
    jwt = "aB1cD2eF3gH4iJ5kL6mN7oP8"
    body = json.dumps({"image": "A" * 10_000, "jwt": jwt, "pass": "the salt, please", "password": f'"{KEY}'})
    request = RecordedRequest("POST", "http://h/", (), body.encode())
    assert credentials_of(Interaction(request, Response())) == (jwt, f'"{KEY}')


def test_a_body_is_known_by_what_it_is_and_how_it_is_searched():
    """The digest of a body is that of an equal one, whichever came last, and not that of another or of another type."""
    searched, bodies = SearchedTexts(), [b"one", b"two", bytes(bytearray(b"one"))]
    digests = [searched.digest(body, kind) for body in bodies for kind in ("a", "b", "b", "a")]
    assert [digests.index(digest) for digest in digests] == [0, 1, 1, 0, 4, 5, 5, 4, 0, 1, 1, 0]
