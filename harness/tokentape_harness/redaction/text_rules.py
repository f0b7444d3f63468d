"""Text rules: find secrets in any text by their form.

The key formats are those that the providers document or issue. A prefix alone is not enough: `sk-folding-cube` is a
class of CSS. The text after it must look random, unless no other text has this prefix.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote

from tokentape_fake_provider.http.bounded_pattern import BoundedPattern
from tokentape_fake_provider.playback.randomness import is_random
from tokentape_fake_provider.playback.secret_names import is_secret_name, is_secret_parameter

Check = Callable[[re.Match[str]], bool]


class TextRule(NamedTuple):
    """A pattern of a secret: the whole match or its group `secret`, if `is_secret` accepts the match.

    `hints` are lower-case words, without quotation marks; a text without any of them can't match and is not searched.
    Each match also has one of the texts `exact`, if there are some. With `starts` it begins with such a text or a hint.
    """

    name: str
    regex: str | re.Pattern[str] | BoundedPattern
    hints: tuple[str, ...] = ()
    is_secret: Check | None = None
    starts: bool = False
    exact: tuple[str, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str] | BoundedPattern:
        """The compiled pattern. To compile all takes 0.1 s, and most texts hold few hints."""
        return self.regex if isinstance(self.regex, BoundedPattern) else _compiled(self.regex)


@cache
def _compiled(regex: str | re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(regex)


_LONGEST_NAME = 60
_IN_NAMES = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
_SHORTEST_LITERAL, _LONGEST_LITERAL = 10, 256
_SHORTEST_BARE = 16
_SHORTEST_PASSWORD = 8
_ABRIDGED = ("...", "…")
# A part that a program fills in, as in `"Bearer {token}"`, `"<your key>"` or `"${KEY}"`.
_TEMPLATE = re.compile(r"[{(\[<].*[})\]>]")
# An attribute, as in `private_key: x25519.X25519PrivateKey`.
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_DIGIT = re.compile(r"\d")
_ALPHANUMERIC = r"[A-Za-z0-9]"
_WORD = r"[A-Za-z0-9_-]"
_HEX = r"[0-9a-f]"


def _random_rest(match: re.Match[str]) -> bool:
    return is_random(match["rest"])


def _key(
    name: str, prefixes: str, rest: str = _WORD + "{16,}", *, anywhere: bool = False, certain: bool = False
) -> TextRule:
    """A rule for keys that begin with one of these prefixes; `certain` if only keys have this form."""
    alternatives = prefixes.split()
    written = [re.escape(prefix) for prefix in alternatives]
    if not anywhere:
        # The look-behind follows the prefix, since `re` is fast for patterns that begin with a literal.
        written = [f"{prefix}(?<![A-Za-z0-9]{prefix})" for prefix in written]
    pattern = f"(?:{'|'.join(written)})(?P<rest>{rest})"
    hints = tuple(prefix.lower() for prefix in alternatives)
    return TextRule(name, pattern, hints, None if certain else _random_rest, True, tuple(alternatives))


_KEYS = (
    _key("Anthropic key", "sk-ant-", _WORD + "{8,}", anywhere=True),
    _key("OpenAI key", "sk-proj- sk-svcacct- sk-admin- sk-or-v1-", anywhere=True),
    # OpenAI, DeepSeek, Moonshot, DashScope, Langfuse, LiteLLM and others issue these.
    _key("sk- key", "sk-"),
    _key("OpenAI key", "ek_ sess-", _ALPHANUMERIC + "{20,}"),
    _key("OpenAI organisation", "org-", _ALPHANUMERIC + "{16,}"),
    _key("OpenAI project", "proj_", _ALPHANUMERIC + "{16,}"),
    _key("Google key", "AIza", _WORD + "{30,}", certain=True),
    _key("Google key", "AQ.Ab", _WORD + "{20,}"),
    _key("Google OAuth token", "ya29.", r"[A-Za-z0-9_.-]{16,}", anywhere=True),
    _key("Google OAuth secret", "GOCSPX-", anywhere=True),
    _key("AWS access key", "AKIA ASIA ABIA ACCA", r"[A-Z0-9]{16}(?![A-Za-z0-9])", certain=True),
    _key("AWS session token", "IQoJb3JpZ2luX2Vj FwoGZXIvYXdzE", r"[A-Za-z0-9+/]{40,}={0,2}"),
    _key("Bedrock key", "ABSK", r"[A-Za-z0-9+/]{40,}={0,2}"),
    _key("Bedrock key", "bedrock-api-key-", r"[A-Za-z0-9+/=_-]{16,}", anywhere=True),
    _key("Groq key", "gsk_"),
    _key("xAI key", "xai-", _ALPHANUMERIC + "{20,}"),
    _key("Cerebras key", "csk-"),
    _key("Pinecone key", "pcsk_", r"[A-Za-z0-9_]{16,}"),
    _key("Voyage key", "pa- al-", _WORD + "{40,}"),
    _key("Jina key", "jina_", _ALPHANUMERIC + "{20,}"),
    _key("ElevenLabs key", "sk_", _HEX + "{40,}"),
    _key("Hugging Face token", "hf_ api_org_", _ALPHANUMERIC + "{20,}"),
    _key("Replicate token", "r8_", _ALPHANUMERIC + "{20,}"),
    _key("Perplexity key", "pplx-", _ALPHANUMERIC + "{20,}"),
    _key("Fireworks key", "fw_", _ALPHANUMERIC + "{20,}"),
    _key("Together key", "tgp_v1_"),
    _key("Anyscale key", "esecret_", _ALPHANUMERIC + "{16,}"),
    _key("NVIDIA key", "nvapi-", anywhere=True),
    _key("Databricks token", "dapi dose", _HEX + r"{32}(?:-\d)?"),
    _key("LangSmith key", "lsv2_pt_ lsv2_sk_", anywhere=True),
    _key("Tavily key", "tvly-"),
    _key("Firecrawl key", "fc-", _HEX + "{32}(?![0-9a-f])"),
    _key("Tencent key", "AKID", _ALPHANUMERIC + "{32}(?![A-Za-z0-9])"),
    _key("Alibaba key", "LTAI", _ALPHANUMERIC + "{12,24}(?![A-Za-z0-9])"),
    _key("Baidu key", "bce-v3/ALTAK-", r"[A-Za-z0-9/]{20,}", anywhere=True),
    _key("Vault token", "hvs. hvb. hvr.", _WORD + "{20,}"),
    _key("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", _HEX + "{40,}"),
    _key("age key", "AGE-SECRET-KEY-1", r"[A-Z0-9]{40,}", anywhere=True, certain=True),
    _key("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"[A-Za-z0-9_]{20,}"),
    _key("GitLab token", "glpat- gldt- glrt- glptt- glcbt- glsoat-", r"[A-Za-z0-9_.-]{16,}"),
    _key("Slack token", "xoxb- xoxa- xoxp- xoxr- xoxs- xoxe- xoxe. xapp-", r"[A-Za-z0-9.-]{10,}"),
    _key("Stripe key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", _ALPHANUMERIC + "{16,}"),
    _key("SendGrid key", "SG.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _key("Twilio key", "SK", _HEX + "{32}(?![A-Za-z0-9])"),
    _key("HubSpot token", "pat-na1- pat-na2- pat-eu1-", r"[0-9a-f-]{30,}"),
    _key("Shopify token", "shpat_ shpca_ shppa_ shpss_", _HEX + "{32}"),
    _key("Square token", "sq0atp- sq0csp- EAAA", _WORD + "{20,}"),
    _key("Atlassian token", "ATATT3", r"[A-Za-z0-9_=-]{40,}"),
    _key("Notion token", "ntn_ secret_", _ALPHANUMERIC + "{40,}"),
    _key("Linear key", "lin_api_ lin_oauth_", _ALPHANUMERIC + "{30,}"),
    _key("Grafana token", "glc_ glsa_", r"[A-Za-z0-9+/_]{30,}={0,2}"),
    _key("Sentry token", "sntrys_ sntryu_", r"[A-Za-z0-9+/=_]{30,}"),
    _key("Supabase key", "sbp_ sb_secret_"),
    _key("Postman key", "PMAK-", r"[0-9a-f-]{40,}"),
    _key("New Relic key", "NRAK-", r"[A-Z0-9]{27}"),
    _key("Doppler token", "dp.pt. dp.st. dp.ct. dp.sa.", r"[A-Za-z0-9_.-]{30,}"),
    _key("Fly token", "fo1_ fm1_ fm2_", r"[A-Za-z0-9+/=_-]{30,}"),
    _key("PlanetScale token", "pscale_tkn_ pscale_pw_ pscale_oauth_", r"[A-Za-z0-9_.=-]{30,}"),
    _key("Pulumi token", "pul-", _HEX + "{40}"),
    _key("Brevo key", "xkeysib-", r"[0-9a-f]{40,}[A-Za-z0-9-]*"),
    _key("Mailgun key", "key-", _HEX + "{32}(?![0-9a-f])"),
    _key("npm token", "npm_", _ALPHANUMERIC + "{30,}"),
    _key("RubyGems key", "rubygems_", _HEX + "{40,}"),
    _key("Docker token", "dckr_pat_ dckr_oat_"),
    _key("Figma token", "figd_ figu_"),
    _key("Apify token", "apify_api_", _ALPHANUMERIC + "{30,}"),
    _key("PostHog key", "phx_", _ALPHANUMERIC + "{40,}"),
    _key("Tailscale key", "tskey-auth- tskey-api- tskey-client-"),
    _key("1Password token", "ops_eyJ", _WORD + "{40,}", anywhere=True),
    _key("Cohere key", "co_", _ALPHANUMERIC + "{36,}"),
    _key("Exa key", "exa-", _ALPHANUMERIC + "{20,}"),
    _key("Cloudflare token", "cfk_ cfut_ cfat_", _ALPHANUMERIC + "{40}" + _HEX + "{8}"),
    _key("Render key", "rnd_", _ALPHANUMERIC + "{24,}"),
    _key("Vercel token", "vercel_ vcp_ vci_ vca_ vcr_ vck_", _ALPHANUMERIC + "{24,}"),
    _key("Vercel token", "vercel_blob_rw_", r"[A-Za-z0-9_]{30,}", anywhere=True),
    _key("Netlify token", "nfp_", _ALPHANUMERIC + "{36,}"),
    _key("Neon key", "napi_", _ALPHANUMERIC + "{40,}"),
    _key("Heroku key", "HRKU-", _WORD + "{36,}"),
    _key("Airtable token", "pat", r"[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    _key("Mapbox token", "sk.eyJ", r"[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{16,}", anywhere=True),
    _key("E2B key", "e2b_", _HEX + "{40}"),
    _key("LlamaCloud key", "llx-", _ALPHANUMERIC + "{40,}"),
    _key("RunPod key", "rpa_", _ALPHANUMERIC + "{30,}"),
    _key("Mem0 key", "m0-", _ALPHANUMERIC + "{36,}"),
    _key("Cartesia key", "sk_car_", _ALPHANUMERIC + "{20,}"),
    _key("Browserbase key", "bb_live_ bb_test_", _WORD + "{20,}"),
    _key("Weights & Biases key", "wandb_v1_", r"[A-Za-z0-9_]{40,}"),
    _key("Resend key", "re_", _ALPHANUMERIC + "{8}_" + _ALPHANUMERIC + "{20,}"),
    _key("PyPI token", "pypi-AgE", anywhere=True),
)


def _is_private_key(match: re.Match[str]) -> bool:
    """Whether base64 follows; code that looks for keys has only their first line."""
    return len(_BASE64.sub("", match["body"])) >= 24


_BASE64 = re.compile(r"\\+[nr]|[^A-Za-z0-9+/=]+|-")


def _is_named(match: re.Match[str]) -> bool:
    """Whether the identifier that ends in the matched word names a secret, and a value follows."""
    text, end = match.string, match.start()
    before = text[max(0, end - _LONGEST_NAME) : end]
    outside = before.rstrip(_IN_NAMES)
    name = before[len(outside) :] + match["word"]
    if match["space"] is not None and not (name.startswith("--") or outside.endswith("ENV ")):
        return False
    # `token` alone is an ordinary word; the form of its value decides.
    return is_secret_name(name, "member") or name.lower().lstrip("-") in ("token", "pwd")


def _is_named_value(match: re.Match[str]) -> bool:
    """Whether the text after a secret name is a value, not the next word of a sentence."""
    return _is_named(match) and bool(
        match["quote"] or match["space"] or match["equals"] or _DIGIT.search(match["secret"])
    )


def _is_named_secret(match: re.Match[str]) -> bool:
    """Whether the value after a secret name is a random literal: not an expression, a word or a template."""
    value = match["secret"]
    if not _is_named(match) or "://" in value or value[0] in "/.~$" or value.endswith(_ABRIDGED):
        return False
    if match["quote"]:
        literal = _TEMPLATE.sub("", value[:_LONGEST_LITERAL])
        return len(literal) >= _SHORTEST_LITERAL and is_random(literal)
    between = match.string[match.end("word") : match.start("secret")]
    return (
        len(value) >= _SHORTEST_BARE
        and (":" not in between or between[-1].isspace() or "=" in between)
        and match.string[match.end() : match.end() + 1] not in ("(", "[")
        and not _DOTTED.fullmatch(value)
        and is_random(value, least=4, length=4)
    )


def _is_secret_parameter(match: re.Match[str]) -> bool:
    return is_secret_parameter(match["name"])


_PARAMETER = r"[?&](?P<name>[A-Za-z0-9_.%-]{1,60})=(?P<secret>[^&\s\"'<>\\#]{4,})"
_WORDS = (
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "authorization",
    "credential",
)


def _any_case(*words: str) -> str:
    """A pattern for words in the cases that code uses; `re.IGNORECASE` is slower."""
    return "|".join(f"[{word[0]}{word[0].upper()}]{word[1:]}|{word.upper()}" for word in words)


# A name, maybe a type, an operator of one of many languages, and a literal; its quotes may be escaped, as in JSON
# inside a JSON string.
_NAMED = (
    rf"(?P<word>(?:{_any_case(*_WORDS)})(?:_?(?i:id)|_?\d{{1,3}})?)"
    r"(?:\\*[\"'`\]]){0,2}"
    r"(?:\s{0,8}(?:(?P<equals>(?::?\s{0,8}[A-Za-z][\w.]{0,30}\s{0,8})?=>?|:=)|:)\s{0,8}|(?P<space>\s{1,4}))"
    r"(?P<quote>\\*[\"'`])?(?:(?i:bearer|basic|token)\s{1,8})?"
    # A literal in quotes ends at a quote, any other where the next value may begin.
    r"(?P<secret>(?(quote)[^\s\"'`\\]{4,}|[^\s\"'`\\<>(){}\[\],;&]{4,}))"
)


def _is_url_secret(match: re.Match[str]) -> bool:
    """Whether a URL holds a password, and not only a user (ssh://git@), a template or a placeholder."""
    user, colon, password = unquote(match["secret"]).partition(":")
    if not colon:
        return len(user) >= _SHORTEST_BARE and is_random(user) and not match.string.endswith("ssh", 0, match.start())
    if password == user or is_placeholder(password) or _STAND_IN.search(password):
        return False
    return len(password) >= _SHORTEST_PASSWORD or _DIGIT.search(password) is not None


def is_placeholder(value: str) -> bool:
    """Whether a value is a placeholder, as recorders write it: `<REDACTED>`, `test_openai_api_key`, `****`."""
    words = _PLAIN_WORD.findall(value.lower())
    return not any(char.isdigit() for char in value) and (not words or any(word in _PLACEHOLDERS for word in words))


_STAND_IN = re.compile(r"(?i)^\D*(?:password|secret|token)$")
_PLAIN_WORD = re.compile(r"[a-z]+")
_PLACEHOLDERS = frozenset(
    [
        *("changeme", "dummy", "empty", "example", "fake", "filtered", "hidden", "masked", "mock", "none", "null"),
        *("pass", "passwd", "password", "placeholder", "pwd", "redacted", "removed", "sanitized", "scrubbed"),
        *("secret", "test", "xxx", "your"),
    ]
)

_SHAPES = (
    TextRule(
        "private key",
        (
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?P<body>(?>(?:[^\"-]++|-(?!----))*))"
            r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
        ("private key",),
        _is_private_key,
    ),
    # Some providers show a masked key in an error.
    TextRule(
        "masked key",
        (
            r"(?<![A-Za-z0-9_-])(?:[a-z]{2,8}[-_][A-Za-z0-9_-]{0,60}\*{4,200}|[A-Za-z0-9_-]{2,60}\*{8,200})[A-Za-z0-9_-]{2,80}"
        ),
        ("****",),
    ),
    TextRule(
        "AWS signature",
        r"(?i)signature(?<![a-z0-9]signature)[=:]\s{0,8}(?P<secret>[0-9a-f]{64})",
        ("signature",),
        starts=True,
    ),
    TextRule(
        "Slack webhook",
        r"hooks\.slack\.com/services/(?P<secret>(?P<rest>[A-Za-z0-9_/]{20,}))",
        ("hooks.slack.com",),
        _random_rest,
        starts=True,
    ),
    TextRule(
        "Discord webhook",
        r"discord(?:app)?\.com/api/webhooks/\d{16,20}/(?P<secret>(?P<rest>[A-Za-z0-9_-]{60,}))",
        ("discord",),
        _random_rest,
        starts=True,
    ),
    TextRule(
        "Azure client secret",
        r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}\dQ~(?P<rest>[A-Za-z0-9_~.-]{31,34})",
        ("q~",),
        _random_rest,
    ),
    TextRule(
        "Azure key",
        r"(?<![A-Za-z0-9])[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{27}",
        ("jqqj9",),
        exact=("JQQJ9",),
    ),
    TextRule(
        "Vault token",
        r"s\.(?<![A-Za-z0-9._-]s\.)(?P<rest>[A-Za-z0-9]{24})(?![A-Za-z0-9])",
        ("s.",),
        _random_rest,
        starts=True,
    ),
    TextRule("Telegram token", r"(?<![A-Za-z0-9])\d{8,10}:AA(?P<rest>[A-Za-z0-9_-]{33})", (":aa",), _random_rest),
    TextRule(
        "JSON web token",
        r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        ("eyj",),
        starts=True,
    ),
    TextRule(
        "credentials",
        rf"(?:{_any_case('bearer', 'basic')})\s{{1,8}}(?P<secret>(?P<rest>[A-Za-z0-9._~+/-]{{12,}}=*))",
        ("bearer", "basic"),
        _random_rest,
        starts=True,
    ),
    TextRule(
        "URL credentials",
        r"://(?<=[A-Za-z0-9+.-]://)(?P<secret>[^\s/?#\"'`<>\\${}()\[\]|*,]{1,400})@(?=[^\s@])",
        ("://",),
        _is_url_secret,
        starts=True,
    ),
)

TEXT_RULES = (
    *_KEYS,
    *_SHAPES,
    TextRule("named secret", _NAMED, _WORDS, _is_named_secret, starts=True),
    TextRule(
        "URL key",
        _PARAMETER,
        ("?", "&"),
        lambda match: _is_secret_parameter(match) and len(match["secret"]) >= 8 and is_random(match["secret"]),
        starts=True,
    ),
)
# In messages and URLs the name is enough, since nothing replays them.
NAME_RULES = (
    TextRule("named secret", _NAMED, _WORDS, _is_named_value, starts=True),
    TextRule("URL key", _PARAMETER, ("?", "&"), _is_secret_parameter, starts=True),
)
