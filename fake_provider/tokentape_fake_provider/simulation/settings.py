"""How the simulated model behaves."""

from __future__ import annotations

from typing import Literal

import msgspec


class Simulation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the simulated model behaves where the request leaves it open.

    `tools` is when it calls the tools that a request offers with `auto`: in the turn of a message of the user (`auto`),
    `always`, or `never`. It calls tools in at most `turns` responses for each message of the user. `words` is the
    length of its text, `reasoning` when it reasons: as the request says (`auto`), `always` or `never`. Raises
    `msgspec.ValidationError`, where it is read from JSON, for other values.
    """

    tools: Literal["auto", "always", "never"] = "auto"
    turns: int = 1
    words: int = 60
    reasoning: Literal["auto", "always", "never"] = "auto"
