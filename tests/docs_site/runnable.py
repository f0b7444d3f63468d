"""A page as a program: its files are written and its commands run, in order, in an empty folder, as a reader would.

A block with a title is a file. A console block has commands behind `$`; lines below one are its output, where `...`
stands for anything. Without any `$` each line is a command. A comment before a block may say what is different:
`<!-- exit code: 1 -->` for its last command, `<!-- not run: WHY -->`. A comment `<!-- first: COMMANDS -->` has what a
reader of the page has already: packages, an app, recordings; `$GIVEN` is the folder given/ beside this module,
`$REPOSITORY` the repository. Every other block that could run must have a title, with commands after it, or be one that
a test of the page takes; else the page is refused.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- (?P<remark>[^\n]*?) -->\n+)?^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_FIRST = re.compile(r"^<!-- first: (.*?) -->$", re.DOTALL | re.MULTILINE)
_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d{4,5}\b|(?<=localhost:)\d{4,5}\b|(?<=-port[ =])\d{4,5}\b")
_DEFAULT_PORT = "8089"
_TEXT = ("text",)
"""What is no code. A block without a language is refused."""
_END_S = 15
_FUNCTIONS = """
trap 'wait; exit 1' TERM
enter() { [ -d "$1" ] && export VIRTUAL_ENV=$1 PATH="$1/bin:${PATH#"$VIRTUAL_ENV/bin:"}"; }
enter "$VIRTUAL_ENV"
pip() { shift; enter "$($ENVIRONMENTS "$VIRTUAL_ENV" "$WHEEL" "$@")"; }
npm() { command npm "$@" --no-audit --no-fund --loglevel=error; }
provider() { # a fake provider at `--port N`, to which all SDKs are pointed
    tokentape serve "$@" --quiet >/dev/null 2>&1 & listens "$2"
    export OPENAI_BASE_URL="http://127.0.0.1:$2/v1" ANTHROPIC_BASE_URL="http://127.0.0.1:$2"
    export OPENAI_API_KEY=any ANTHROPIC_API_KEY=any
}
one_case() { # the suites of conformance, which take long, run one case
    tokentape() {
        case $1 in
            conformance) command tokentape "${@:1:3}" --case "$(case_of "$2")" "${@:4}" ;;
            *) command tokentape "$@" ;;
        esac
    }
    pytest() { command pytest "$@" -k "$(case_of "$4")"; }
}
case_of() {
    case $1 in
        iterator) echo iterator/text/as-pieces ;;
        provider) echo provider/stream/ends ;;
        pipeline) echo pipeline/order/once ;;
        telemetry) echo telemetry/usage/tokens ;;
    esac
}
listens() { for _ in {1..300}; do (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; return 1; }
"""


@dataclass(frozen=True)
class Block:
    """A fenced block, and the remark before it."""

    language: str
    title: str
    text: str
    remark: str


@dataclass(frozen=True)
class Command:
    """A command, the lines that the page shows of its output, and the exit code it should have."""

    line: str
    output: str
    code: int


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page."""
    return [_block(one) for one in _BLOCK.finditer(page)]


def steps(page: str, taken: Container[str] = ()) -> Iterator[Block | Command]:
    """The files and the commands of a page, in order, but for blocks that a test of the page takes.

    Raises `ValueError` if a block could run but does not.
    """
    unused = None
    for one in sorted([*_FIRST.finditer(page), *_BLOCK.finditer(page)], key=re.Match.start):
        if one.re is _FIRST:
            yield Command(one[1], "", 0)
            continue
        block = _block(one)
        if block.remark.startswith("not run: ") or block.text in taken or block.language in _TEXT:
            continue
        if block.title:
            yield block
            unused = block
        elif block.language == "console":
            yield from _commands(block)
            unused = None
        else:
            raise ValueError(f"a block of {block.language or 'no language'} without a title: {block.text[:80]!r}")
    if unused:
        raise ValueError(f"no command after the file {unused.title}")


def _block(found: re.Match[str]) -> Block:
    return Block(found["language"], found["title"] or "", found["text"], found["remark"] or "")


def _commands(block: Block) -> Iterator[Command]:
    text = (
        block.text
        if re.search(r"^\$ ", block.text, re.MULTILINE)
        else re.sub(r"^(?=.)", "$ ", block.text, flags=re.MULTILINE)
    )
    found = re.findall(r"^\$ (.*(?:(?<=\\)\n.*)*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    code = int(block.remark.partition("exit code: ")[2] or 0)
    for number, (line, output) in enumerate(found, 1):
        yield Command(line, output, code if number == len(found) else 0)


def run_page(
    page: str,
    folder: Path,
    environment: dict[str, str],
    taken: Container[str] = (),
    ended: Callable[[subprocess.Popen[bytes]], object] = lambda shell: shell.wait(300),
) -> list[str]:
    """Run a page in a folder; return what differs from what it shows.

    `ended` waits for the shell; it raises `subprocess.TimeoutExpired` where that takes too long.
    """
    found = list(_with_free_ports(list(steps(page, taken))))
    script = _FUNCTIONS
    commands: list[Command] = []
    for one in found:
        if isinstance(one, Block):
            script += f"mkdir -p {shlex.quote(str(Path(one.title).parent))}\n"
            script += f"cat >{shlex.quote(one.title)} <<'@@END@@'\n{one.text}@@END@@\n"
        else:
            script += _script_of(one, len(commands))
            commands.append(one)
    # A file keeps what is printed even by what still runs, and ends no reader.
    log = folder / ".page.log"
    with log.open("wb") as output:
        shell = subprocess.Popen(
            ("bash", "-c", script), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            ended(shell)
        except subprocess.TimeoutExpired:  # what did not end is a difference
            os.killpg(shell.pid, signal.SIGTERM)  # each command ends its own, which may be in groups of their own
            with suppress(subprocess.TimeoutExpired):
                shell.wait(_END_S)
        finally:
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    return list(_differences(commands, log.read_text()))


def _script_of(command: Command, number: int) -> str:
    line = re.sub(r"&\s+#.*$", "&", command.line)
    if background := line.endswith("&"):
        line = f"{line[:-1]} >.background-{number}.log 2>&1 &"
        if port := _PORT.search(line):
            line += f" listens {port[0]} || cat .background-{number}.log"
    status = 0 if background else "$?"
    return f"\nprintf '\\n@@ {number}\\n'\n{line}\nprintf '\\n@@= %s\\n' {status}\n"


def _differences(commands: list[Command], log: str) -> Iterator[str]:
    parts = dict(re.findall(r"^@@ (\d+)\n(.*?)(?=^@@ |\Z)", log, re.DOTALL | re.MULTILINE))
    for number, command in enumerate(commands):
        printed, _, status = parts.get(str(number), "").rpartition("\n@@= ")
        if status.strip() != str(command.code):
            yield f"$ {command.line}\nended with {status.strip() or 'nothing'}, not {command.code}:\n{printed}"
        elif command.output.strip() and not _pattern(command.output).fullmatch(f"{printed.strip()}\n"):
            yield f"$ {command.line}\nprinted\n{printed}\n\nnot\n{command.output}"


def _pattern(shown: str) -> re.Pattern[str]:
    return re.compile("".join(_line(line) for line in shown.strip().splitlines()))


def _line(shown: str) -> str:
    if shown.strip() == "...":
        return r"(?:.*\n)*?"  # any lines, or none
    return re.escape(shown.rstrip()).replace(r"\.\.\.", ".*") + r"[ ]*\n"


def _with_free_ports(found: list[Block | Command]) -> Iterator[Block | Command]:
    """The steps with free ports in the place of those that they name, `serve` has its default one too."""
    text = "".join(one.text if isinstance(one, Block) else _with_port(one.line) for one in found)
    free = dict(zip(sorted(set(_PORT.findall(text))), _free_ports(), strict=False))
    named = re.compile("|".join(rf"\b{port}\b" for port in free) or "(?!)")

    def moved(text: str) -> str:
        return named.sub(lambda port: free[port[0]], text)

    for one in found:
        if isinstance(one, Block):
            yield replace(one, text=moved(one.text))
        else:
            yield replace(one, line=moved(_with_port(one.line)), output=moved(one.output))


def _free_ports() -> Iterator[str]:
    """Ports that nobody listens on, that the system gives to no connection, and other pages hardly choose."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 12_000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            yield str(port)


def _with_port(command: str) -> str:
    command = re.sub(r"(\btokentape serve(?![^\n]*--port)(?! --help)\b)", rf"\1 --port {_DEFAULT_PORT}", command)
    return re.sub(r"\btokentape console(?! http| --help)\b", rf"\g<0> http://127.0.0.1:{_DEFAULT_PORT}", command)
