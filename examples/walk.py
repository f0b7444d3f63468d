"""What the demo and its recording share: a question, a tool, and what it answers."""

from __future__ import annotations

from tokentape.providers import Tool

QUESTION = "I want to walk along the river in Lisbon tomorrow. What should I take with me?"

TOOLS = [
    Tool(
        "forecast",
        "The weather of a city on a day.",
        {
            "type": "object",
            "properties": {"city": {"type": "string"}, "day": {"type": "string"}},
            "required": ["city", "day"],
        },
    )
]


def forecast(city: str, day: str) -> str:
    """The weather, made up."""
    return f"{city}, {day}: 19 °C, sunny, showers after 16:00, wind 25 km/h from the sea"
