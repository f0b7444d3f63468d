"""llama-index: an agent that calls functions, and one that reasons and acts in text."""

import asyncio

from agent_jobs import QUESTION, Report, Tools, finished
from jobs import KEY, below, serve
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.llms.openai_like import OpenAILike


def answer(job):
    """What the agent comes up with."""
    return asyncio.run(run(job))


async def run(job):
    """One run."""
    tools = Tools()
    model = OpenAILike(
        model="gpt-5.2",
        api_base=below(job.root, "/v1"),
        api_key=KEY,
        is_chat_model=True,
        is_function_calling_model=True,
    )
    kind = ReActAgent if job.case == "react" else FunctionAgent
    agent = kind(tools=[tools.forecast], llm=model, output_cls=Report if job.case == "structured" else None)
    result = await agent.run(QUESTION)
    return finished(tools, str(result), result.structured_response)


serve({"openai_chat": answer})
