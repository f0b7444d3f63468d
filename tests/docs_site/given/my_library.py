import json


def read(source):
    """The text of each chunk of a stream in OpenAI's format."""
    rest = b""
    for piece in source:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    yield choice["delta"].get("content") or ""
