"""Plugins that a pytest run of a project does not need: importing them takes seconds, in every process."""

from __future__ import annotations

from typing import Final

HEAVY: Final = ("hypothesispytest", "inline_snapshot", "faker", "pytest_cov", "schemathesis", "locust")
NO_LOOP: Final = (*HEAVY, "asyncio", "anyio")
LIGHT: Final = (*NO_LOOP, "xdist", "randomly")


def off(*plugins: str) -> list[str]:
    """The arguments with which pytest leaves these plugins out."""
    return [f"-pno:{name}" for name in plugins]
