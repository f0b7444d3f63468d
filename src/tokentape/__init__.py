"""tokentape: every provider's stream as one iterator of chat messages."""

from tokentape.buffer import OutputBuffer
from tokentape.errors import (
    AsyncCallbackError,
    AuthenticationError,
    BadRequestError,
    BufferFullError,
    BufferUnavailableError,
    CallbackError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    DecodeError,
    EventsDroppedError,
    FollowUpError,
    NotFoundError,
    OutputBufferError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ReadCancelledError,
    ReentrantIterationError,
    RequestTimeoutError,
    ResponseNotFoundError,
    ResumeError,
    ServerError,
    TokentapeError,
    TruncatedStreamError,
    UnknownWireError,
    WorkerLostError,
)
from tokentape.finish_reason import FinishReason
from tokentape.framing.ndjson import NDJSONFraming
from tokentape.framing.sse import SSEFraming
from tokentape.message import (
    ChatMessage,
    Part,
    ProviderPart,
    ReasoningPart,
    Role,
    TextPart,
    ToolCall,
    ToolCallDelta,
)
from tokentape.output import ChatOutput
from tokentape.sources.byte_stream import astream_bytes, stream_bytes
from tokentape.sources.wrapping import stream_response, wrap
from tokentape.stream.asynchronous import AsyncStreamedChatMessageIterator
from tokentape.stream.context import StreamContext
from tokentape.stream.replay import replay
from tokentape.stream.signals import (
    PostStreamingResponseEvent,
    StreamingFailedEvent,
    post_streaming_response,
    streaming_failed,
)
from tokentape.stream.state import StreamStatus
from tokentape.stream.sync import StreamedChatMessageIterator
from tokentape.timing import StreamTiming
from tokentape.usage import TokenUsage
from tokentape.wires import EventDecoder, WireDecoder, wire_names

__all__ = [
    "AsyncCallbackError",
    "AsyncStreamedChatMessageIterator",
    "AuthenticationError",
    "BadRequestError",
    "BufferFullError",
    "BufferUnavailableError",
    "CallbackError",
    "ChatMessage",
    "ChatOutput",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "DecodeError",
    "EventDecoder",
    "EventsDroppedError",
    "FinishReason",
    "FollowUpError",
    "NDJSONFraming",
    "NotFoundError",
    "OutputBuffer",
    "OutputBufferError",
    "OverloadedError",
    "Part",
    "PermissionDeniedError",
    "PostStreamingResponseEvent",
    "ProviderError",
    "ProviderPart",
    "RateLimitError",
    "ReadCancelledError",
    "ReasoningPart",
    "ReentrantIterationError",
    "RequestTimeoutError",
    "ResponseNotFoundError",
    "ResumeError",
    "Role",
    "SSEFraming",
    "ServerError",
    "StreamContext",
    "StreamStatus",
    "StreamTiming",
    "StreamedChatMessageIterator",
    "StreamingFailedEvent",
    "TextPart",
    "TokenUsage",
    "TokentapeError",
    "ToolCall",
    "ToolCallDelta",
    "TruncatedStreamError",
    "UnknownWireError",
    "WireDecoder",
    "WorkerLostError",
    "astream_bytes",
    "post_streaming_response",
    "replay",
    "stream_bytes",
    "stream_response",
    "streaming_failed",
    "wire_names",
    "wrap",
]
