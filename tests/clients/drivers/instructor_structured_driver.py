"""instructor: objects in each of its modes."""

import instructor
from agent_jobs import QUESTION, Report, Tools, finished
from jobs import KEY, below, serve


def answer(job):
    """The object."""
    mode = instructor.Mode(job.case)
    options = {"response_model": Report, "messages": [{"role": "user", "content": QUESTION}], "max_retries": 1}
    if job.wire == "openai_chat":
        from openai import OpenAI

        client = instructor.from_openai(OpenAI(base_url=below(job.root, "/v1"), api_key=KEY), mode=mode)
        return finished(Tools(), value=client.create(model="gpt-5.2", **options))
    from anthropic import Anthropic

    client = instructor.from_anthropic(Anthropic(base_url=below(job.root), api_key=KEY), mode=mode)
    return finished(Tools(), value=client.create(model="claude-sonnet-4-5", max_tokens=4096, **options))


serve(dict.fromkeys(("openai_chat", "anthropic_messages"), answer))
