"""smolagents: an agent that calls tools, and one that writes code."""

from agent_jobs import QUESTION, Tools, finished
from jobs import KEY, below, serve
from smolagents import CodeAgent, OpenAIServerModel, ToolCallingAgent, tool


def answer(job):
    """What the agent comes up with."""
    tools = Tools()

    @tool
    def forecast(city: str) -> str:
        """The weather forecast of a city.

        Args:
            city: The city.
        """
        return tools.forecast(city)

    model = OpenAIServerModel("gpt-5.2", api_base=below(job.root, "/v1"), api_key=KEY)
    agent = (CodeAgent if job.case == "code" else ToolCallingAgent)([forecast], model, max_steps=5, verbosity_level=0)
    result = agent.run(QUESTION, return_full_result=True)
    if result.state != "success":
        raise RuntimeError(result.state)
    return finished(tools, str(result.output))


serve({"openai_chat": answer})
