"""Record the cassettes of this project, and write their README: `make record`.

python -m tests.record FOLDER
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.record import environment
from tests.record.cases import CASES, Case
from tests.record.readme import readme
from tests.record.upstream import SEED, Upstream, fake_provider, make_model, model_server
from tokentape_harness import use_cassette

HOST = "127.0.0.1:8080"
"""Stands for the port, which is another one each time."""
# They identify the recording machine, and no server needs them.
UNRECORDED_HEADERS = ("host", "connection", "user-agent", "accept-encoding", "authorization", "x-api-key")
MOST_BYTES = 100_000


def main(folder: Path) -> None:
    """Record all cases; the folder changes only if all were recorded."""
    with tempfile.TemporaryDirectory() as work:
        model = make_model(Path(work) / "model.gguf")
        recorded = Path(work) / "cassettes"
        for case in CASES:
            record(case, recorded / case.path, model)
            print(f"{case.path}: {(recorded / case.path).stat().st_size:,} bytes", flush=True)
        for case in CASES:
            target = folder / case.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(recorded / case.path, target)
    (folder / "README.md").write_text(readme(CASES, versions(), SEED))


def record(case: Case, path: Path, model: Path) -> None:
    """Record one case."""
    with upstream(case, model) as provider:

        def neutral(request: Any) -> Any:
            request.uri = request.uri.replace(provider.url, f"http://{HOST}")
            request.headers = {
                name: value
                for name, value in request.headers.items()
                if name.lower() not in UNRECORDED_HEADERS and not name.lower().startswith("x-stainless-")
            }
            return request

        with use_cassette(path, record_mode="all", before_record_request=neutral):
            case.read(provider, case.wire, case.body)
    if path.stat().st_size > MOST_BYTES:
        raise RuntimeError(f"{case.path} has {path.stat().st_size} bytes: ask for less")


@contextmanager
def upstream(case: Case, model: Path) -> Iterator[Upstream]:
    """What answers a case: a server of its own, so that nothing of another case is in its cache."""
    with fake_provider(case.script) if case.script else model_server(model, case.grammar) as provider:
        yield provider


def versions() -> dict[str, str]:
    """What the cassettes were recorded with."""
    ours = {name: importlib.metadata.version(name) for name in ("openai", "anthropic", "httpx2", "vcrpy")}
    return {"Python": platform.python_version(), "xllamacpp": environment.version("xllamacpp"), **ours}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
