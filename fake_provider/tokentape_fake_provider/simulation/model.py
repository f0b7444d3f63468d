"""The simulated model: what it generates for a prompt, as a pure function."""

from __future__ import annotations

from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.simulation.settings import Simulation
from tokentape_fake_provider.simulation.synthetic import synthetic_script
from tokentape_fake_provider.wires.prompt import Prompt


def simulate(prompt: Prompt, simulation: Simulation, *, seed: str, locale: str) -> Script:
    """The model's answer: equal arguments give an equal script."""
    scripts = (
        synthetic_script(seed=f"{seed} {index}", locale=locale, words=simulation.words)
        for index in range(prompt.choices)
    )
    return Script(tuple(script.choices[0] for script in scripts))
