"""What a property holds by its name: text of Faker's in the session's locale, and the range of a number.

Faker is slow, so each kind of text is drawn once for each locale into a pool, from which values are picked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from tokentape_fake_provider.script.locales import text_locale

if TYPE_CHECKING:
    from faker import Faker

_POOL: Final = 40
_FAKER: Final = Lock()

# By the last words of a name: `billingCity` and `city` are cities, `company_name` is not a person's name.
KINDS: Final[Mapping[str, str]] = {
    name: kind
    for kind, names in {
        "email": "email mail email_address recipient sender cc bcc",
        "first_name": "first_name given_name forename",
        "last_name": "last_name surname family_name",
        "name": "name full_name author person customer owner assignee attendee contact participant guest employee",
        "company": "company company_name organization organisation organization_name employer vendor supplier brand",
        "city": "city town location place destination origin departure arrival",
        "country": "country country_name nationality",
        "country_code": "country_code",
        "administrative_unit": "state province region county",
        "street_address": "street street_address address_line line1",
        "address": "address",
        "postcode": "postcode zip zip_code zipcode postal_code",
        "phone_number": "phone phone_number mobile telephone tel fax",
        "url": "url uri link website homepage href webhook endpoint",
        "domain_name": "domain host hostname domain_name",
        "ipv4": "ip ip_address ipv4",
        "user_name": "username user_name login handle nickname",
        "job": "job job_title occupation profession position",
        "color_name": "color colour",
        "currency_code": "currency currency_code",
        "language_code": "language lang language_code",
        "locale": "locale",
        "timezone": "timezone time_zone tz",
        "file_name": "file filename file_name attachment",
        "file_path": "path file_path filepath directory",
        "mime_type": "mime_type content_type media_type",
        "isbn13": "isbn",
        "iban": "iban",
        "uuid4": "uuid guid",
        "date": "date day birthday birthdate dob deadline due_date start_date end_date check_in check_out",
        "date_time": "datetime date_time timestamp",
        "time": "time",
        "slug": "slug",
        "title": "title headline subject heading label topic",
        "sentence": "description summary message comment note notes reason explanation caption answer"
        " thought rationale details instructions feedback review bio quote",
        "paragraph": "content text body paragraph abstract essay story reasoning",
        "words": "query question search search_query keywords prompt q",
        "word": "tag category keyword word type kind genre topic_name status",
        "identifier": "id identifier key code token reference ref sku number",
        "version": "version",
    }.items()
    for name in names.split()
}

# Whose names are not persons' names.
_THINGS: Final = frozenset(
    (
        *("product", "item", "file", "project", "event", "tool", "function", "model", "field", "column", "table"),
        *("recipe", "book", "movie", "song", "restaurant", "hotel", "dish", "ingredient", "display", "class", "method"),
    )
)

_UNIX_TIMES: Final = (1_577_836_800, 1_893_455_999)
# The least, the most and the decimals.
_RANGES: Final[Mapping[str, tuple[float, float, int]]] = {
    name: numbers
    for names, numbers in {
        "price cost amount total subtotal fee salary budget balance revenue tax": (5, 500, 2),
        "age": (18, 80, 0),
        "year": (1990, 2029, 0),
        "month": (1, 12, 0),
        "day": (1, 28, 0),
        "hour hours": (0, 23, 0),
        "minute minutes second seconds": (0, 59, 0),
        "quantity qty count guests people adults limit top_k n max_results page number": (1, 10, 0),
        "lat latitude": (-90, 90, 4),
        "lon lng long longitude": (-180, 180, 4),
        "percent percentage pct progress discount": (0, 100, 0),
        "rating stars": (1, 5, 0),
        "confidence probability ratio score": (0, 1, 2),
        "temperature temp degrees": (-10, 35, 1),
        "timestamp": (*_UNIX_TIMES, 0),
        "port": (1024, 65535, 0),
        "width height": (100, 2000, 0),
        "weight": (1, 100, 1),
        "id": (1000, 99999, 0),
    }.items()
    for name in names.split()
}


@lru_cache(maxsize=4096)
def name_words(name: str) -> tuple[str, ...]:
    """The words of a name in camelCase, snake_case or kebab-case, in small letters."""
    return tuple(
        re.sub(r"([a-z\d])([A-Z])|([A-Z]+)([A-Z][a-z])", r"\1\3 \2\4", name)
        .replace("_", " ")
        .replace("-", " ")
        .lower()
        .split()
    )


def singular(name: str) -> str:
    """The name of one item of a list of this name."""
    for ending, one in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ss", "ss"), ("us", "us"), ("s", "")):
        if name.lower().endswith(ending) and len(name) > len(ending) + 1:
            return name[: -len(ending)] + one
    return name


@lru_cache(maxsize=4096)
def number_range(name: str) -> tuple[float, float, int] | None:
    """The least and the most that a number of this name usually is, and its decimals; `None` if the name is unknown."""
    found: tuple[float, float, int] | None = _by_last_words(name, _RANGES)
    return found


@lru_cache(maxsize=4096)
def named_texts(name: str, locale: str) -> tuple[str, ...]:
    """Texts that fit a property of this name, in the locale's language; words if the name is unknown."""
    words = name_words(name)
    kind = _by_last_words(name, KINDS)
    if kind is None:
        kind = "date_time" if words[-1:] in (("at",), ("on",)) and len(words) > 1 else "words"
    elif kind == "name" and len(words) > 1 and words[-2] in _THINGS:
        kind = "title"
    return _pool(kind, text_locale(locale))


def _by_last_words(name: str, table: Mapping[str, Any]) -> Any:
    words = name_words(name)
    return next((table[key] for i in range(len(words)) if (key := "_".join(words[i:])) in table), None)


@cache
def _pool(kind: str, locale: str) -> tuple[str, ...]:
    with _FAKER:
        faker, own = _faker(locale), _OWN.get(kind)
        if kind == "iban" or (own is None and not hasattr(faker, kind)):
            faker = _faker("en_US")  # a few locales have no phone numbers, and one logs a warning with each IBAN
        faker.seed_instance(f"{locale} {kind}")
        texts = (own(faker) if own is not None else str(getattr(faker, kind)()) for _ in range(_POOL))
        return tuple(text.replace("\n", ", ") for text in texts)


@cache
def _faker(locale: str) -> Faker:
    # Importing Faker takes 0.4 s: do it only when text is generated.
    from faker import Faker

    return Faker(locale)


def _moment(faker: Faker) -> str:
    return datetime.fromtimestamp(faker.random_int(*_UNIX_TIMES), UTC).isoformat()[:19]


_OWN: Final[Mapping[str, Callable[[Faker], str]]] = {
    "title": lambda faker: faker.sentence(nb_words=4).rstrip(".。"),
    "sentence": lambda faker: faker.sentence(nb_words=10),
    "words": lambda faker: " ".join(faker.words(3)),
    "identifier": lambda faker: faker.hexify("^^^^^^^^"),
    "version": lambda faker: faker.numerify("%.#.#"),
    "date": lambda faker: _moment(faker)[:10],
    "time": lambda faker: _moment(faker)[11:],
    "date_time": lambda faker: f"{_moment(faker)}Z",
}
"""The kinds of text that Faker has no method for."""
