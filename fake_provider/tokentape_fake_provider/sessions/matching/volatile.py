"""Volatile text: what changes from run to run in the texts that programs write for a model, by classes.

Each pattern wants the context that makes a number a time, a process or a size. A number alone is never volatile.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from tokentape_fake_provider.sessions.matching.ignored_parts import VolatileClass

_MONTH: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_DAY: Final = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*"
_ZONE: Final = r"(?: ?(?:Z|UTC|GMT|[A-Z]{2,4}T)(?:[+-]\d\d?(?::?\d\d)?)?\b| ?[+-]\d\d:?\d\d\b)"
_CLOCK: Final = rf"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\b\.?)?{_ZONE}?"
_AT: Final = rf"(?:(?:,? at |,? |[ T]){_CLOCK})?"
_NUMBER: Final = r"\d[\d,]*(?:\.\d+)?"
_SECONDS: Final = r"(?:ms|µs|us|ns|s|secs?|seconds?|milliseconds?|m|mins?|minutes?|h|hours?)\b"


class Pattern(NamedTuple):
    """A pattern of a class and its replacement, for the `results` of tools, the text of the `system`, or both."""

    of: VolatileClass
    regex: str
    new: str
    results: bool = True
    system: bool = True

    @property
    def pattern(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return _compiled(self.regex)


# To compile all takes 0.06 s, and most programs compare no requests that differ.
_compiled: Final = cache(re.compile)


def _pattern(of: VolatileClass, pattern: str, new: str, *, results: bool = True, system: bool = True) -> Pattern:
    return Pattern(of, pattern, new, results, system)


def _dates(at: str, *, after: str = "", results: bool = True, system: bool = True) -> tuple[Pattern, ...]:
    """The patterns of a day with its time of day, which `at` matches, behind what `after` matches."""
    iso_time = r"(?:[T_ ]\d\d[:-]?\d\d(?:[:-]?\d\d)?(?:[.,]\d+)?)"
    if at == _AT:
        iso_time += "?"
    texts = (
        rf"\b{_DAY},? {_MONTH} +\d{{1,2}}(?:st|nd|rd|th)?,?(?: \d{{4}}\b)?{at}(?: \d{{4}}\b)?",
        rf"\b(?:{_DAY},? )?\d{{1,2}}(?:st|nd|rd|th)?[ -]{_MONTH},?[ -]\d{{4}}{at}",
        rf"\b{_MONTH} +\d{{1,2}}(?:st|nd|rd|th)?,? +(?:\d{{4}}\b{at}|{_CLOCK})",
        rf"(?<![\w.-])\d{{4}}-[01]\d-[0-3]\d{iso_time}{_ZONE}?(?![\w-])",
        rf"(?<![\w./-])(?:\d{{4}}/\d\d?/\d\d?|\d\d?/\d\d?/\d{{4}}|\d\d?\.\d\d?\.\d{{4}}){at}(?![\w/])",
    )
    return tuple(_pattern("dates", f"({after}){text}", r"\1<date>", results=results, system=system) for text in texts)


_SIZE: Final = rf"{_NUMBER} ?(?:[KMGT]i?B?|bytes)?\b"
_VERSION: Final = r"\d+(?:\.\d+)+[\w.+-]*"
_TOOLCHAIN: Final = r"python|node|bun|deno|npm|pytest|pluggy|ruby|go"
_SYSTEMS: Final = r"Python|Node(?:\.js)?|Bun|Deno|Windows|macOS|Ubuntu|Debian"
_EPOCH: Final = r"1[5-9]\d{8}(?:\d{3})?(?:\.\d+)?(?![\w.-])"
_OWNER_OF_DATE: Final = r"time|date|stamp|epoch|created|modified|started|ended|finished|expires|since|\bts|[_ ]at"
_OWNER_OF_TIME: Final = r"(?:[a-z_]*(?:duration|elapsed|wall[ _-]?time|took|uptime|latency)[a-z_]*)"
_BEFORE_TIME: Final = r"(?:real|user|sys|ran for|(?:finished|done|completed|passed|failed|built|compiled|ready) in)"
# What a program says of its own run. Without a fraction "in 5 s" needs what was done, as it may be a rule or a fact.
_SPENT: Final = (
    r"(?:\w+(?:ed|ing)|done|run|ran|built|ready|success(?:ful(?:ly)?)?|\(s\)|files?|tests?|packages?|modules?|items?"
    r"|errors?|warnings?|checks?|steps?|queries|rows|requests?) in"
    r"|(?:exited|finished|completed|ended|stopped|failed) after|spent|done"
)
_TEST_LINE: Final = r"\s*(?:ok|FAIL|PASS|[✓✔✗✘√])\s"
_SHORT_SECONDS: Final = r"(?:ms|µs|us|ns|s|secs?|seconds?)\b"
_LIMIT: Final = r"[^\n\d]{0,20}(?:limit|max|most|least|under|below)"
_OWNER_OF_MEMORY: Final = r"[a-z_]*(?:mem(?:ory)?|heap|rss|vsz|swap|buffers|cached)[a-z_]*"
_PROCESS: Final = r"(?:p?pids?|pgid|process(?: group)? (?:pgid|ids?))"
_TEMPORARY: Final = (
    r"(?:tmp[a-z0-9_]{8}|tmp\.[A-Za-z0-9]{6,10}|[\w.]+-(?=\w*[a-zA-Z])(?=\w*[A-Z0-9])\w{6}|pytest-of-\w+/pytest-\d+)"
    r"(?!\w)"
)

_PATTERNS: Final = (
    # Versions first: some hold what looks like a date.
    _pattern("versions", r"\b(?:Linux|Darwin|macOS|Windows)-\d[\w.+-]*", "<system>"),
    _pattern("versions", r"\b(Linux|Darwin)( \S+)? \d+\.\d+[\w.+-]*(?: #\d[^\n\"<]*)?", "<system>"),
    _pattern(
        "versions",
        r"(?<![\w/.])([A-Za-z][\w.-]*)/v?\d+\.\d+[\w.+-]*(?= \(|;|$|\s[A-Za-z][\w.-]*/v?\d)",
        r"\1/<version>",
    ),
    _pattern("versions", rf"\b({_TOOLCHAIN})([ -]v?){_VERSION}", r"\1\2<version>"),
    _pattern("versions", rf"\b({_SYSTEMS})( v?){_VERSION}", r"\1\2<version>"),
    _pattern(
        "versions",
        rf"(?i)\b((?:[a-z]+[ _-])?version[\"']?\s*[:=]?\s*[\"']?v?){_VERSION}",
        r"\1<version>",
        results=False,
    ),
    _pattern("versions", r"(?<![\w./-])v\d+\.\d+\.\d+[\w.+-]*", "<version>", results=False),
    *_dates(_AT, results=False),
    # In a result a day alone may be what was looked up. Today is not, nor is a day with a time, of a log or a file.
    *_dates(_AT, after=r"(?i:\b(?:today|current|local|it is)\b[^\n\d]{0,24}?)", system=False),
    *_dates(_AT.removesuffix("?"), system=False),
    # A time of day has seconds, am or pm, or a zone: 12:34 may be a line and a column.
    _pattern(
        "dates",
        rf"(?<![\w.:-])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?(?: ?[AaPp][Mm]\b)?{_ZONE}?"
        rf"| ?[AaPp][Mm]\b{_ZONE}?| ?(?:UTC|GMT)\b)(?![\w:])",
        "<date>",
    ),
    _pattern("dates", rf"\b{_DAY},? <date>", "<date>"),
    _pattern("dates", rf"(?<![\w.-]){_EPOCH}", "<date>", results=False),
    # In a result it may as well be an amount or a number of something.
    _pattern("dates", rf"(?i)((?:{_OWNER_OF_DATE})[\"']?\s*[:=]?\s*[\"']?){_EPOCH}", r"\1<date>"),
    _pattern("dates", rf"(?i)\b((?:today is|day of (?:the )?week:?) +(?:an? )?){_DAY}\b", r"\1<date>"),
    _pattern("dates", r"(?i)\b(time ?zone(?:>|\s*[:=]\s*| is ))[A-Za-z][\w+-]*(?:/[\w+-]+)*", r"\1<zone>"),
    _pattern("dates", rf"(?i)\b((?:today|now|month|date)(?: is|:) *){_MONTH} \d{{4}}\b", r"\1<date>"),
    _pattern("dates", r"(?i)\b(?:\d+|an?) (?:seconds?|minutes?|hours?|days?|weeks?|months?) ago\b", "<date>"),
    _pattern(
        "durations",
        rf"(?i)\b({_OWNER_OF_TIME}[\"']?\s*[:=]?\s*(?:of |in |for )?[\"']?){_NUMBER}(?: ?{_SECONDS})?",
        r"\1<duration>",
    ),
    _pattern("durations", rf"(?i)\b({_BEFORE_TIME}[ \t]+)(?:\d+m)?{_NUMBER} ?{_SHORT_SECONDS}", r"\1<duration>"),
    # In the system's words these may be a rule: answer within 2.5 s.
    *(
        _pattern("durations", pattern, r"\1<duration>", system=False)
        for pattern in (
            rf"(?i)((?:\b|(?=\())(?:{_SPENT})[ \t:=~]+)(?:\d+m ?)?{_NUMBER} ?{_SHORT_SECONDS}",
            r"(?i)(\bin[ \t]+)(?:\d+\.\d+ ?(?:s|secs?|seconds?|[mµun]s)|\d+ ?[mµun]s)\b",
            rf"(\btime=|^\s*Time:\s+){_NUMBER} ?{_SHORT_SECONDS}",
            rf"([(\[~][ \t]*){_NUMBER} ?{_SHORT_SECONDS}(?=[ \t]*[)\]])",
            rf"^({_TEST_LINE}[^\n]*\s){_NUMBER} ?{_SHORT_SECONDS}(?=\s*$)",
        )
    ),
    _pattern("durations", rf"^{_NUMBER}s(?= +(?:call|setup|teardown) )", "<duration>", system=False),
    _pattern(
        "memory",
        rf"(?i)\b({_OWNER_OF_MEMORY}\b(?!{_LIMIT})[^\n\d]{{0,20}}){_SIZE}(?:( ?(?:/|of) ?){_SIZE})?",
        r"\1<memory>",
    ),
    _pattern(
        "memory",
        rf"(?i)(?<![\w.-]){_NUMBER} ?(?:[KMGT]i?B|bytes)( (?:of )?(?:memory|RAM|free|available|used)\b)",
        r"<memory>\1",
    ),
    _pattern("pids", rf"(?i)\b({_PROCESS}[\"']?\s*[:=#]?\s*[\"'\[(]?)\d+(?:, ?\d+)*", r"\1<pid>"),
    _pattern("pids", r"((?i:\bprocess )\[|^\[\d+\] )\d{2,}(?=\]|$)", r"\1<pid>"),
    _pattern("ports", r"((?:127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1?\]):)\d{2,5}\b", r"\1<port>"),
    _pattern("home", r"(?<![\w./~<-])(?:/home/[\w.-]+|/Users/[\w.-]+|/root)(?![\w-])", "{{home}}"),
    _pattern("tmp", rf"(\{{\{{tmp_*\}}\}}|/tmp|/var/tmp)/{_TEMPORARY}", r"\1/<name>"),
    _pattern("names", r"^([-dlbcps][-rwxsStT]{9}[.+@]?\s+\d+ )\S+(\s+)\S+(?=\s+\d)", r"\1<user>\2<user>"),
    _pattern(
        "names",
        r"(?i)\b((?:user(?:name)?|logname|login|whoami|host(?:name)?)[\"']?(?:\s*[:=]\s*|</?\w*>)[\"']?)[\w.-]+",
        r"\1<name>",
        results=False,  # there it may be what was looked up
    ),
    _pattern("names", r"\{\{(?:user|host)_*\}\}", "<name>"),
    _pattern("names", r"(?<![\w.+-])[a-z_][\w-]*@(?:\{\{host_*\}\}|<name>|[\w-]+(?=:[~/]))", "<name>@<name>"),
)
# Without one of these no pattern matches a line. Most lines hold none, and are not searched by each pattern.
_ANYWHERE: Final = (
    *("day", "zone", " ago", "@", "{{", "/root", "/home/", "/users/", "/tmp"),  # noqa: S108 - it is searched for
    *("user:", "user=", "user<", 'user"', "user'", "user>", "username", "host:", "host=", 'host"', "host'", "hostname"),
    *("logname", "login", "whoami"),
)
_BESIDE_DIGITS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "localhost", "::1"),
    *("pid", "pgid", "process", "job", "mem", "heap", "rss", "vsz", "swap", "buffers", "cached"),
    *("duration", "elapsed", "wall", "took", "uptime", "latency", "version", "linux", "darwin", "windows", "macos"),
)
_DIGITS: Final = re.compile(
    r"\d[:/.-]\d|\d{5}|[-dlbcps][-rwxsStT]{9}"
    r"|\d ?(?:[smhSMH]\b|[mMµunUN][sS]\b|[sS]ec|[mM]i[nl]|[hH]our|[kKMGTmgt]i?[bB]|bytes|[apAP]\.?[mM]\b)"
).search
_has_digit: Final = re.compile(r"\d").search

_IDS: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}"
    r"|(?=[0-9A-HJKMNP-TV-Z]*\d)[0-7][0-9A-HJKMNP-TV-Z]{25}"
    r"|\{\{id\d+_*\}\}"
    r"|(?:call|toolu|tool|msg|resp|run|thread|session|ses|sess|req|task|job|trace|span|conv|agent|item|shell|bash"
    r"|chatcmpl)"
    r"[_-](?:(?=[A-Za-z0-9]*\d[A-Za-z]+\d)[A-Za-z0-9]{8,}|(?=[A-Za-z]*\d)[A-Za-z0-9]{20,})(?:[_-][A-Za-z0-9]+)*"
    r")(?![A-Za-z0-9])"
)
_HEX: Final = r"(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})"
# Hashes where git writes them, after the name of an id, as a folder, behind a prefix; others are those of contents.
_IDS_BY_PLACE: Final = re.compile(
    r"(?:(?i:\b(?:commit|HEAD is now at|merge|index|parent)[ :(]+)|^|(?<=\n)|\.\.)"
    r"(?P<hash>(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,12})(?=[ .)\]]|$)"
    r"|(?i:\b(?:session|device|conversation|thread|request|trace|run|task|shell|agent|correlation)[ _-]?id"
    r"[\"']?\s*(?:[:=]|is)\s*[\"']?)"
    r"(?P<id>(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{6,}(?![\w-])|(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9][\w-]{9,})"
    r"|(?i:\b(?:commit|parent|tree|merge|index|head|revision|session|thread|request|trace|span|run|task|container"
    r"|(?:[a-z]+[ _-]?)?(?:id|uuid|guid))\b[\"']?\s*(?:[:=(]|is(?: now at)?)?\s*[\"'`(]?|/|(?<!sha)(?<!md5)[a-z][_-])"
    rf"(?P<full>{_HEX})(?=[^A-Za-z0-9]|$)"
    r"|(?i:\bchunk id: )(?P<chunk>[0-9a-f]{6})\b"
    r"|\[(?P<branch>(?:root-commit\) )?(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,12})\]"
)


@lru_cache(maxsize=1024)
def ids_in(text: str) -> tuple[tuple[int, int], ...]:
    """The places of generated ids in a text, in order: UUIDs, ULIDs, ids of calls and sessions, commits."""
    found = [match.span() for match in _IDS.finditer(text)]
    found += (match.span(match.lastgroup or 0) for match in _IDS_BY_PLACE.finditer(text))
    places, end = list[tuple[int, int]](), 0
    for place in sorted(found, key=lambda place: (place[0], -place[1])):
        if place[0] >= end:
            places.append(place)
            end = place[1]
    return tuple(places)


@lru_cache(maxsize=8192)
def normal_text(text: str, classes: tuple[VolatileClass, ...], *, result: bool) -> str:
    """A text of a program with a token such as `<date>` for each volatile part; `result` is for a tool's result."""
    patterns = chosen_patterns(classes, result=result)
    return "".join(_normal_line(line, patterns) for line in text.splitlines(keepends=True))


def _normal_line(line: str, patterns: Sequence[tuple[re.Pattern[str], str]]) -> str:
    has = line.lower().__contains__
    if not any(map(has, _ANYWHERE)) and not (_has_digit(line) and (_DIGITS(line) or any(map(has, _BESIDE_DIGITS)))):
        return line
    for pattern, new in patterns:
        line = pattern.sub(new, line)
    return line


def classes_of(line: str, classes: tuple[VolatileClass, ...]) -> set[VolatileClass]:
    """The classes of what is volatile in a line."""
    found = set[VolatileClass]()
    for one in (one for one in _PATTERNS if one.of in classes):
        changed = one.pattern.sub(one.new, line)
        if changed != line:
            found.add(one.of)
        line = changed
    return found


@lru_cache(maxsize=64)
def chosen_patterns(classes: tuple[VolatileClass, ...], *, result: bool) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The patterns of these classes and their replacements, in their order; `result` is for a tool's result."""
    chosen = (one for one in _PATTERNS if one.of in classes and (one.results if result else one.system))
    return tuple((one.pattern, one.new) for one in chosen)


_NUMBERS: Final[tuple[tuple[VolatileClass, re.Pattern[str]], ...]] = (
    ("durations", re.compile(r"(?i)duration|elapsed|latency|uptime|(?:^|_)(?:took|ms|seconds)$|wall_?time")),
    ("dates", re.compile(r"(?i)timestamp|(?:^|_)(?:time|date)$|_at$|epoch|[cma]time")),
    ("pids", re.compile(r"(?i)^(?:p?pid|pgid)s?$|process_?id$")),
    ("memory", re.compile(r"(?i)memory|heap|^rss$")),
    ("ports", re.compile(r"(?i)^port$")),
)


def normal_number(value: Any, key: str, classes: Sequence[VolatileClass]) -> Any:
    """A number in the result of a tool, or a token for one whose name says that it is volatile."""
    return next((f"<{of}>" for of, pattern in _NUMBERS if of in classes and pattern.search(key)), value)
