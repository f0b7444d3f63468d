"""serve: the fake provider in the foreground."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tokentape_fake_provider.answers.warm_up import warm_up
from tokentape_fake_provider.config import Worker
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.http.loopback import is_loopback
from tokentape_fake_provider.redis_store.connection import StoreAddress
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.simulation.settings import as_simulation
from tokentape_fake_provider.timing import Profile, parse_timing
from tokentape_fake_provider.wires import WIRES, wire_named
from tokentape_fake_provider.wires.openai_dialects import dialect_name
from tokentape_harness.cassettes.gc_paused import gc_paused
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cli.messages import counted, print_error
from tokentape_harness.cli.options import (
    TIMINGS,
    AllowedOrigins,
    FaultSpecs,
    IgnorePaths,
    IgnoreTexts,
    NoNormalise,
    Seed,
    normalising,
)
from tokentape_harness.cli.workers import free_port, run_workers
from tokentape_harness.errors import CassetteError, UsageError
from tokentape_harness.testing.exchange_tools import HarnessTools
from tokentape_harness.testing.lazy_recordings import lazy_recordings
from tokentape_harness.testing.recordings import find_cassettes, load_recordings, recordings_as, recordings_of

# Reading this many files of 10 kB takes 0.2 s; 10,000 would take 5 s (measured).
_READ_AT_ONCE = 500

# The most that macOS grants where there is no limit.
_CONNECTIONS = 10_240


def serve(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATHS]...", help="Cassettes, and folders of cassettes.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. The control API needs a token on other than local addresses.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8089,
    timing: Annotated[str, typer.Option(metavar="SPEC", help=f"Timing of the stream: {TIMINGS}.")] = "instant",
    seed: Seed = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse requests that no cassette answers, instead of generating text.")
    ] = False,
    validate: Annotated[
        bool,
        typer.Option("--validate/--no-validate", help="Refuse what the provider refuses, where no cassette answers."),
    ] = True,
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
        str,
        typer.Option(
            metavar="SPEC",
            help="How the model behaves that answers what no cassette does, such as tools=always,turns=2,words=200.",
        ),
    ] = "",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="TOKENTAPE_TOKEN",
            help="The token that the control API requires; without one it is off for other machines.",
        ),
    ] = None,
    no_normalise: NoNormalise = None,
    ignore_path: IgnorePaths = None,
    ignore_text: IgnoreTexts = None,
    allowed_origins: AllowedOrigins = None,
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
) -> None:
    """Serve until interrupted.

    Raises `CassetteError`, `UsageError`, `TimingError`, `FaultError`, `SettingError`, `PortInUseError`,
    `UnknownWireError`, `UnknownDialectError`, `StoreUnavailableError`.
    """
    paths, as_wires, faults = paths or [], as_wires or [], faults or []
    dialect = dialect or dress
    normal = normalising(no_normalise, ignore_path, ignore_text)
    settings = SessionSettings(
        timing=parse_timing(timing, read_profile=_profile),
        strict=strict,
        seed=seed,
        repeat=True,  # a server answers the same request many times
        validate=validate,
        dialect=None if dialect is None else dialect_name(dialect),
        faults=tuple(faults),
        simulation=as_simulation(simulation),
        normalise=list(normal.classes),
        ignore_path=normal.ignore_path,
        ignore_text=normal.ignore_text,
    )
    for wire in as_wires:
        wire_named(wire)
    with gc_paused():
        files, recordings = _load(paths, as_wires, skip_unreadable=not strict)
    _allow_many_connections()
    if not strict:
        warm_up()

    def create(port: int, worker: Worker | None = None) -> FakeProviderServer:
        server = FakeProviderServer(
            host,
            port,
            settings=settings,
            allow_remote=True,
            folders=[path for path in paths if path.is_dir()],
            loader=load_recordings,
            tools=HarnessTools(),
            token=token,
            allowed_origins=allowed_origins or (),
            worker=worker,
            store=store,
        )
        server.default.add_recordings(recordings)
        return server

    def announce(server: FakeProviderServer) -> None:
        _announce(
            server, files, len(recordings), timing, faults, workers, None if store is None else StoreAddress(store)
        )

    if workers == 1:
        server = create(port)
        _run(server, lambda: announce(server))
        return
    port = free_port(host, port)

    def work(number: int, ready: Callable[[], None]) -> None:
        _run(create(port, Worker(number, workers)), ready)

    unstarted = create(port)
    run_workers(workers, work, lambda: announce(unstarted))


def _run(server: FakeProviderServer, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; call `ready` once requests are answered."""
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with server:
            # At 500 streams a full collection stops all of them for 35 to 65 ms (measured): exempt what is loaded.
            gc.collect()
            gc.freeze()
            ready()
            # Without a timeout the wait can't be interrupted on Windows.
            while not stop.wait(0.5):
                pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _load(paths: Sequence[Path], wires: Sequence[str], *, skip_unreadable: bool) -> tuple[int, list[Recording]]:
    """The number of files that were read, and their recordings, also in these wire formats.

    A file that can't be read is skipped with a warning, unless it is the only one. The responses of many files are
    read when they are requested, unless they are to be transcoded.
    """
    files, recordings = 0, []
    found_files = find_cassettes(paths)
    on_demand = len(found_files) > _READ_AT_ONCE and not wires
    for file in found_files:
        try:
            recordings += lazy_recordings(file, print_error) if on_demand else _read(file, wires)
        except CassetteError as error:
            if not skip_unreadable or found_files == [file]:
                raise
            print_error(f"warning: skipped: {error}")
        else:
            files += 1
    if paths and not files:
        raise UsageError(f"no cassette in {', '.join(map(str, paths))} can be read")
    return files, recordings


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
    server: FakeProviderServer,
    files: int,
    recordings: int,
    timing: str,
    faults: Sequence[str],
    workers: int,
    store: StoreAddress | None,
) -> None:
    width = max(map(len, WIRES))
    print(f"tokentape serves a fake provider at {server.url}")
    for wire in WIRES:
        print(f"  {wire:{width}}  base URL {server.base_url(wire)}")
    print(f"  {counted(recordings, 'recording')} of {counted(files, 'cassette')}, timing {timing}")
    if store is not None:
        print(f"  sessions in {store.shown}, shared by {counted(workers, 'worker')} and all servers that use it")
    elif workers > 1:
        print(
            f"  {workers} workers, which share no state: the control API and the journal need --store, or one process"
        )
    if faults:
        print(f"  faults: {', '.join(faults)}")
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
