"""record: a recording proxy, for one command or until it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tokentape_harness.cassettes.gc_paused import gc_paused
from tokentape_harness.cli.hidden_packages import hidden
from tokentape_harness.cli.messages import FAILED, counted, print_error
from tokentape_harness.cli.options import (
    AllowedOrigins,
    AllowOrigin,
    IgnorePaths,
    IgnoreTexts,
    NoNormalise,
    RedactHeaders,
    RedactPaths,
    RedactTexts,
    ignored_parts,
    redaction_rules,
)
from tokentape_harness.errors import UsageError

if TYPE_CHECKING:
    from tokentape_harness.recording.proxy import RecordingProxy

# vcrpy imports clients to patch them, and the proxy's own client trio: 0.4 s of CPU.
_UNUSED: Final = (
    *("aiohttp", "botocore", "httplib2", "httpx", "httpx_curl_cffi", "requests", "tornado", "urllib3"),
    "trio",
)

# A shell's exit codes.
_NOT_RUNNABLE, _NOT_FOUND, _SIGNALLED = 126, 127, 128

_LEAVING_S = 1.0
_SWITCH_S = 0.0005

# A terminal that is closed sends it.
_HANGUP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()


def record(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("--cassettes", metavar="DIR", help="The folder to record to: a cassette for each provider.")
    ],
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND]...",
            help="The program to run, in any language. {openai}, {anthropic}, {google} and so on become base URLs.",
        ),
    ] = None,
    upstreams: Annotated[
        list[str] | None,
        typer.Option(
            "--upstream",
            metavar="NAME=URL",
            help="Upstream of the requests below /NAME, such as openai=URL; repeatable.",
        ),
    ] = None,
    mode: Annotated[
        str, typer.Option(help="As in vcrpy: new_episodes, all (record again), none (only replay) or once.")
    ] = "new_episodes",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="S", help="How long a provider may be silent, in s. [default: no limit]"),
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Replay in recorded time; 2 is twice as fast. [default: at once]")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="The age, such as 30d, after which a recording is to be recorded again."),
    ] = None,
    allow_unmatched: Annotated[
        bool,
        typer.Option(
            "--allow-unmatched", help="Don't fail if requests had no recording: exit with the command's code."
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="List all that differs in requests without a recording, and the flags that help."
        ),
    ] = False,
    redact_header: RedactHeaders = None,
    redact_path: RedactPaths = None,
    redact_text: RedactTexts = None,
    no_normalise: NoNormalise = None,
    ignore_path: IgnorePaths = None,
    ignore_text: IgnoreTexts = None,
    allowed_origins: AllowedOrigins = None,
    allow_origin: AllowOrigin = None,
) -> int:
    """Run the command against the proxy and give its exit code; without one, stay up until interrupted.

    The exit code of a command that succeeds becomes 1 if requests had no recording.

    Raises `UsageError`, `CassetteError`, `PortInUseError`.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file: give a folder for the cassettes")
    # In a process of others, such as tests, the packages may be needed later.
    unused = () if context.obj is not True else _UNUSED if mode != "none" else (*_UNUSED, "httpx2")
    with gc_paused(), hidden(unused):
        from tokentape_harness.recording.proxy import RecordingProxy, recorded_upstreams, upstreams_of
        from tokentape_harness.recording.proxy.signing import is_aws
        from tokentape_harness.redaction import secrets_of_environment

        if mode != "none":
            import tokentape_harness.recording.proxy.forwarder  # noqa: F401
    if context.obj is True:
        # Threads that compare long requests let the event loop run sooner. On a busy machine, ten streams that began
        # together were recorded late by half as much (measured).
        sys.setswitchinterval(_SWITCH_S)
    known = upstreams_of(upstreams or (), os.environ)
    if mode == "none":
        known = recorded_upstreams(folder) | known
    # The command's keys are redacted wherever they appear.
    rules = redaction_rules(redact_header, redact_path, redact_text).adding(secrets=secrets_of_environment(os.environ))
    proxy = RecordingProxy(
        known,
        folder,
        mode=mode,
        port=port,
        timeout=timeout,
        speed=speed,
        rules=rules,
        expires=expires,
        normalise=ignored_parts(no_normalise, ignore_path, ignore_text),
        allowed_origins=[*(allowed_origins or ()), *(allow_origin or ())],
        explains=explain,
        report=print_error,
    )
    if command:
        # Until all is saved a signal does not end this process.
        with _Signals() as signals, proxy:
            code = _run(proxy.command(command), proxy.environment(os.environ), signals)
            # The proxy notices in a moment that the command has ended, unless a child process still reads.
            proxy.wait_until_idle(_LEAVING_S)
        if not proxy.requested and code not in (_NOT_RUNNABLE, _NOT_FOUND):
            done = "replayed" if mode == "none" else "recorded"
            print_error(
                f"warning: {Path(command[0]).name} sent no request to the proxy, so nothing was {done}: if it does not "
                "read OPENAI_BASE_URL and its kin, give it the base URL by a placeholder such as {openai} in COMMAND "
                "(docs/agents.md)"
            )
        return _closed(proxy, code, allow_unmatched=allow_unmatched)
    stop = threading.Event()
    with _handling((signal.SIGINT, signal.SIGTERM, *_HANGUP), lambda *_: stop.set()), proxy:
        bases = {
            f"{proxy.own_url if is_aws(upstream.url) else proxy.url}/{name}{upstream.ending}": upstream
            for name, upstream in known.items()
        }
        width = max(map(len, bases))
        print(f"tokentape records to {folder} (mode {mode}) at {proxy.url}")
        for base, upstream in bases.items():
            print(f"  {base:{width}}  {upstream.url}{upstream.ending}")
        print("Ctrl-C stops it.", flush=True)
        # Without a timeout the wait can't be interrupted on Windows.
        while not stop.wait(0.5):
            pass
    return _closed(proxy, 0, allow_unmatched=allow_unmatched)


def _closed(proxy: RecordingProxy, code: int, *, allow_unmatched: bool) -> int:
    """Print what was recorded and replayed, and return the exit code."""
    for name, totals in proxy.totals.items():
        print_error(f"{name}: {totals}")
    unmatched = sum(totals.unmatched for totals in proxy.totals.values())
    if code or not unmatched or allow_unmatched:
        return code
    print_error(
        f"failed: {counted(unmatched, 'request')} had no recording "
        "(--mode new_episodes records them, --allow-unmatched accepts them)"
    )
    return FAILED


def _run(command: Sequence[str], environment: Mapping[str, str], signals: _Signals) -> int:
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
    except FileNotFoundError:
        print_error(f"{command[0]}: no such command")
        return _NOT_FOUND
    except OSError as error:
        print_error(f"{command[0]}: can't be run ({error.strerror or error})")
        return _NOT_RUNNABLE
    signals.forward_to(process)
    code = process.wait()
    return _SIGNALLED - code if code < 0 else code


class _Signals:
    """Forwards signals that would end this process to the command: the command decides, and its recordings are kept."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        # A signal that is ignored stays ignored: Ctrl-C in a background job, a hang-up under nohup.
        ends = [number for number in (signal.SIGINT, *_HANGUP) if signal.getsignal(number) is not signal.SIG_IGN]
        self._handling = _handling((*ends, signal.SIGTERM), self._take)

    def forward_to(self, process: subprocess.Popen[bytes]) -> None:
        """Forward signals to the running command, and those that arrived before it started."""
        self._process = process
        for number in self._early:
            process.send_signal(number)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        elif number != signal.SIGINT or not _reaches_all():
            self._process.send_signal(number)

    def __enter__(self) -> _Signals:
        self._handling.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._handling.__exit__(None, None, None)


def _reaches_all() -> bool:
    """Whether Ctrl-C, typed at this process's terminal, reaches the command by itself."""
    try:
        with Path("/dev/tty").open("rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except (OSError, AttributeError):
        return sys.platform == "win32"


@contextmanager
def _handling(numbers: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
