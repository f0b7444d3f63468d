"""Moderation by lists of words: no judgement of meaning, but predictable, and enough for both branches of an app."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

_VIOLENCE: Final = r"kill(s|ed|ing)?|murder(s|ed|ing)?|stab(s|bed|bing)?|shoot(ing)?|strangl(e|ed|ing)"
_ARMS: Final = r"(build|make|buy) an? (bombs?|explosives?|guns?|grenades?|poison)"
_THREATS: Final = rf"(i will|i'll|i am going to|i'm going to|gonna) (hurt|find|destroy|{_VIOLENCE})"
_GROUPS: Final = r"immigrants|foreigners|jews|muslims|christians|gays|women|refugees"
_WORDS: Final[Mapping[str, str]] = {
    "harassment": rf"idiots?|morons?|losers?|pathetic|{_THREATS}",
    "harassment/threatening": _THREATS,
    "hate": rf"(hate|despise|get rid of|{_VIOLENCE})( all)?( the| those)? ({_GROUPS})",
    "hate/threatening": rf"({_VIOLENCE})( all)?( the| those)? ({_GROUPS})",
    "illicit": rf"shoplift(ing)?|cocaine|heroin|launder(ing)? money|{_ARMS}",
    "illicit/violent": _ARMS,
    "self-harm": r"suicide|self-harm|(kill|hurt|cut)(ing)? (myself|yourself)|want to die",
    "self-harm/intent": r"(kill|hurt|cut) myself|want to die|end my life",
    "self-harm/instructions": r"how (to|do i|can i) (commit suicide|(kill|hurt|cut) (myself|yourself))",
    "sexual": r"porn(ography)?|nude|naked|sex",
    "sexual/minors": r"child (porn(ography)?|sex)|sex with (a child|children|minors)",
    "violence": rf"{_VIOLENCE}|tortur(e|ed|ing)|massacres?",
    "violence/graphic": r"gore|dismember(ed|ing)?|disembowel(ed|ing)?|beheaded|blood everywhere",
}
_ANY: Final = re.compile(rf"\b({'|'.join(_WORDS.values())})\b")


def flagged_categories(text: str, categories: Iterable[str]) -> tuple[str, ...]:
    """The categories of whose words a text has one. Images are never flagged."""
    lowered = text.casefold().replace("\u2019", "'")
    if _ANY.search(lowered) is None:
        return ()
    return tuple(name for name in categories if (words := _WORDS.get(name)) and re.search(rf"\b({words})\b", lowered))
