"""Plain vcrpy: a cassette as vcrpy writes it, without stream records."""

from __future__ import annotations

import msgspec

from tokentape_harness.cassettes.model import Cassette, Interaction
from tokentape_harness.conversion.loss import Loss, websocket_loss


def without_streams(cassette: Cassette) -> tuple[Cassette, tuple[Loss, ...]]:
    """The cassette without its stream records, and the losses."""
    interactions, losses = [], []
    for number, interaction in enumerate(cassette):
        record, response = interaction.response.stream, interaction.response
        where = f"interaction {number}"
        if record is not None and record.websocket is not None:
            losses.append(websocket_loss(record.websocket, where))
        elif record is not None:
            losses.append(Loss("chunk times", "left out", where, len(record.chunks)))
            if record.end != "complete":
                losses.append(Loss("ending", "left out", where, note=f"was {record.end}, looks complete now"))
        interactions.append(Interaction(interaction.request, msgspec.structs.replace(response, stream=None)))
    return Cassette(tuple(interactions)), tuple(losses)
