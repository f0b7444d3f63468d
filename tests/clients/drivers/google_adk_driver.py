"""google-adk: an agent that runs its tools."""

import asyncio
import json
import os

from agent_jobs import QUESTION, Report, Tools, finished
from google.adk.agents import Agent
from google.adk.runners import InMemoryRunner
from google.genai import types
from jobs import KEY, serve


def answer(job):
    """What the agent comes up with."""
    os.environ.update(GOOGLE_API_KEY=KEY, GOOGLE_GEMINI_BASE_URL=job.root)
    return asyncio.run(run(job))


async def run(job):
    """One run."""
    tools = Tools()
    structured = job.case == "structured"
    agent = Agent(
        name="forecaster",
        model="gemini-2.5-flash",
        tools=[tools.forecast],
        output_schema=Report if structured else None,
    )
    runner = InMemoryRunner(agent, app_name="forecasts")
    session = await runner.session_service.create_session(app_name="forecasts", user_id="u")
    message = types.Content(role="user", parts=[types.Part(text=QUESTION)])
    text = ""
    async for event in runner.run_async(user_id="u", session_id=session.id, new_message=message):
        if event.is_final_response():
            text = "".join(part.text or "" for part in event.content.parts)
    return finished(tools, text, json.loads(text) if structured else None)


serve({"gemini": answer})
