"""docs/faults.md says what the code does: its tables are made of the catalog and of what was measured."""

from __future__ import annotations

import json
import re
import tomllib

import openai
import pytest

from tests.faults.specs import FAULTS as SPECS
from tests.pages import REPOSITORY, block_with, page_text, run
from tokentape_fake_provider import Frame, Tape
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.faults import FAULTS, parse_fault
from tokentape_fake_provider.faults.specification import CatalogEntry, catalog_of_faults, shared_parameters
from tokentape_harness import FakeProvider

PAGE = page_text("docs/faults.md")
MEASURED = json.loads((REPOSITORY / "tests" / "faults" / "measured.json").read_text())

SHOWN = ("fin", "clean_end", "half_event", "in_band_error", "malformed_json", "empty_stream")
"""The faults of the table of clients."""
CLIENTS = {
    "openai_chat": "openai, chat",
    "openai_responses": "openai, responses",
    "anthropic_messages": "anthropic",
    "gemini": "google-genai",
    "gemini_interactions": "google-genai, interactions",
    "ollama": "ollama",
    "cohere_chat": "cohere",
    "bedrock_converse": "boto3, converse",
}


def parameters(entry: CatalogEntry) -> str:
    """The parameters of a row: name, default and meaning of each."""
    parts = (
        f"`{parameter.name}`{f' ({parameter.default})' if parameter.default else ''}: {parameter.meaning}"
        for parameter in entry.parameters
    )
    return "; ".join(parts).replace("|", "\\|")


def catalog_table() -> str:
    """The table of all faults."""
    rows = [f"| `{entry.name}` | {entry.meaning} | {parameters(entry)} |" for entry in catalog_of_faults()]
    return "\n".join(("| fault | what happens | parameters |", "|---|---|---|", *rows))


def shared_table() -> str:
    """The table of the parameters of every fault."""
    rows = [f"| `{parameter.name}` | {parameter.default} | {parameter.meaning} |" for parameter in shared_parameters()]
    return "\n".join(("| parameter | default | meaning |", "|---|---|---|", *rows))


def clients_table() -> str:
    """The table of how the official clients take some of them; what is silent stands out."""
    rows = []
    for wire, name in CLIENTS.items():
        cells = []
        for spec in SHOWN:
            error = MEASURED[wire][spec].partition(", ")[2]
            cells.append(f"`{error}`" if error else "**silent**")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    ours = [SPECS[spec].error for spec in SHOWN]
    rows.append(f"| tokentape | {' | '.join(f'`{error.__name__}`' for error in ours if error is not None)} |")
    head = f"| client | {' | '.join(f'`{spec}`' for spec in SHOWN)} |"
    return "\n".join((head, "|---" * (len(SHOWN) + 1) + "|", *rows))


@pytest.mark.parametrize("table", [catalog_table, shared_table, clients_table])
def test_tables(table) -> None:
    """Each table of the page is what the code makes of it."""
    assert table() in PAGE, table()


def test_specifications_of_the_page() -> None:
    """Every specification that the page mentions can be read."""
    found = re.findall(r"(?:--fault |faults?=\"|fault\(\"|\[\")((?:\w+)@?[^\"\s`;]*)", PAGE)
    found += re.findall(r"^(\w+@\S+)", PAGE, re.MULTILINE)
    assert len(found) > 8
    for spec in found:
        parse_fault(spec)
    assert {name for spec in found for name in [spec.partition("@")[0]]} <= set(FAULTS)


def test_a_fault_of_your_own() -> None:
    """The page's fault does what it says."""
    named = run(block_with(PAGE, "class Shout"))
    (point,) = tomllib.loads(block_with(PAGE, "entry-points"))["project"]["entry-points"]["tokentape.faults"].values()
    fault = named[point.partition(":")[2]](frame=1)
    tape = Tape((Frame(0, b"data: 1a\n\n"), Frame(0, b"data: 2b\n\n")))
    assert apply_fault(fault, tape).body == b"data: 1a\n\nDATA: 2B\n\n"


def test_the_example(fake_provider: FakeProvider) -> None:
    """The page's test passes."""
    defined = run(block_with(PAGE, "import openai"))
    client = openai.OpenAI(base_url=fake_provider.base_url(), api_key="any")
    for name, value in defined.items():
        if name.startswith("test_") and callable(value):
            value(fake_provider, client)
