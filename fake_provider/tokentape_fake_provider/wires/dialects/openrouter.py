"""OpenRouter: comments first, `provider`, `native_finish_reason`, `reasoning_details`, usage with cost."""

from __future__ import annotations

from collections.abc import Sequence

from tokentape_fake_provider.script.ids import BASE62, make_id
from tokentape_fake_provider.script.model import Error, ServerTool
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.citations import PlacedCitation
from tokentape_fake_provider.wires.dialect import LOGPROB_NAMES, Dialect, Object, Place
from tokentape_fake_provider.wires.dialects.common import plain_usage
from tokentape_fake_provider.wires.limits import openrouter_limits
from tokentape_fake_provider.wires.wire import ProviderRequest


def _usage(counts: Counts, _request: ProviderRequest) -> Object:
    prompt, completion = counts.input * 1.5e-7, counts.output * 6e-7
    return {
        **plain_usage(counts),
        "cost": prompt + completion,
        "is_byok": False,
        "prompt_tokens_details": {
            "cached_tokens": counts.cached,
            "cache_write_tokens": counts.cache_write,
            "audio_tokens": 0,
            "video_tokens": 0,
        },
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": prompt,
            "upstream_inference_completions_cost": completion,
        },
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning, "image_tokens": 0},
    }


def _part(message: Object, _request: ProviderRequest) -> None:
    thought = message.pop("reasoning_content", None)
    if not message.get("annotations"):
        message.pop("annotations", None)
    rest = dict(message)
    message.clear()
    message |= {"role": "assistant", "content": rest.get("content", None if "tool_calls" in rest else "")} | rest
    if thought:
        detail = {"type": "reasoning.text", "text": thought, "format": "unknown", "index": 0}
        message |= {"reasoning": thought, "reasoning_details": [detail]}


def _annotation(placed: PlacedCitation) -> Object:
    cited = placed.citation
    place = {"url": cited.url, "title": cited.title, "start_index": placed.start, "end_index": placed.end}
    return {"type": "url_citation", "url_citation": place | {"content": cited.quote}}


def _server_tool(tool: ServerTool, _number: int) -> Sequence[Object]:
    """Images; of searches the citations alone are reported."""
    if tool.kind != "image_generation" or not tool.images:
        return ()
    url = {"url": f"data:image/png;base64,{tool.images[-1]}"}
    return ({"images": [{"type": "image_url", "image_url": url, "index": 0}]},)


def _choice(choice: Object) -> None:
    choice["native_finish_reason"] = choice["finish_reason"]


def _chunk(chunk: Object, _request: ProviderRequest, _place: Place) -> None:
    chunk.pop("service_tier", None)
    chunk["provider"] = "OpenAI"


def _error(fields: Object, error: Error) -> Object:
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "error"}
    own = {"code": error.status, "message": fields["message"]}
    return {"error": own, "choices": [choice | {"native_finish_reason": None}]} if error.in_stream else {"error": own}


DIALECT = Dialect(
    "openrouter",
    _usage,
    frozenset({"own"}),
    completion_id=lambda request: f"gen-{request.created}-" + make_id(request.seed, "completion", 20, BASE62),
    call_id=lambda seed: "call_" + make_id(seed, "call", 24, BASE62),
    part=_part,
    choice=_choice,
    chunk=_chunk,
    own={
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": ""},
                "finish_reason": None,
                "native_finish_reason": None,
                "logprobs": None,
            }
        ]
    },
    lead=lambda _request: b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n",
    error=_error,
    limits=openrouter_limits,
    refuses=True,
    logprobs=LOGPROB_NAMES,
    annotation=_annotation,
    server_tool=_server_tool,
)
