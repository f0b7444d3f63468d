"""The app that a page checks: a chat over HTTP and over a WebSocket; with spans where it can export them."""

import contextlib
import functools
import os

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from tokentape.providers import OpenAIChat
from tokentape.web import StreamingChatResponse

with contextlib.suppress(ImportError):  # most pages install no exporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from tokentape import telemetry

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    telemetry.instrument(tracer_provider=tracers)


@functools.cache
def provider(base_url):
    return OpenAIChat("gpt-4o-mini", base_url=base_url, max_retries=0)


async def answer():
    return await provider(os.environ["OPENAI_BASE_URL"]).achat("Hi", stream=True)


async def chat(request):
    return StreamingChatResponse(await answer(), format="sse")


async def chat_over_websocket(websocket):
    await websocket.accept()
    await websocket.receive_text()
    async for message in (await answer()).normalized:
        await websocket.send_text(message.text)
    await websocket.close()


app = Starlette(
    routes=[Route("/chat", chat, methods=["GET", "POST"]), WebSocketRoute("/chat", chat_over_websocket)],
)
