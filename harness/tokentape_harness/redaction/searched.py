"""Searched texts: bodies and headers that hold no secret by the rules of one cassette; none is searched twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import TypeAlias

from tokentape_harness.cassettes.model import Headers
from tokentape_harness.redaction.rules import RedactionRules

Text: TypeAlias = bytes | str | tuple[str, bytes]


class SearchedTexts:
    """Remembers the texts without secrets, and the credentials in bodies of requests.

    A request's body is known by its digest, all else by itself. All rules that this is used with differ in nothing but
    their secrets and placeholders.
    """

    def __init__(self) -> None:
        self._clean: dict[Text, tuple[str, ...]] = {}
        self._credentials: dict[bytes, tuple[str, ...]] = {}
        self._headers: dict[str, tuple[Headers, RedactionRules, Headers]] = {}
        self._last = b"", "", b""

    def unsearched(self, text: Text, rules: RedactionRules) -> RedactionRules | None:
        """The rules by which this text must still be searched: all, only the secrets found since, or `None`."""
        known = self._clean.get(text)
        if known is None:
            return rules
        if known is rules.secrets:
            return None
        secrets = tuple(secret for secret in rules.secrets if secret not in known)
        return RedactionRules(secrets=secrets, placeholders=rules.placeholders) if secrets else None

    def add_clean(self, text: Text, rules: RedactionRules) -> None:
        """Note that this text has no secret by these rules."""
        self._clean[text] = rules.secrets

    def headers(self, part: str, headers: Headers, rules: RedactionRules, redacted: Callable[[], Headers]) -> Headers:
        """The redacted headers of this part; the last ones are remembered, as one client sends them again and again."""
        before, by, known = self._headers.get(part, ((), rules, ()))
        if (before, by.secrets, by.placeholders) != (headers, rules.secrets, rules.placeholders):
            known = redacted()
            self._headers[part] = headers, rules, known
        return known

    def credentials(self, digest: bytes, find: Callable[[], Iterable[str]]) -> tuple[str, ...]:
        """The credentials in this body, which are searched for once."""
        if digest not in self._credentials:
            self._credentials[digest] = tuple(find())
        return self._credentials[digest]

    def digest(self, body: bytes, content_type: str) -> bytes:
        """A digest of a request's body and of what else decides how it is searched; that of the last body is kept."""
        last, kind, digest = self._last
        if last is not body or kind != content_type:
            hashed = hashlib.blake2b(f"{content_type}\n".encode(), digest_size=32)
            hashed.update(body)
            digest = hashed.digest()
            self._last = body, content_type, digest
        return digest
