"""langchain and langgraph: agents, and `with_structured_output`."""

from agent_jobs import QUESTION, Report, Tools, finished
from jobs import KEY, below, serve
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

FORMATS = {"structured": ToolStrategy, "structured natively": ProviderStrategy}


def model_of(job):
    """The model of this wire format."""
    if job.wire == "anthropic_messages":
        return ChatAnthropic(model="claude-sonnet-4-5", base_url=below(job.root), api_key=KEY)
    responses = job.wire == "openai_responses"
    return ChatOpenAI(model="gpt-5.2", base_url=below(job.root, "/v1"), api_key=KEY, use_responses_api=responses)


def answer(job):
    """What the agent comes up with, or the model alone."""
    model, tools = model_of(job), Tools()
    if job.case in ("function_calling", "json_schema", "json_mode"):
        asked = f"{QUESTION} Answer in JSON with the keys `city` and `degrees`."
        return finished(tools, value=model.with_structured_output(Report, method=job.case).invoke(asked))
    if job.case == "parallel":
        return finished(tools, branches(model).invoke({"messages": []})["messages"][-1].text)
    functions = [tool(tools.forecast)]
    if job.case == "graph":
        agent = graph(model.bind_tools(functions), functions)
    else:
        form = FORMATS.get(job.case)
        agent = create_agent(model, functions, response_format=form and form(Report))
    state = agent.invoke({"messages": [("user", QUESTION)]}, {"recursion_limit": 12})
    return finished(tools, state["messages"][-1].text, state.get("structured_response"))


def graph(model, functions):
    """A loop of a model and its tools, as langgraph's own pages build it."""
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", ToolNode(functions))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile()


def branches(model):
    """Three branches that ask the model at once, and a node that joins their answers."""

    def branch(city):
        return lambda _: {"messages": [model.invoke([("user", f"What is {city} like?")])]}

    def join(state):
        return {
            "messages": [model.invoke([("user", "Sum up: " + " ".join(message.text for message in state["messages"]))])]
        }

    builder = StateGraph(MessagesState)
    builder.add_node("join", join)
    for city in ("Oslo", "Rome", "Lima"):
        builder.add_node(city, branch(city))
        builder.add_edge(START, city)
    builder.add_edge(["Oslo", "Rome", "Lima"], "join")
    return builder.compile()


serve(dict.fromkeys(("openai_chat", "openai_responses", "anthropic_messages"), answer))
