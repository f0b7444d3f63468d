"""Settings of a verdict: the limits beyond which it has a finding, and what is allowed."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from tokentape_fake_provider.verdict.finding import Kind

NotNegative: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class VerdictSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of a verdict, the kinds of findings that it leaves out, and whether it has only certain ones."""

    most_retries: Annotated[NotNegative, msgspec.Meta(description="more retries of one request are a storm")] = 5
    least_wait_ms: Annotated[
        NotNegative, msgspec.Meta(description="retries that all come sooner after a failure have no back-off")
    ] = 100
    early_ms: Annotated[
        NotNegative, msgspec.Meta(description="how much earlier than retry-after a retry may come: clocks differ")
    ] = 5
    longest_retry_after_ms: Annotated[
        NotNegative, msgspec.Meta(description="a client need not retry if it has to wait longer")
    ] = 60_000
    unread_ms: Annotated[
        NotNegative, msgspec.Meta(description="how long a client may neither read a stream nor close it")
    ] = 2_000
    cancel_ms: Annotated[
        NotNegative, msgspec.Meta(description="how long a stream may stay open after its client has gone on")
    ] = 1_000
    allow: tuple[Kind, ...] = ()
    certain_only: bool = False

    def changed(self, **changes: object) -> VerdictSettings:
        """These settings with some changed. Raises `msgspec.ValidationError`."""
        return msgspec.convert({**msgspec.structs.asdict(self), **changes}, VerdictSettings)
