"""What the drivers of RAG apps share."""

import re


def cited(text, sources):
    """The sources whose numbers a text names, such as [1]."""
    return sorted({sources[int(number) - 1] for number in re.findall(r"\[(\d+)\]", text)})
