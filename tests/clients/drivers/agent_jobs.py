"""What the drivers of agents share: the question, the tool that answers it, and the form of structured output.

A job has a `case`: `loop` (a tool, then text), `structured` (a tool, then a `Report`), or one of the driver's own.
"""

from pydantic import BaseModel

QUESTION = "What is the weather in Oslo?"


class Report(BaseModel):
    """A report of the weather."""

    city: str
    degrees: float


class Tools:
    """The tools of one run, and the arguments that they were called with."""

    def __init__(self):
        self.calls = []

    def forecast(self, city: str) -> str:
        """The weather forecast of a city.

        Args:
            city: The city.
        """
        self.calls.append(city)
        return f"17.25 degrees in {city}"


def finished(tools, text=None, value=None):
    """What an agent comes to in the end."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    return {"calls": tools.calls, "text": text, "value": value}
