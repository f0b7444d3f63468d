"""Case registry: a case is one promise and the function that checks it; cases are registered when imported."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import msgspec

from tokentape_fake_provider.wires import WIRES
from tokentape_fake_provider.wires.facts import WireFacts
from tokentape_harness.errors import UsageError

_ID = re.compile(r"[a-z]+(/[a-z0-9]+(-[a-z0-9]+)*){2}")

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Case(msgspec.Struct, frozen=True):
    """A case of a suite.

    `id` is `suite/area/name` and never changes; `promise` is one sentence; `source` is where it is specified;
    `needs` are the capabilities that a target must have for it to run; `wires` are the wire formats that it runs
    on (None: all of the suite's); `remedy` is what usually helps. `function` takes the suite's trial.
    """

    id: str
    promise: str
    source: str
    function: Callable[..., Any]
    needs: frozenset[str] = frozenset()
    wires: tuple[str, ...] | None = None
    remedy: str = ""

    @property
    def suite(self) -> str:
        """The name of the suite."""
        return self.id.split("/")[0]

    @property
    def area(self) -> str:
        """What the case is about: the middle of its id."""
        return self.id.split("/")[1]


_CASES: dict[str, Case] = {}


def having(holds: Callable[[WireFacts], object]) -> list[str]:
    """The wire formats whose facts meet this condition."""
    return [name for name, wire in WIRES.items() if holds(wire.facts)]


def case(
    id: str,  # noqa: A002 - the field's own name
    promise: str,
    *,
    source: str,
    needs: Iterable[str] = (),
    wires: Iterable[str] | None = None,
    remedy: str = "",
) -> Callable[[FunctionT], FunctionT]:
    """Register a function, plain or async, as a case. Raises `UsageError` for an invalid or taken id."""
    if not _ID.fullmatch(id):
        raise UsageError(f"case {id!r}: an id is suite/area/name in lowercase letters, digits and hyphens")

    def register(function: FunctionT) -> FunctionT:
        known = _CASES.get(id)
        if known is not None and known.function.__code__.co_filename != function.__code__.co_filename:
            raise UsageError(f"case {id!r} is defined twice: {_place(known.function)} and {_place(function)}")
        only = None if wires is None else tuple(wires)
        _CASES[id] = Case(id, promise, source, function, frozenset(needs), only, remedy)
        return function

    return register


def registered(suite: str) -> list[Case]:
    """The imported cases of a suite, in the order of their import."""
    return [found for found in _CASES.values() if found.suite == suite]


def import_cases(package: ModuleType) -> None:
    """Import every module of a package, so that its cases are registered."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


def include(names: Sequence[str]) -> None:
    """Import cases from modules or from files that end in `.py`. Raises `UsageError`."""
    for name in names:
        if not name.endswith(".py"):
            import_named(name, "--include")
            continue
        path = Path(name).resolve()
        spec = importlib.util.spec_from_file_location(f"tokentape_cases_{path.stem}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise UsageError(f"--include {name}: no such file")
        try:
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"--include {name}: importing it raised {type(error).__name__}: {error}") from error


def import_named(name: str, option: str) -> ModuleType:
    """Import a module, also from the working directory. `option` names it in errors. Raises `UsageError`."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(f"{option} {name}: {error}; is it installed, or in {here}?") from error
    except Exception as error:
        raise UsageError(f"{option} {name}: importing it raised {type(error).__name__}: {error}") from error


def _place(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"
