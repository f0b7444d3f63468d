"""The machine: the folders and names that belong to whoever runs a program, which a recording must not hold."""

from __future__ import annotations

import getpass
import os
import re
import socket
import tempfile
from collections.abc import Callable, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

# What a program's prompt calls its working folder.
_NAMED_FOLDERS: Final = (
    re.compile(r"<(cwd|working[-_]directory|workspace[-_]root)>\s*(?P<folder>/[^<\n\"]+?)\s*</\1>"),
    re.compile(r"\"(?:cwd|working_?[dD]irectory|workdir)\\?\"\s*:\s*\\?\"(?P<folder>/[^\"\\\n]+)"),
    re.compile(
        r"(?i:\b(?:(?:current|primary|your) )?(?:working|current|workspace) "
        r"(?:director(?:y|ies)|folder|dir|root folder)\b"
        r"(?: path)?(?: is| now)?(?: set to)?:?|\bworking in the directory:?|\b(?:cwd|workspace|workdir)\s*[:=])"
        r"[\s*:`\"'-]*(?P<folder>/[^\s`\"'<>*]+)"
    ),
)
_HOME: Final = re.compile(r"(?<![\w./~<-])(?:/home/[\w.-]+|/Users/[\w.-]+|/root)(?![\w-])")
_TEMPORARY: Final = re.compile(r"(?<![\w./~<-])(?:(?:/private)?(?:/var/folders/\w+/\w+/T|/tmp)|/var/tmp)(?![\w-])")
# A folder with the own folder of a well-known program in it is a home.
_OWN_FOLDERS: Final = re.compile(
    r"(?<![\w./~<-])/[\w./@+-]+?(?=/\.(?:claude|codex|gemini|qwen|config|local|cache|npm|continue|agents?)/)"
)
_FOR_TEMPORARY: Final = re.compile(r"(?<![\w./~<-])/[\w./@+-]+(?=/[\w-]+`? for temporary)")
_NAMED: Final = {"home": (_OWN_FOLDERS, _HOME), "tmp": (_TEMPORARY,)}
# What an agent's prompt says of git.
_AUTHOR: Final = re.compile(
    r"(?im)^[ \t>*|#-]*git (?:user|author)(?:[ .]name)?[*\"'`]*[ \t]*[:=][ \t*\"'`]*"
    r"(?P<author>[^\W\d_][^\n<>(){}\"\\|*`]{1,60})"
)
_NAME: Final = re.compile(r"[\w.@+-]")
_EMAILS: Final = ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL", "EMAIL")
_AUTHORS: Final = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME")
_UNUSABLE: Final = re.compile(r"[\"\\\x00-\x1f\x7f{}]")


class Machine(NamedTuple):
    """Absolute folders, and names; empty where one is unknown.

    `cwd` is the working folder, `home` and `tmp` the home and the temporary folder, `user` and `host` the names of the
    user and the machine, `email` and `author` the address and the name that git writes into commits.
    """

    cwd: str = ""
    home: str = ""
    tmp: str = ""
    user: str = ""
    host: str = ""
    email: str = ""
    author: str = ""

    def named_in(self, texts: Sequence[str]) -> Machine:
        """This machine with the folders and the author that a request's texts name: it may come from another one."""
        machine = self._replace(cwd=next(filter(None, (_folder_in(text, self.cwd) for text in texts)), self.cwd))
        # A home around the working folder may be another one.
        texts = [text.replace(machine.cwd, "") if machine.cwd else text for text in texts]
        tmp = next(filter(is_usable, (_first(_FOR_TEMPORARY, text) for text in texts)), "")
        author = next(filter(None, map(_author_in, texts)), self.author)
        return machine._replace(home=self._named(texts, "home"), tmp=tmp or self._named(texts, "tmp"), author=author)

    def _named(self, texts: Sequence[str], name: str) -> str:
        """The folder that texts name if this machine's own is not in them."""
        own = str(getattr(self, name))
        if any(_first(_alone(own), text) for text in texts):
            return own
        found = (_first(pattern, text) for pattern in _NAMED[name] for text in texts)
        return next(filter(is_usable, found), own)


@lru_cache(maxsize=1024)
def _first(pattern: re.Pattern[str], text: str) -> str:
    """The first match of a pattern in a text, which an agent sends again and again."""
    found = pattern.search(text)
    return found.group() if found else ""


@lru_cache(maxsize=1024)
def _author_in(text: str) -> str:
    """The author of commits that a text names."""
    found = _AUTHOR.search(text)
    return "" if found is None else found["author"].strip(" \t'.,;")


@lru_cache(maxsize=64)
def _alone(folder: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w./~<-]){re.escape(folder)}(?![\w-])" if folder else r"(?!)")


@lru_cache(maxsize=1024)
def _folder_in(text: str, own: str) -> str:
    """The working folder that a text names; it is `own` if that stands there."""
    for pattern in _NAMED_FOLDERS:
        for match in pattern.finditer(text):
            start = match.start("folder")
            if own and text.startswith(own, start) and not _NAME.match(text, start + len(own)):
                return own  # it may hold blanks
            folder = match["folder"].rstrip("/.,;:)")
            if is_usable(folder):
                return folder
    return ""


def is_usable(folder: str) -> bool:
    """Whether a folder can be searched for: it is absolute, not the root, and JSON has no other spelling for it."""
    return len(folder) > 2 and folder.startswith("/") and not _UNUSABLE.search(folder)


def this_machine() -> Machine:
    """The machine of this process."""
    return _machine(_folder(os.getcwd), _folder(lambda: str(Path.home())), _folder(tempfile.gettempdir))


@lru_cache(maxsize=16)
def _machine(cwd: str, home: str, tmp: str) -> Machine:
    email, author = _commits_by(cwd)
    return Machine(cwd, home, tmp, _text(getpass.getuser), _text(socket.gethostname), email, author)


def _folder(find: Callable[[], str]) -> str:
    folder = _text(find)
    return folder if is_usable(folder) else ""


def _text(find: Callable[[], str]) -> str:
    try:
        return find()
    except (OSError, KeyError, RuntimeError):
        return ""


def _commits_by(cwd: str) -> tuple[str, str]:
    """The address and the name that git writes into commits."""
    email = next((os.environ[name] for name in _EMAILS if os.environ.get(name)), "")
    author = next((os.environ[name] for name in _AUTHORS if os.environ.get(name)), "")
    folder = _text(lambda: str(Path.home()))
    for path in (Path(cwd, ".git/config"), Path(folder, ".gitconfig"), Path(folder, ".config/git/config")):
        config = ConfigParser(strict=False, interpolation=None, allow_no_value=True)
        try:
            config.read_string(path.read_text())
        except (OSError, UnicodeDecodeError, ConfigError):
            continue
        address, name = ((config.get("user", key, fallback="") or "").strip().strip('"') for key in ("email", "name"))
        email, author = email or (address if "@" in address else ""), author or name
    return email, author
