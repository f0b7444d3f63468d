"""crewai: a crew of one agent that runs its tools."""

import os

os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true", "CREWAI_TRACING_ENABLED": "false"}

from agent_jobs import QUESTION, Report, Tools, finished
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from jobs import KEY, below, serve


def answer(job):
    """What the crew comes up with."""
    tools = Tools()

    @tool("forecast")
    def forecast(city: str) -> str:
        """The weather forecast of a city."""
        return tools.forecast(city)

    model = LLM(model="openai/gpt-5.2", base_url=below(job.root, "/v1"), api_key=KEY)
    agent = Agent(role="Forecaster", goal="Forecast", backstory="None", tools=[forecast], llm=model)
    form = Report if job.case == "structured" else None
    task = Task(description=QUESTION, expected_output="A forecast", agent=agent, output_pydantic=form)
    result = Crew(agents=[agent], tasks=[task]).kickoff()
    return finished(tools, result.raw, result.pydantic)


serve({"openai_chat": answer})
