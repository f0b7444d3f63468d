"""Redaction rules: what a secret looks like, as data.

The key formats are those that the providers document or that their consoles hand out. The ready-made detectors were
no better base: detect-secrets knows no LLM provider but OpenAI, and betterleaks is a binary of 54 MB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from tokentape_harness.errors import UsageError

PLACEHOLDER = "REDACTED"


class TextRule(NamedTuple):
    """A secret in text: the whole match, or the group `secret` of it.

    `hints` are lower-case words of which one is in every text that can match, so that most texts are not searched.
    """

    name: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()


class RedactionRules(msgspec.Struct, frozen=True):
    """What is redacted.

    `headers`, `query` and `fields` are lower-case names, of headers, query or form parameters and JSON members, and
    patterns that such a name must match whole; `json_paths` are paths such as `$.metadata.user_id`,
    `messages[*].name` or `..email`; `text` finds secrets in any text; `secrets` are known ones, wherever they stand.
    """

    headers: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    header_pattern: re.Pattern[str] | None = None
    json_paths: tuple[str, ...] = ()
    text: tuple[TextRule, ...] = ()
    secrets: tuple[str, ...] = ()

    def adding(
        self,
        *,
        headers: Iterable[str] = (),
        query: Iterable[str] = (),
        json_paths: Iterable[str] = (),
        text: Iterable[str | re.Pattern[str]] = (),
        secrets: Iterable[str] = (),
    ) -> RedactionRules:
        """These rules and more; a text rule is a regular expression. Raises `UsageError` for one that is none."""
        paths = tuple(json_paths)
        for path in paths:
            if not _PATH.fullmatch(path):
                raise UsageError(f"the JSON path {path!r} can't be read: write it as $.a.b, a[*].b or ..b")
        return msgspec.structs.replace(
            self,
            headers=self.headers | {name.lower() for name in headers},
            query=self.query | {name.lower() for name in query},
            json_paths=self.json_paths + paths,
            text=self.text + tuple(_text_rule(pattern) for pattern in text),
            secrets=tuple(dict.fromkeys((*self.secrets, *(secret for secret in secrets if secret)))),
        )

    def is_header(self, name: str) -> bool:
        """Whether the values of a header are secret."""
        lower = name.lower()
        pattern = self.header_pattern
        return lower in self.headers or (pattern is not None and pattern.fullmatch(lower) is not None)


_PATH = re.compile(r"\$?(?:(?:^|\.|\.\.)[^.\[\]]+|\[(?:\*|\d+)\])+")


def _text_rule(pattern: str | re.Pattern[str]) -> TextRule:
    try:
        return TextRule("own rule", re.compile(pattern))
    except re.error as error:
        raise UsageError(f"the text rule {pattern!r} is no regular expression ({error})") from error


def secrets_of_environment(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables whose names say that they are secret, such as OPENAI_API_KEY."""
    return tuple(
        dict.fromkeys(value for name, value in environ.items() if _SECRET_VARIABLE.search(name) and is_distinct(value))
    )


def is_distinct(secret: str) -> bool:
    """Whether a value can be looked for everywhere: a key such as `ollama` or `not-needed` is also a word."""
    return PLACEHOLDER not in secret and (
        len(secret) >= 12 or (len(secret) >= 8 and any(not char.isalpha() and char not in "-_ ." for char in secret))
    )


def is_placeholder(value: str) -> bool:
    """Whether a value only stands for a secret, as recorders write it: `<REDACTED>`, `test_openai_api_key`, `****`."""
    words = _WORD.findall(value.lower())
    return not any(char.isdigit() for char in value) and (not words or any(word in _PLACEHOLDERS for word in words))


_WORD = re.compile(r"[a-z]+")
_PLACEHOLDERS = frozenset(
    {
        "dummy",
        "empty",
        "example",
        "fake",
        "filtered",
        "hidden",
        "masked",
        "mock",
        "none",
        "null",
        "placeholder",
        "redacted",
        "removed",
        "sanitized",
        "scrubbed",
        "secret",
        "test",
        "xxx",
        "your",
    }
)
_SECRET_VARIABLE = re.compile(r"(?i)(?:api_?key|secret|token|password|passwd|access_key)(?:_id)?$")

_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "x-authorization",
        "api-key",
        "x-api-key",
        "x-goog-api-key",
        "x-goog-user-project",
        "ocp-apim-subscription-key",
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "x-amz-security-token",
        "cf-access-client-id",
        "cookie",
        "cookie2",
        "set-cookie",
        "set-cookie2",
    }
)
# Ends only: x-ratelimit-remaining-tokens is no secret.
_HEADER_PATTERN = re.compile(
    r".*(?:^|[-_])(?:token|secret|password|credential|api-?key|access-?key|auth-?key|subscription-key|signature)"
)

_QUERY = frozenset(
    {
        "key",
        "api_key",
        "api-key",
        "apikey",
        "access_token",
        "auth",
        "auth_token",
        "token",
        "id_token",
        "refresh_token",
        "client_secret",
        "secret",
        "password",
        "passwd",
        "subscription-key",
        "assertion",
        "sig",
        "signature",
        "awsaccesskeyid",
        "x-amz-signature",
        "x-amz-credential",
        "x-amz-security-token",
        "x-goog-signature",
        "x-goog-credential",
    }
)

# Not `token` and `key`: those are ordinary members of logprobs and tool arguments.
_FIELDS = frozenset(
    {
        "api_key",
        "api-key",
        "apikey",
        "x-api-key",
        "authorization",
        "authorization_token",
        "auth_token",
        "access_token",
        "refresh_token",
        "id_token",
        "bearer_token",
        "session_token",
        "security_token",
        "sessiontoken",
        "client_secret",
        "clientsecret",
        "secret_key",
        "secretkey",
        "secret_access_key",
        "secretaccesskey",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "private_key",
        "password",
        "passwd",
        "passphrase",
    }
)

_ASSIGNED = "|".join(sorted(map(re.escape, _FIELDS), key=len, reverse=True))
_WORD_BEFORE = r"(?<![A-Za-z0-9])"


def _prefixed(name: str, *prefixes: str, rest: str = r"[A-Za-z0-9_-]{16,}", anywhere: bool = False) -> TextRule:
    """A rule for keys that begin with one of these."""
    before = "" if anywhere else _WORD_BEFORE
    alternatives = "|".join(map(re.escape, prefixes))
    hints = tuple(prefix.lower() for prefix in prefixes)
    return TextRule(name, re.compile(f"{before}(?:{alternatives}){rest}"), hints)


_TEXT = (
    TextRule(
        "private key",
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[^\"]{0,20000}?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|(?:[A-Za-z0-9+/=\s]|\\+[nr])*)"
        ),
        ("private key",),
    ),
    _prefixed("Anthropic key", "sk-ant-", rest=r"[A-Za-z0-9_-]{8,}", anywhere=True),
    _prefixed("OpenAI key", "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-or-v1-", anywhere=True),
    # Of OpenAI, DeepSeek, Moonshot, LiteLLM and others; some show a masked one in an error.
    _prefixed("sk- key", "sk-"),
    TextRule("masked key", re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9_-]{2,80}\*{4,200}[A-Za-z0-9_-]{2,80}"), ("****",)),
    TextRule("OpenAI organisation", re.compile(r"(?<![A-Za-z0-9])org-[A-Za-z0-9]{16,}"), ("org-",)),
    TextRule("OpenAI project", re.compile(r"(?<![A-Za-z0-9])proj_[A-Za-z0-9]{16,}"), ("proj_",)),
    _prefixed("Google key", "AIza", rest=r"[A-Za-z0-9_-]{30,}"),
    _prefixed("Google key", "AQ.Ab", rest=r"[A-Za-z0-9_-]{20,}"),
    _prefixed("Google OAuth token", "ya29.", rest=r"[A-Za-z0-9_.-]{16,}", anywhere=True),
    _prefixed("Google OAuth secret", "GOCSPX-", anywhere=True),
    _prefixed("AWS access key", "AKIA", "ASIA", "ABIA", "ACCA", rest=r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _prefixed("Bedrock key", "ABSK", rest=r"[A-Za-z0-9+/]{40,}={0,2}"),
    _prefixed("Bedrock key", "bedrock-api-key-", rest=r"[A-Za-z0-9+/=_-]{16,}", anywhere=True),
    TextRule(
        "AWS signature",
        re.compile(r"(?i)(?<![a-z0-9])(?:x-amz-)?signature[=:]\s*(?P<secret>[0-9a-f]{64})"),
        ("signature",),
    ),
    _prefixed("Groq key", "gsk_"),
    _prefixed("xAI key", "xai-", rest=r"[A-Za-z0-9]{20,}"),
    _prefixed("Cerebras key", "csk-"),
    _prefixed("Hugging Face token", "hf_", rest=r"[A-Za-z0-9]{20,}"),
    _prefixed("Replicate token", "r8_", rest=r"[A-Za-z0-9]{20,}"),
    _prefixed("Perplexity key", "pplx-", rest=r"[A-Za-z0-9]{20,}"),
    _prefixed("Fireworks key", "fw_", rest=r"[A-Za-z0-9]{20,}"),
    _prefixed("Together key", "tgp_v1_"),
    _prefixed("NVIDIA key", "nvapi-", anywhere=True),
    _prefixed("Databricks token", "dapi", rest=r"[0-9a-f]{32}(?:-\d)?"),
    _prefixed("LangSmith key", "lsv2_pt_", "lsv2_sk_", anywhere=True),
    _prefixed("Tavily key", "tvly-"),
    _prefixed("GitHub token", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", rest=r"[A-Za-z0-9_]{20,}"),
    _prefixed("GitLab token", "glpat-"),
    _prefixed("Slack token", "xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-", "xoxe-", "xapp-", rest=r"[A-Za-z0-9.-]{10,}"),
    TextRule(
        "Slack webhook",
        re.compile(r"hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9_/]{20,})"),
        ("hooks.slack.com",),
    ),
    _prefixed("Stripe key", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", rest=r"[A-Za-z0-9]{16,}"),
    _prefixed("SendGrid key", "SG.", rest=r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _prefixed("npm token", "npm_", rest=r"[A-Za-z0-9]{30,}"),
    _prefixed("PyPI token", "pypi-AgE", anywhere=True),
    TextRule(
        "JSON web token",
        re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
        ("eyj",),
    ),
    TextRule(
        "credentials",
        re.compile(r"(?i)(?<![a-z0-9])(?:bearer|basic)\s+(?P<secret>(?=[a-z._~+/-]*[0-9=])[a-z0-9._~+/-]{16,}=*)"),
        ("bearer", "basic"),
    ),
    TextRule(
        "URL credentials",
        re.compile(r"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://(?P<secret>[^\s/?#\"'<>\\]{1,400})@(?=[^\s@])"),
        ("://",),
    ),
    # Also as JSON inside a JSON string, with its quotes escaped, and in a form.
    TextRule(
        "named secret",
        re.compile(rf"(?i)(?<![a-z0-9])(?:{_ASSIGNED})(?:\\*[\"']\s*:\s*\\*[\"']|=)(?P<secret>[^\s\"'\\&,;}}]{{4,}})"),
        ("key", "token", "secret", "pass", "authorization"),
    ),
    TextRule(
        "URL key",
        re.compile(
            r"(?i)(?<=[?&])(?:key|api[_-]?key|access_token|token|sig|x-(?:amz|goog)-(?:credential|signature)"
            r"|x-amz-security-token)=(?P<secret>[^&\s\"'<>\\#]{4,})"
        ),
        ("=",),
    ),
)

DEFAULT_RULES = RedactionRules(_HEADERS, _QUERY, _FIELDS, _HEADER_PATTERN, (), _TEXT)
