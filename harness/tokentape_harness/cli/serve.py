"""serve: the fake provider in the foreground."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tokentape_fake_provider.answers.warm_up import warm_up
from tokentape_fake_provider.config import Worker
from tokentape_fake_provider.faults import as_faults, format_fault
from tokentape_fake_provider.hosting.gc_tuning import settle
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.http.loopback import is_loopback
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.redis_store.connection import StoreAddress
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.timing import Profile, parse_timing
from tokentape_fake_provider.wires import WIRES, wire_named
from tokentape_fake_provider.wires.openai_dialects import dialect_name
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cli.console import PAGE
from tokentape_harness.cli.messages import counted, print_error
from tokentape_harness.cli.options import (
    TIMINGS,
    AllowedOrigins,
    AllowOrigin,
    ApiKeys,
    FaultSpecs,
    IgnorePaths,
    IgnoreTexts,
    JsonLog,
    NoNormalise,
    Quiet,
    ignored_parts,
)
from tokentape_harness.cli.reload import reloader
from tokentape_harness.cli.request_log import request_log
from tokentape_harness.cli.serve_report import ServeReport
from tokentape_harness.cli.workers import free_port, interrupt_at_eof, run_workers
from tokentape_harness.errors import UsageError
from tokentape_harness.served_files import ServedFiles, State
from tokentape_harness.testing.exchange_tools import HarnessTools
from tokentape_harness.testing.lazy_recordings import lazy_recordings
from tokentape_harness.testing.recordings import load_recordings, recordings_as, recordings_of

# The most that macOS grants where there is no limit.
_CONNECTIONS = 10_240


def serve(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATHS]...", help="Rules files, cassettes, and folders of both; options win over rules files."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. The control API needs a token on any but a local address.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8089,
    timing: Annotated[
        str | None, typer.Option(metavar="SPEC", help=f"Timing of the stream: {TIMINGS}. [default: instant]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of ids, generated text and jitter. [default: 0]")] = None,
    strict: Annotated[
        bool | None,
        typer.Option("--strict/--no-strict", help="Refuse requests that no file answers, instead of generating text."),
    ] = None,
    validate: Annotated[
        bool | None,
        typer.Option("--validate/--no-validate", help="Refuse what the provider refuses, where no file answers."),
    ] = None,
    as_wires: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="W", help="Also serve the cassettes in this wire format; repeatable."),
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option(
            metavar="D", help="Send openai_chat in the dialect of azure, groq, mistral, openrouter, deepseek or xai."
        ),
    ] = None,
    dress: Annotated[str | None, typer.Option(hidden=True, help="The former name of --dialect.")] = None,
    faults: FaultSpecs = None,
    simulation: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="How the simulated model behaves where no cassette answers, such as tools=always,turns=2,words=200.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="TOKENTAPE_TOKEN",
            help="The token that the control API requires; without one it is off for other machines.",
        ),
    ] = None,
    api_keys: ApiKeys = None,
    no_normalise: NoNormalise = None,
    ignore_path: IgnorePaths = None,
    ignore_text: IgnoreTexts = None,
    allowed_origins: AllowedOrigins = None,
    allow_origin: AllowOrigin = None,
    quiet: Quiet = False,
    json_log: JsonLog = False,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Processes that answer on the port, each with the cassettes and settings; they share what changes if "
            "there is a --store.",
        ),
    ] = 1,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="TOKENTAPE_STORE",
            help="Redis or Valkey (redis://127.0.0.1:6379/0), in which all servers with this URL share their sessions.",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="List all that differs in requests that no recording answers, and the flags that help."
        ),
    ] = False,
    reload: Annotated[
        bool | None,
        typer.Option(
            "--reload/--no-reload",
            help="Read rules files and cassettes again when they change. [default: yes, without a --store]",
        ),
    ] = None,
    until_eof: Annotated[
        bool,
        typer.Option(
            "--until-eof",
            help="End when stdin ends, as it does with the program that started the server through a pipe.",
        ),
    ] = False,
) -> None:
    """Serve until interrupted. What the options set wins over the settings of rules files.

    Raises `RulesFileError`, `CassetteError`, `UsageError`, `TimingError`, `FaultError`, `SettingError`,
    `PortInUseError`, `UnknownWireError`, `UnknownDialectError`,
    `StoreUnavailableError`.
    """
    paths, as_wires, faults = paths or [], as_wires or [], faults or []
    dialect = dialect or dress
    normal = ignored_parts(no_normalise, ignore_path, ignore_text)
    given = {
        "timing": None if timing is None else parse_timing(timing, read_profile=_profile),
        "strict": strict,
        "seed": seed,
        "validate": validate,
        "dialect": None if dialect is None else dialect_name(dialect),
        "faults": as_faults(faults) or None,
        "simulation": simulation,
        "normalise": list(normal.classes) if no_normalise else None,
        "ignore_path": normal.ignore_path if ignore_path else None,
        "ignore_text": normal.ignore_text if ignore_text else None,
    }
    # A server answers the same request many times.
    defaults = SessionSettings(
        repeat=True, normalise=list(normal.classes), ignore_path=normal.ignore_path, ignore_text=normal.ignore_text
    )
    for wire in as_wires:
        wire_named(wire)
    if reload and store is not None:
        raise UsageError("--reload and --store: servers that share sessions can't change at once; start them again")
    reloads = store is None if reload is None else reload
    files = served_files(paths, as_wires, defaults, {name: value for name, value in given.items() if value is not None})
    state = files.load()
    for reason in state.skipped.values():
        print_error(f"warning: skipped: {reason}")
    _allow_many_connections()
    warm_up(simulated=not state.settings.strict)

    log = None if quiet else request_log(json_lines=json_log, secrets=[token or "", *(api_keys or ())])
    report = ServeReport(print_error, explain=explain) if state.recordings or explain else None

    def create(port: int, worker: Worker | None = None) -> FakeProviderServer:
        server = FakeProviderServer(
            host,
            port,
            settings=state.settings,
            allow_remote=True,
            folders=[path for path in paths if path.is_dir()],
            loader=load_recordings,
            tools=HarnessTools(),
            token=token,
            api_keys=api_keys or (),
            allowed_origins=[*(allowed_origins or ()), *(allow_origin or ())],
            worker=worker,
            store=store,
            ended=_each(log, report),
        )
        server.sessions.set_up(state.settings, state.setups)
        if report is not None:
            report.sessions = server.sessions
        return server

    def reloading(server: FakeProviderServer) -> contextlib.AbstractContextManager[object]:
        return reloader(files, server) if reloads and paths else contextlib.nullcontext()

    def announce(server: FakeProviderServer) -> None:
        if until_eof:
            interrupt_at_eof(0)
        _announce(server, state, timing, workers, None if store is None else StoreAddress(store))

    def work(worker: Worker, ready: Callable[[], None]) -> None:
        server = create(port, worker)
        if reloads and paths:
            reloader(files, server).check()  # it may replace another one, and the files changed since the start
        run(server, ready)

    def run(server: FakeProviderServer, ready: Callable[[], None]) -> None:
        with log or contextlib.nullcontext():
            _run(server, ready, reloading(server))
        if report is not None:
            for line in report.close():
                print_error(line)

    with contextlib.redirect_stdout(sys.stderr) if json_log else contextlib.nullcontext():
        if workers == 1:
            server = create(port)
            run(server, lambda: announce(server))
        else:
            port = free_port(host, port)
            unstarted = create(port)
            run_workers(workers, work, lambda: announce(unstarted))


def _each(*observers: Callable[[Entry], object] | None) -> Callable[[Entry], None]:
    """What calls each of these with a request that has ended."""
    known = [observer for observer in observers if observer is not None]

    def ended(entry: Entry) -> None:
        for observer in known:
            observer(entry)

    return ended


def _run(
    server: FakeProviderServer, ready: Callable[[], None], reloading: contextlib.AbstractContextManager[object]
) -> None:
    """Serve until SIGINT or SIGTERM; call `ready` once requests are answered."""
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with server:
            settle()
            ready()
            with reloading:
                # Without a timeout the wait can't be interrupted on Windows.
                while not stop.wait(0.5):
                    pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def served_files(
    paths: Sequence[Path],
    wires: Sequence[str] = (),
    settings: SessionSettings | None = None,
    options: Mapping[str, Any] | None = None,
) -> ServedFiles:
    """The files of these paths, with their recordings also in these wire formats.

    The responses of many files are read when they are requested, unless they are to be transcoded.
    """
    lazily = None if wires else partial(lazy_recordings, report=print_error)
    return ServedFiles(paths, read=partial(_read, wires=wires), read_lazily=lazily, settings=settings, options=options)


def _read(file: Path, wires: Sequence[str]) -> list[Recording]:
    cassette = read_cassette(file)
    found = recordings_of(cassette)
    for wire in wires:
        transcoded, losses = recordings_as(cassette, wire)
        found += transcoded
        if losses:
            print_error(f"note: {file} as {wire}: {len(losses)} losses; tokentape convert lists them")
    return found


def _allow_many_connections() -> None:
    """Raise the limit of open files: every stream is one, and the usual limit is 256 or 1,024."""
    if sys.platform == "win32":
        return  # its sockets are not files
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS if hard == resource.RLIM_INFINITY else min(_CONNECTIONS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _announce(
    server: FakeProviderServer, state: State, timing: str | None, workers: int, store: StoreAddress | None
) -> None:
    width = max(map(len, WIRES))
    print(f"tokentape serves a fake provider at {server.url}")
    for wire in WIRES:
        print(f"  {wire:{width}}  base URL {server.base_url(wire)}")
    if server.control and (workers == 1 or store is not None):
        print(f"  {'console':{width}}  {server.url}{PAGE}")
    if state.rules_files:
        print(f"  {counted(state.rules, 'rule')} of {', '.join(map(str, state.rules_files))}")
    kind = timing or msgspec.to_builtins(state.settings.timing)["type"]
    print(f"  {counted(state.recordings, 'recording')} of {counted(len(state.cassettes), 'cassette')}, timing {kind}")
    if store is not None:
        print(f"  sessions in {store.shown}, shared by {counted(workers, 'worker')} and all servers that use it")
    elif workers > 1:
        print(
            f"  {workers} workers, which share no state but their metrics: the control API, the journal and uploaded "
            "files need --store, or one process"
        )
    if state.settings.faults:
        print(f"  faults: {', '.join(map(format_fault, as_faults(state.settings.faults)))}")
    if not is_loopback(server.host):
        control = "requires the token" if server.control else "is off (--token turns it on)"
        print(
            f"  {server.host} is open to the network: anyone there can read the recordings; the control API {control}"
        )
    print("Ctrl-C stops it.", flush=True)


def _profile(name: str) -> Profile:
    # This import takes 0.2 s.
    from tokentape_harness.profiles import read_profile

    return read_profile(name)
