"""Small chat apps as their SDKs' first pages write them, with default retries: what a verdict is to judge.

A job's `wire` is the client. `chat` streams an answer, and goes on with what it received; `leave` stops reading after
two chunks, keeps the stream, and goes on.
"""

import importlib
import signal

from jobs import KEY, serve

FIRST = {"role": "user", "content": "Hi"}
SECOND = {"role": "user", "content": "And then?"}
PATIENCE_S = 20
"""Longer than the back-off of any client here: one that takes longer waits as `retry-after` requires."""


def app(stream_of):
    """A function that answers jobs by `stream_of`, which gives the stream, and its texts, for a client and messages."""

    def answer(job):
        stream, texts = stream_of(job.root, [FIRST])
        text = ""
        for count, piece in enumerate(texts, 1):
            text += piece
            if job.case == "leave" and count == 2:
                break
        messages = [FIRST, {"role": "assistant", "content": text}, SECOND]
        _, texts = stream_of(job.root, messages)
        text_2 = "".join(texts)
        del stream
        return {"text": text, "then": text_2}

    return answer


def openai_app(root, messages):
    """The openai SDK."""
    import openai

    client = openai.OpenAI(base_url=f"{root}/v1", api_key=KEY)
    stream = client.chat.completions.create(model="m", messages=messages, stream=True)
    return stream, (chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def anthropic_app(root, messages):
    """The anthropic SDK."""
    import anthropic

    client = anthropic.Anthropic(base_url=root, api_key=KEY)
    stream = client.messages.create(model="m", messages=messages, max_tokens=99, stream=True)
    return stream, (event.delta.text for event in stream if event.type == "content_block_delta")


def genai_app(root, messages):
    """The google-genai SDK."""
    from google import genai

    client = genai.Client(api_key=KEY, http_options={"base_url": root})
    roles = {"user": "user", "assistant": "model"}
    contents = [{"role": roles[one["role"]], "parts": [{"text": one["content"]}]} for one in messages]
    stream = client.models.generate_content_stream(model="m", contents=contents)
    return (stream, client), (chunk.text or "" for chunk in stream)


def litellm_app(root, messages):
    """litellm, over the openai SDK."""
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    stream = litellm.completion(model="openai/m", messages=messages, api_base=f"{root}/v1", api_key=KEY, stream=True)
    return stream, (chunk.choices[0].delta.content or "" for chunk in stream)


def langchain(model):
    """LangChain's stream() of a chat model."""

    def stream_of(root, messages):
        stream = model(root).stream([(one["role"], one["content"]) for one in messages])
        return stream, (chunk.text for chunk in stream)

    return stream_of


def chat_openai(root):
    """LangChain's model of OpenAI."""
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="m", api_key=KEY, base_url=f"{root}/v1", use_responses_api=False)


def chat_anthropic(root):
    """LangChain's model of Anthropic."""
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model="m", api_key=KEY, base_url=root)


def named(answer, package):
    """The same, with the class of an error."""

    def safe(job):
        importlib.import_module(package)  # which takes long
        signal.alarm(PATIENCE_S)
        try:
            return answer(job)
        except Waits:
            return {"waits": True}
        except Exception as error:
            return {"raised": f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"}
        finally:
            signal.alarm(0)

    return safe


class Waits(BaseException):
    """The client waits longer than a measurement can."""


def interrupt(*_):
    """End the waiting."""
    raise Waits


signal.signal(signal.SIGALRM, interrupt)
if __name__ == "__main__":
    serve(
        {
            name: named(app(stream_of), "google.genai" if name == "google-genai" else name.replace("-", "_"))
            for name, stream_of in {
                "openai": openai_app,
                "anthropic": anthropic_app,
                "google-genai": genai_app,
                "litellm": litellm_app,
                "langchain-openai": langchain(chat_openai),
                "langchain-anthropic": langchain(chat_anthropic),
            }.items()
        }
    )
