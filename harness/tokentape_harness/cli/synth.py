"""synth: a generated stream, as a cassette."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer

from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import FaultNotApplicableError
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.faults import Fault, as_faults, format_fault
from tokentape_fake_provider.script.model import FinishReason, Script, ToolCall, Usage
from tokentape_fake_provider.simulation.synthetic import WORDS, synthetic_script
from tokentape_fake_provider.tape import End, Tape, TapeEnd
from tokentape_fake_provider.timing import Instant, Synthetic
from tokentape_fake_provider.wires import ProviderRequest, wire_named
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Cassette, Interaction, Response, StreamRecord
from tokentape_harness.cassettes.writer import report_file, write_cassette
from tokentape_harness.cli.options import TIMINGS, FaultSpecs, Seed, WireName
from tokentape_harness.conversion.sample_request import read_request, sample_request
from tokentape_harness.errors import UsageError
from tokentape_harness.profiles import timing_of

MODEL = "tokentape"
PROMPT = "Say something."
# The creation time of every generated stream: the same command must give the same file. (2026-01-01)
CREATED = 1_767_225_600


def synth(
    wire_name: WireName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.yaml", help="The cassette to write.")],
    words: Annotated[int | None, typer.Option(min=0, help="Words of generated text. [default: 60]")] = None,
    text: Annotated[str | None, typer.Option(help="The text, instead of generated text.")] = None,
    reasoning: Annotated[int, typer.Option(min=0, help="Words of generated reasoning before the text.")] = 0,
    tool_calls: Annotated[
        list[str] | None,
        typer.Option("--tool-call", metavar="NAME={...}", help="A tool call with its arguments; repeatable."),
    ] = None,
    usage: Annotated[
        str | None,
        typer.Option(
            metavar="input=12,cached=5",
            help="Token counts: input, output, total, cached, cache_write, reasoning; none leaves usage out.",
        ),
    ] = None,
    finish_reason: Annotated[
        str | None, typer.Option(metavar="R", help="stop, length, tool_calls, content_filter, refusal, ...")
    ] = None,
    locale: Annotated[str, typer.Option(help="Language of the generated text.")] = "en_US",
    seed: Seed = 0,
    timing: Annotated[str, typer.Option(metavar="SPEC", help=f"Timing of the chunks: {TIMINGS}.")] = "synthetic",
    faults: FaultSpecs = None,
) -> None:
    """Write the cassette.

    Raises `UsageError`, `UnknownWireError`, `TimingError`, `ScriptError`, `FaultError`, `CassetteError`.
    """
    wire_named(wire_name)
    if words is not None and text is not None:
        raise UsageError("--words and --text exclude each other: give only one")
    if words is None:
        # Most responses with a tool call have no text.
        words = 0 if tool_calls else WORDS
    when = timing_of(timing)
    if isinstance(when, Synthetic) and "seed=" not in timing:
        when = msgspec.structs.replace(when, seed=seed)
    request = sample_request(wire_name, MODEL, PROMPT)
    target = read_request(request, wire_name, created=CREATED, seed=f"synth:{seed}")
    script = synthetic_script(
        target,
        seed=seed,
        locale=locale,
        words=words,
        text=text,
        reasoning=reasoning,
        tool_calls=[_tool_call(call) for call in tool_calls or ()],
        finish_reason=_finish_reason(finish_reason),
        usage=_usage(usage),
    )
    write_cassette(output, Cassette((Interaction(request, _response(script, target, when, as_faults(faults or ()))),)))
    print(f"wrote {output}", file=report_file(output))


def _response(script: Script, target: ProviderRequest, when: Any, faults: Sequence[Fault]) -> Response:
    tape = encode(script, target, when)
    for fault in faults:
        tape = _damaged(tape, fault, target)
    # In a stream record, chunks without times would all have arrived at 0 ms: write none.
    record = None
    if not isinstance(when, Instant) or tape.end != "complete":
        chunks = tuple(Chunk(len(frame.data), frame.at) for frame in tape.frames)
        record = StreamRecord(chunks, tape.start, _recorded(tape.end), tape.end_at)
    return Response(tape.status, "OK", tape.headers, tape.body, record)


def _damaged(tape: Tape, fault: Fault, target: ProviderRequest) -> Tape:
    try:
        damaged = apply_fault(fault, tape, wire_named(target.wire), target)
    except FaultNotApplicableError as error:
        raise UsageError(f"--fault {format_fault(fault)} changes nothing about this stream: {error}") from None
    if not damaged.head or damaged.header("content-encoding"):
        raise UsageError(f"--fault {format_fault(fault)}: a cassette can't keep that; tokentape serve --fault does it")
    return damaged


def _recorded(end: TapeEnd) -> End:
    """The end as a cassette records it: a reset as a dropped connection, a stall as a timeout."""
    match end:
        case "reset":
            return "dropped"
        case "stall":
            return "timeout"
        case _:
            return end


def _tool_call(text: str) -> ToolCall:
    name, equals, arguments = text.partition("=")
    if not name.strip():
        raise UsageError(f"--tool-call {text!r} has no name: give NAME={{...}}")
    return ToolCall(name.strip(), arguments if equals else "{}")


def _finish_reason(text: str | None) -> FinishReason | None:
    known: tuple[FinishReason, ...] = get_args(FinishReason)
    if text is None:
        return None
    for reason in known:
        if text == reason:
            return reason
    raise UsageError(f"--finish-reason {text!r} is not one of {', '.join(known)}")


def _usage(text: str | None) -> Usage | None:
    if text is None:
        return None
    if text == "none":
        return Usage(report=False)
    known = ("input", "output", "total", "cached", "cache_write", "reasoning")
    counts = Usage()
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in known or not equals or not value.isdecimal():
            raise UsageError(f"--usage {text!r}: {part!r} is not NAME=COUNT with a name of {', '.join(known)}")
        counts = msgspec.structs.replace(counts, **{name: int(value)})
    return counts
