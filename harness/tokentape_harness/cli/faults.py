"""faults: the faults that can be injected into a response."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from tokentape_fake_provider.faults import fault_name
from tokentape_fake_provider.faults.registry import fault_kind
from tokentape_fake_provider.faults.specification import (
    CatalogEntry,
    Parameter,
    catalog_of_faults,
    shared_parameters,
)
from tokentape_harness.cli.options import Json


def faults(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of them, with its parameters.")] = None,
    as_json: Json = False,
) -> None:
    """List all of them, or one with its parameters. Raises `FaultError`."""
    catalog = catalog_of_faults() if name is None else (_entry(name),)
    if as_json:
        print(msgspec.json.encode({"faults": catalog, "parameters": shared_parameters()}).decode())
        return
    width = max(len(entry.name) for entry in catalog)
    for entry in catalog:
        print(f"{entry.name:{width}}  {entry.meaning}")
        if name is not None:
            _print_parameters(entry.parameters)
        elif entry.parameters:
            print(f"{'':{width}}    @ {', '.join(parameter.name for parameter in entry.parameters)}")
    print("Every fault also has:" if name is None else "Also, as every fault:")
    _print_parameters(shared_parameters())


def _entry(name: str) -> CatalogEntry:
    kind = fault_name(fault_kind(name))
    return next(entry for entry in catalog_of_faults() if entry.name == kind)


def _print_parameters(parameters: tuple[Parameter, ...]) -> None:
    width = max((len(parameter.name) for parameter in parameters), default=0)
    for parameter in parameters:
        default = f" [default: {parameter.default}]" if parameter.default else ""
        print(f"  {parameter.name:{width}}  {parameter.meaning}{default}")
