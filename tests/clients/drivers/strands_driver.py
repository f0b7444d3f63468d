"""strands: an agent that runs its tools."""

from agent_jobs import QUESTION, Report, Tools, finished
from jobs import KEY, below, serve
from strands import Agent, tool
from strands.models.anthropic import AnthropicModel
from strands.models.openai import OpenAIModel


def answer(job):
    """What the agent comes up with."""
    if job.wire == "openai_chat":
        client = {"base_url": below(job.root, "/v1"), "api_key": KEY}
        model = OpenAIModel(client_args=client, model_id="gpt-5.2")
    else:
        client = {"base_url": below(job.root), "api_key": KEY}
        model = AnthropicModel(client_args=client, model_id="claude-sonnet-4-5", max_tokens=4096)
    tools = Tools()

    @tool
    def forecast(city: str) -> str:
        """The weather forecast of a city."""
        return tools.forecast(city)

    agent = Agent(model=model, tools=[forecast], callback_handler=None)
    result = agent(QUESTION, structured_output_model=Report if job.case == "structured" else None)
    return finished(tools, str(result), result.structured_output)


serve(dict.fromkeys(("openai_chat", "anthropic_messages"), answer))
