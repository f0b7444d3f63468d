"""Report page: the console's page with its data inside, in one file that requests nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Final

_LINK: Final = re.compile(r'<link rel="(icon|stylesheet)" href="console/([\w.-]+)">')
_SCRIPT: Final = re.compile(r'<script type="module" src="console/([\w.-]+)"></script>')
_NOSCRIPT: Final = re.compile(r"<noscript>.*?</noscript>", re.DOTALL)
# Modules of data: URLs have no folder, so that they can't name another one relative to themselves.
_IMPORT: Final = re.compile(r'((?:from|import)\s*)"\./([\w.-]+\.js)"')
_MODULES: Final = "tokentape/"

# In a script element JSON must not end it or begin a comment; U+2028 and U+2029 end lines in old JavaScript.
_ESCAPED: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def report_page(data: str) -> str:
    """The page that shows this JSON: the value of the element `tokentape-report`."""
    begin, end = _page()
    return f'{begin}<script type="application/json" id="tokentape-report">{data.translate(_ESCAPED)}</script>{end}'


@cache
def _page() -> tuple[str, str]:
    """The page before its data and after it."""
    modules: dict[str, str] = {}
    hashes: dict[str, list[str]] = {"script": [], "style": []}

    def inline(kind: str, attributes: str, content: str) -> str:
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
        return f"<{kind}{attributes}>{content}</{kind}>"

    def link(found: re.Match[str]) -> str:
        kind, name = found.groups()
        content = _file(name)
        if kind == "stylesheet":
            return inline("style", "", content.replace("</style", "<\\/style"))
        return f'<link rel="icon" href="{_data_url("image/svg+xml", content)}">'

    def script(found: re.Match[str]) -> str:
        _add_module(modules, found[1])
        imports = inline("script", ' type="importmap"', json.dumps({"imports": modules}))
        return imports + inline("script", ' type="module"', f'import "{_MODULES}{found[1]}";')

    page = _SCRIPT.sub(script, _LINK.sub(link, _file("index.html")))
    page = _NOSCRIPT.sub("<noscript>This report needs JavaScript.</noscript>", page)
    policy = (
        f"default-src 'none'; script-src {' '.join(hashes['script'])} data:; style-src {' '.join(hashes['style'])}; "
        "img-src data:; form-action 'none'; base-uri 'none'"
    )
    page = page.replace("<head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{policy}">', 1)
    begin, body, end = page.partition("<body>")
    return begin + body, end


def _add_module(modules: dict[str, str], name: str) -> None:
    """Add a module, and those that it imports."""
    source = _file(name)
    modules[_MODULES + name] = ""
    for _, imported in _IMPORT.findall(source):
        if _MODULES + imported not in modules:
            _add_module(modules, imported)
    modules[_MODULES + name] = _data_url("text/javascript", _IMPORT.sub(rf'\1"{_MODULES}\2"', source))


def _data_url(kind: str, content: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content.encode()).decode()}"


def _file(name: str) -> str:
    return files("tokentape_fake_provider.control").joinpath("console", name).read_text(encoding="utf-8")
