"""The checks of values that OpenAI's APIs share, with the parameter and the code that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.openai_http import expect, missing
from tokentape_fake_provider.wires.prompt import Effort

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST_NAME: Final = 64
MOST_TOOLS: Final = 128
CHOICES: Final = ("none", "auto", "required")
EFFORTS: Final = get_args(Effort)
VERBOSITIES: Final = ("low", "medium", "high")


def check_decimal(body: Mapping[str, Any], name: str, low: float, high: float) -> None:
    """A number from `low` to `high`, if it is given."""
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        expect(name, value, (), "a decimal")
    _check_bounds(name, value, low, high, "decimal")


def check_integer(body: Mapping[str, Any], name: str, low: int | None, high: int | None = None) -> None:
    """A whole number from `low` to `high`, if it is given."""
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        expect(name, value, (), "an integer")
    _check_bounds(name, value, low, high, "integer")


def _check_bounds(name: str, value: float, low: float | None, high: float | None, kind: str) -> None:
    if low is not None and value < low:
        side, sign, bound, code = "below minimum", ">=", low, "below_min"
    elif high is not None and value > high:
        side, sign, bound, code = "above maximum", "<=", high, "above_max"
    else:
        return
    raise BadRequestError(
        f"Invalid '{name}': {kind} {side} value. Expected a value {sign} {bound:g}, but got {value} instead.",
        param=name,
        code=f"{kind}_{code}_value",
    )


def check_length(param: str, values: Sequence[Any], least: int, most: int) -> None:
    """The number of elements of an array."""
    if not values and least:
        raise BadRequestError(
            f"Invalid '{param}': empty array. Expected an array with minimum length {least}, but got an empty array "
            "instead.",
            param=param,
            code="empty_array",
        )
    if len(values) > most:
        raise BadRequestError(
            f"Invalid '{param}': array too long. Expected an array with maximum length {most}, but got an array with "
            f"length {len(values)} instead.",
            param=param,
            code="array_above_max_length",
        )


def unsupported(param: str, value: Any, supported: Sequence[str]) -> BadRequestError:
    """The error for a word that is not one of those."""
    listed = f"{', '.join(map(repr, supported[:-1]))}{',' if len(supported) > 2 else ''} and {supported[-1]!r}"
    return BadRequestError(
        f"Invalid value: {value!r}. Supported values are: {listed}.", param=param, code="invalid_value"
    )


def check_word(holder: Mapping[str, Any], name: str, supported: Sequence[str], param: str = "") -> None:
    """One of these words, if it is given; `param` is the name in errors, if that is another one."""
    if (value := holder.get(name)) is not None and value not in supported:
        raise unsupported(param or name, value, supported)


def check_stop(body: Mapping[str, Any]) -> None:
    """At most four stop sequences."""
    if isinstance(stop := body.get("stop"), list):
        check_length("stop", stop, 0, 4)


def check_tool_list(tools: Any, supported: Sequence[str] = (), *, own: bool = True) -> None:
    """The tools by their number, which other servers (not `own`) don't limit so, and their types if some are given."""
    if tools is None:
        return
    expect("tools", tools, list, "an array of objects")
    if own:
        check_length("tools", tools, 1, MOST_TOOLS)
    for index, tool in enumerate(tools):
        expect(f"tools[{index}]", tool, dict, "an object")
        if tool.get("type") is None:
            raise missing(f"tools[{index}].type")
        if supported and tool["type"] not in supported:
            raise unsupported(f"tools[{index}].type", tool["type"], supported)


def check_name(param: str, name: Any, *, own: bool = True) -> None:
    """The name of a function; other servers (not `own`) take any."""
    if name is None:
        raise missing(param)
    expect(param, name, str, "a string")
    if not name:
        raise BadRequestError(
            f"Invalid '{param}': empty string. Expected a string with minimum length 1, but got an empty string "
            "instead.",
            param=param,
            code="empty_string",
        )
    if own and len(name) > _LONGEST_NAME:
        raise BadRequestError(
            f"Invalid '{param}': string too long. Expected a string with maximum length {_LONGEST_NAME}, but got a "
            f"string with length {len(name)} instead.",
            param=param,
            code="string_above_max_length",
        )
    if own and not _NAME.fullmatch(name):
        raise BadRequestError(
            f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            param=param,
            code="invalid_value",
        )


def check_tools_for(body: Mapping[str, Any]) -> None:
    """What says how tools are called needs tools."""
    if body.get("tools"):
        return
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None:
            raise BadRequestError(
                f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", param=name
            )


# platform.openai.com/docs/models: the maximum output of each model, by the start of its name; the longest one counts.
_OUTPUT_LIMITS: Final[Mapping[str, int]] = {
    "gpt-3.5-turbo": 4096,
    "gpt-3.5-turbo-16k": 16_384,
    "gpt-4": 8192,
    "gpt-4-32k": 32_768,
    "gpt-4.5": 16_384,
    "gpt-4-turbo": 4096,
    "gpt-4o": 16_384,
    "gpt-4o-2024-05-13": 4096,
    "gpt-4.1": 32_768,
    "gpt-5": 128_000,
    "gpt-5-chat": 16_384,
    "gpt-5-pro": 272_000,
    "o1": 100_000,
    "o3": 100_000,
    "o4-mini": 100_000,
}


def limit_for(model: str, limits: Mapping[str, int]) -> int | None:
    """The limit of a model by the start of its name; `None` if it is unknown."""
    found = [name for name in limits if model.startswith(name)]
    return limits[max(found, key=len)] if found else None


def check_output_limit(body: Mapping[str, Any], name: str, model: str, low: int = 1) -> None:
    """A limit of the output that is positive and not above the model's own."""
    value = body.get(name)
    if value is None:
        return
    check_integer(body, name, low)
    most = limit_for(model, _OUTPUT_LIMITS)
    if most is not None and value > most:
        raise BadRequestError(
            f"{name} is too large: {value}. This model supports at most {most} completion tokens, whereas you "
            f"provided {value}.",
            param=name,
            code="invalid_value",
        )
