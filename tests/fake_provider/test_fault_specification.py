"""Faults in one line, and as JSON."""

from __future__ import annotations

import functools
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.faults import FAULTS, Fault, as_fault, as_faults, fault_name, format_fault, parse_fault
from tokentape_fake_provider.faults.fault import BitFlip, Fin, Gzip, HttpError, Quota, SlowHeaders, Split, Stall
from tokentape_fake_provider.faults.specification import catalog_of_faults, fault_of_object
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.settings import SessionSettings

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=12)


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("fin", Fin()),
        ("fin@frame=5", Fin(frame=5)),
        (" fin @ byte = -3 , times = 2 ", Fin(byte=-3, times=2)),
        ("fin@event=random,seed=7", Fin(event="random", seed=7)),
        ("fin@frame=end", Fin(frame="end")),
        ("fin@before_headers", Fin(before_headers=True)),
        ("fin@before_headers=false", Fin(before_headers=False)),
        ("stall@for=1.5s,frame=3", Stall(frame=3, for_ms=1500)),
        ("stall@for=200ms", Stall(for_ms=200)),
        ("stall@for=2m", Stall(for_ms=120_000)),
        ("stall@for=ever", Stall()),
        ("slow_headers@for=ever", SlowHeaders(None)),
        ("http_error@status=429,retry_after=0.5", HttpError(429, retry_after=0.5)),
        ('http_error@message="No, \\"never\\".",code=x', HttpError(message='No, "never".', code="x")),
        ("quota@requests=3,tokens=1000,window=1s", Quota(requests=3, tokens=1000, window_ms=1000)),
        ("split@inside=crlf", Split("crlf")),
        ("gzip@flush=false", Gzip(flush=False)),
        ("bit_flip", BitFlip()),
        ("overload@probability=0.25,after=1", as_fault("overload", probability=0.25, after=1)),
    ],
)
def test_specifications(spec: str, fault: Fault) -> None:
    """A specification is the fault that its name and parameters say."""
    assert parse_fault(spec) == fault
    assert parse_fault(format_fault(fault)) == fault


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("fn@frame=3", "no fault 'fn': did you mean fin?"),
        ("", "no fault '': the known ones are http_error, overload"),
        ("fin@fram=3", "fault 'fin@fram=3': fin has no parameter 'fram': did you mean frame?"),
        ("fin@frame=x", "fault 'fin@frame=x': frame 'x' is not a whole number, random or end"),
        ("bit_flip@byte=end", "fault 'bit_flip@byte=end': byte 'end' is not a whole number or random"),
        ("fin@frame", "fault 'fin@frame': frame True is not a whole number, random or end"),
        ("fin@frame=3,frame=4", "fault 'fin@frame=3,frame=4': frame is given twice"),
        ("fin@frame=3,byte=4", "fault fin: frame and byte are both given: keep one"),
        ("fin@frame=3,before_headers", "fault fin: before_headers is a place already"),
        ("fin@frame=3;byte=4", "fault 'fin@frame=3;byte=4': frame '3;byte=4' is not a whole number, random or end"),
        ('http_error@message="x', "can't be read: write name=value, with commas between"),
        ("http_error@status=200", "fault http_error: status is 200: it must be 400 to 599"),
        ("http_error@retry_after=soon", "retry_after 'soon' is not a number"),
        ("split@inside=words", "fault 'split@inside=words': inside 'words' is not utf8, crlf or event"),
        ("stall@for=long", "fault 'stall@for=long': for 'long' is not a duration: write 500ms, 2s or ever"),
        ("stall@for=1e99s", "fault stall: for is 1e+102 ms: it must be 0 to 1e15"),
        ("quota", "fault quota: it has no limit: set requests, tokens, input_tokens or output_tokens"),
        ("quota@requests=1,window=ever", "window None is not a number"),
        ("fin@times=0", "fault fin: times is 0: it must be 1 or more"),
        ("fin@probability=2", "fault fin: probability is 2: it must be 0 to 1"),
        ("gzip@flush=maybe", "flush 'maybe' is not true or false"),
        ('comments@text="a\\nb"', "fault comments: text has a line break"),
        ('content_type@value="a\\r\\nb: c"', "can't be sent in a header"),
    ],
)
def test_bad_specifications(spec: str, problem: str) -> None:
    """What can't be read is one line that names the bad part and what is nearest to it."""
    with pytest.raises(FaultError) as raised:
        parse_fault(spec)
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-5, 600),
    float: st.floats(0, 1e6),
    str: TEXT,
    bool: st.booleans(),
    NoneType: st.none(),
}


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    return st.one_of(map(_values, get_args(hint))) if get_args(hint) else BY_TYPE[hint]


@functools.cache
def faults(kind: type[Fault]) -> st.SearchStrategy[Fault]:
    """Faults of a kind, with any parameters that it takes."""

    def fault_of(values: dict[str, Any]) -> Fault | None:
        try:
            return kind(**values)
        except FaultError:
            return None

    fields = {name: _values(hint) for name, hint in get_type_hints(kind).items() if name in kind.__struct_fields__}
    drawn = st.fixed_dictionaries({}, optional=fields).map(fault_of)
    return drawn.filter(lambda fault: fault is not None)  # type: ignore[return-value]


@pytest.mark.parametrize("name", FAULTS)
@given(st.data())
def test_every_fault_has_a_specification(name: str, data: st.DataObject) -> None:
    """Whatever the parameters, a fault's specification and its JSON are read as the same fault."""
    fault = data.draw(faults(FAULTS[name]))
    assert parse_fault(format_fault(fault)) == fault
    assert msgspec.json.decode(msgspec.json.encode(fault), type=Fault) == fault
    assert fault_of_object(msgspec.to_builtins(fault)) == fault


def test_names() -> None:
    """The catalog is closed: these are its names."""
    assert " ".join(FAULTS) == (
        "http_error overload quota slow_headers stall fin rst clean_end half_event in_band_error malformed_json "
        "wrong_order duplicate lose no_usage empty_stream tiny_chunks split comments pings giant_event content_type "
        "gzip bit_flip"
    )
    assert all(fault_name(kind) == name for name, kind in FAULTS.items())


def test_every_parameter_is_described() -> None:
    """The catalog says of every fault what it does, and of every parameter what it means."""
    for entry in catalog_of_faults():
        assert entry.meaning.endswith("."), entry.name
        assert "\n" not in entry.meaning, entry.name
        assert all(parameter.meaning for parameter in entry.parameters)


def test_faults_are_read_where_they_are_set() -> None:
    """A script, a rule and settings take specifications and values, one or many, and refuse bad ones at once."""
    assert Script.of("Hi", faults="fin@frame=3").faults == (Fin(frame=3),)
    assert Script.of("Hi", faults=("fin", Gzip())).faults == (Fin(), Gzip())
    assert Rule(faults=("fin",)).faults == (Fin(),)
    assert SessionSettings(faults=("fin",)).faults == (Fin(),)
    assert as_faults(Fin()) == (Fin(),)
    for setting in (Script, SessionSettings, Rule):
        with pytest.raises(FaultError, match="did you mean fin"):
            setting(faults=("fn",))
    with pytest.raises(ValueError, match="a rule needs at least one script"):
        Rule()


def test_parameters_by_keyword() -> None:
    """A name with keyword arguments is the fault with these fields; others are refused by the nearest name."""
    assert as_fault("http_error", status=429, times=2) == HttpError(429, times=2)
    assert as_fault(Fin(frame=3), times=1) == Fin(frame=3, times=1)
    assert as_fault("quota", requests=1) == Quota(requests=1)
    assert as_fault("quota@requests=1", tokens=5) == Quota(requests=1, tokens=5)
    with pytest.raises(FaultError, match="fault fin: no parameter 'fram': did you mean frame"):
        as_fault("fin", fram=3)
    with pytest.raises(FaultError, match="quota"):
        as_fault("quota", window_ms=1000)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"fault": "stal"}, "no fault 'stal': did you mean stall?"),
        ({"fault": "fin", "fram": 3}, "fault fin: no parameter 'fram': did you mean frame?"),
        ({"fault": "fin", "frame": "x"}, "frame 'x' is not a whole number, random or end"),
        ({"name": "fin"}, "use a specification, or an object with the name of the fault in"),
    ],
)
def test_bad_objects(value: Any, problem: str) -> None:
    """A fault's JSON object that is wrong is reported in one line."""
    with pytest.raises(FaultError) as raised:
        fault_of_object(value)
    assert problem in str(raised.value)
