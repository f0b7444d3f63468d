"""Surroundings: blocks of lines in which an agent tells the model the state of its repository, and who else runs there.

They have more lines in one run than in another, so that they become one token each, before single lines are compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final, NamedTuple

from tokentape_fake_provider.sessions.matching.ignored_parts import VolatileClass

_HASH: Final = r"(?=[a-f]*\d)[0-9a-f]{7,40}\b"
_START: Final = r"^(?:[ \t>*#|-]|git: )*"
# A line under a heading such as "Status:", as `git status --short` writes it.
_SHORT: Final = (
    r"(?:[ \t>*-]*(?:git: )?(?:## [^\n]+|[MADRCUT?!.]{1,2} +\S[^\n]*|\(?(?:clean|no changes)\)?"
    r"|nothing to commit[^\n]*)\n?)"
)
_COMMIT: Final = rf"(?:[ \t>*|/\\-]*(?:git: )?{_HASH}[^\n]*\n?)"
_FENCE: Final = r"(?:[ \t]*```\w*\n)?"
# The lines of `git status` below the branch.
_LONG: Final = (
    r"(?:\n(?:Your branch [^\n]*|and have \d+ and \d+ different [^\n]*|No commits yet"
    r"|(?:Changes (?:to be committed|not staged for commit)|Untracked files|Unmerged paths|Ignored files):"
    r"|[ \t]*\(use \"git [^\n]*|\t[^\n]+|You (?:are currently|have unmerged) [^\n]*"
    r"|(?:nothing (?:to commit|added to commit)|no changes added)[^\n]*|[ \t]*(?=\n|\Z)))*"
)
_BRANCH: Final = (
    r"(?:(?:current|main|default|base|active|working|checked[- ]out) |git )?branch(?: name)?(?: \([^)\n]*\))?"
)
_HEAD: Final = r"(?:HEAD|(?:(?:latest|last|current|head|git) )?commit(?: hash| sha| id)?)"
_SEPARATOR: Final = r"[*\"'`]*(?:[:=]|>)[ \t*\"'`]*"


class _Block(NamedTuple):
    """A pattern of a class; its group `kept` stays."""

    of: VolatileClass
    regex: str
    new: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return _compiled(self.regex)


_compiled: Final = cache(re.compile)


def _git(pattern: str) -> _Block:
    return _Block("git", f"(?im){pattern}", r"\g<kept><git>")


_BLOCKS: Final = (
    _Block("pids", r"(?s)\s*<(workspace-agents-warning)>.*?</\1>", ""),
    # On branch main, and what follows.
    _git(rf"(?P<kept>{_START})(?:On branch \S+|HEAD detached (?:at|from) \S+|Not currently on any branch\.){_LONG}"),
    _git(
        rf"(?P<kept>{_START}(?:```)?(?:[\w-]+ )*(?:git[ _-]?)?status(?: \([^)\n]*\))?[:*`]*)[ \t]*"
        rf"(?:\n{_FENCE}{_SHORT}*|\Z)"
    ),
    _git(rf"(?P<kept>{_START}(?:[\w-]+ )*(?:commits|git log)(?: \([^)\n]*\))?[:*`]+)[ \t]*(?:\n{_FENCE}{_COMMIT}*|\Z)"),
    # Current branch: main. Without one the value is empty.
    _git(rf"(?P<kept>(?:{_START}|[|,;(<{{\"][ \"'*]*){_BRANCH}{_SEPARATOR})[\w./+@-]*(?=[\s|,;)<\"'`*]|$)"),
    _git(rf"(?P<kept>(?:{_START}|[|,;(<{{\"][ \"'*]*){_HEAD}{_SEPARATOR}){_HASH}(?:(?: \([^)\n]*\))? [^\n|<\"]*)?"),
    _git(rf"(?P<kept>{_START}git (?:user|author)(?:[ .](?:name|email))?{_SEPARATOR})[^\n]*"),
)
_MAY_HOLD: Final = re.compile(r"(?i)branch|\bHEAD\b|commit|git|status|workspace-agents-warning").search


@lru_cache(maxsize=1024)
def without_surroundings(text: str, classes: Sequence[VolatileClass]) -> str:
    """A text of the system with a token for the state of the repository, and without the list of other agents."""
    if _MAY_HOLD(text):
        for block in _BLOCKS:
            if block.of in classes:
                text = block.pattern.sub(block.new, text)
    return text


def surroundings_of(text: str, classes: Sequence[VolatileClass]) -> dict[VolatileClass, tuple[str, ...]]:
    """What of a text is of each class, as it stands there."""
    found: dict[VolatileClass, tuple[str, ...]] = {}
    for block in _BLOCKS:
        if block.of in classes:
            found[block.of] = (*found.get(block.of, ()), *(match.group() for match in block.pattern.finditer(text)))
    return found
