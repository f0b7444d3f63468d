"""The locales that Faker has text for."""

from __future__ import annotations

from functools import cache
from pkgutil import iter_modules

from tokentape_fake_provider.errors import ScriptError


def text_locale(locale: str) -> str:
    """The locale that Faker has text for: this one, else one of its language (`ar_AA` for `ar_EG`).

    Raises `ScriptError`, which lists the known locales.
    """
    name = locale.replace("-", "_")
    known = _text_locales()
    if name in known:
        return name
    language = name.partition("_")[0].lower()
    for candidate in known:
        if candidate.partition("_")[0] == language:
            return candidate
    raise ScriptError(f"no synthetic text for the locale {locale!r}: use one of {', '.join(sorted(known))}")


@cache
def _text_locales() -> tuple[str, ...]:
    from faker.providers import lorem

    names = sorted(module.name for module in iter_modules(lorem.__path__))
    # Of several locales of one language, the first serves the others.
    return tuple(sorted(names, key=lambda name: (name not in ("en_US", "de_DE", "es_ES", "nl_NL"), name)))
