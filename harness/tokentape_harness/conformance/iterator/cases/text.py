"""Text: promises 2 and 3. Nothing of what is said is lost, changed or merged."""

from __future__ import annotations

from tokentape_fake_provider.script import Text
from tokentape_harness.conformance.iterator import IteratorTrial, case

REFERENCE = "Drupal AI, streaming chapter: iterating yields ChatMessages as they are received"


@case("iterator/text/concatenated", "The chunks' text, joined, is the text that was said.", source=REFERENCE)
async def concatenated(trial: IteratorTrial) -> None:
    stream = trial.tell(Text("The sea is deep.", pieces=("The", " sea", " is", " deep", ".")))
    trial.expect("the text of all chunks", await stream.text(), "The sea is deep.")
