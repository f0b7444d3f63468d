"""Plugins that a pytest run of a project does not need: importing them takes seconds, in every process."""

from __future__ import annotations

from typing import Final

HEAVY: Final = ("hypothesispytest", "inline_snapshot", "faker", "pytest_cov")
NO_LOOP: Final = (*HEAVY, "asyncio", "anyio")
LIGHT: Final = (*NO_LOOP, "xdist", "randomly")
