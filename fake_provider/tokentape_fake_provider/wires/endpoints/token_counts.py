"""Token counts: those that usage reports for the same request, before it is sent.

platform.claude.com/docs/en/api/messages-count-tokens, ai.google.dev/api/tokens, platform.openai.com/docs/api-reference/
responses/input-tokens, docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html,
docs.cohere.com/reference/tokenize
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.results import TokenCount
from tokentape_fake_provider.script.tokenizer import split_tokens
from tokentape_fake_provider.wires.anthropic_messages import AnthropicMessages, anthropic_headers
from tokentape_fake_provider.wires.aws_frames import request_id
from tokentape_fake_provider.wires.bedrock_converse import BedrockConverse
from tokentape_fake_provider.wires.bedrock_invoke import BedrockInvoke
from tokentape_fake_provider.wires.cohere_chat import CohereChat
from tokentape_fake_provider.wires.endpoints.cohere_values import (
    cohere_meta,
    cohere_reply,
    expect,
    invalid,
    refuse_unknown,
)
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read
from tokentape_fake_provider.wires.endpoints.openai_values import openai_reply
from tokentape_fake_provider.wires.gemini import PARENTS, VERSIONS, Gemini
from tokentape_fake_provider.wires.google_errors import JSON_TYPE, headers, pretty
from tokentape_fake_provider.wires.openai_responses import OpenAIResponses
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.prompt_tokens import is_plain, tokens_besides_text
from tokentape_fake_provider.wires.reading.fields import as_object, either, text_of
from tokentape_fake_provider.wires.tasks import Counting, Input
from tokentape_fake_provider.wires.validation.check import check_request
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply, Wire

_COUNT, _GENERATE = ":countTokens", ":generateContent"
_COUNT_TOKENS: Final = "/count-tokens"
_MOST_CHARACTERS: Final = 65_536
# No answer is generated, so that its length is not limited.
_LENGTH: Final = 2**31
_UNLIMITED: Final = ((b"anthropic-beta", b"output-128k"),)

Chat = Callable[[str, Mapping[str, Any]], ProviderRequest]


def _chat(wire: Wire, path: str, body: Mapping[str, Any]) -> ProviderRequest:
    return wire.read(path, body, created=0, seed="")


def _anthropic(_path: str, body: Mapping[str, Any]) -> ProviderRequest:
    return _chat(AnthropicMessages(), "/v1/messages", {**body, "max_tokens": _LENGTH})


def _openai(path: str, body: Mapping[str, Any]) -> ProviderRequest:
    """The request; its model and its input may be missing."""
    model, given = body.get("model") or "gpt-5", body.get("input")
    return _chat(OpenAIResponses(), path, {**body, "model": model, "input": [] if given is None else given})


def _gemini(path: str, body: Mapping[str, Any]) -> ProviderRequest:
    inner = either(body, "generateContentRequest")
    return _chat(Gemini(), path.replace(_COUNT, _GENERATE), body if inner is None else as_object(inner))


def _bedrock(path: str, body: Mapping[str, Any]) -> ProviderRequest:
    given = as_object(body.get("input"))
    if (converse := given.get("converse")) is not None:
        return _chat(BedrockConverse(), path.replace(_COUNT_TOKENS, "/converse"), as_object(converse))
    data = as_object(given.get("invokeModel")).get("body")
    if data is None:
        raise BadRequestError("The input must have one of invokeModel and converse.")
    try:
        inner = msgspec.json.decode(base64.b64decode(text_of(data), validate=True))
    except (binascii.Error, msgspec.DecodeError):
        raise BadRequestError("Malformed input request, please reformat your input and try again.") from None
    return _chat(BedrockInvoke(), path.replace(_COUNT_TOKENS, "/invoke"), as_object(inner))


def _form(
    chat: Chat, write: Callable[[int, ProviderRequest], Any], reply: Callable[[Any, ProviderRequest], Reply]
) -> Format:
    """The format of an endpoint that counts the tokens of the request that `chat` finds in its own."""

    def read(path: str, body: Mapping[str, Any]) -> Read:
        request = chat(path, body)
        besides = 0 if is_plain(request.body) else tokens_besides_text(read_prompt(request), request.wire)
        return Read(Counting((Input(request.text, besides=besides),)), request.model)

    def check(request: ProviderRequest) -> None:
        counted = chat(request.path, request.body)
        check_request(counted, read_prompt(counted), _UNLIMITED)

    return Format(read, check, lambda result, request, tokens: write(_number(result, request, tokens), request), reply)


def _number(result: TokenCount, request: ProviderRequest, tokens: int | None) -> int:
    """The script's number, else that which usage reports, else that of the prompt."""
    if result.tokens is not None:
        return result.tokens
    assert request.task is not None
    return request.task.inputs[0].token_count if tokens is None else tokens


def _write_anthropic(tokens: int, request: ProviderRequest) -> Any:
    managed = {"context_management": {"original_input_tokens": tokens}} if "context_management" in request.body else {}
    return {**managed, "input_tokens": tokens}


def _reply_anthropic(body: Any, request: ProviderRequest) -> Reply:
    names = (("content-type", "application/json"), *anthropic_headers(request, request.seed))
    return Reply(200, names, msgspec.json.encode(body))


def _write_gemini(tokens: int, request: ProviderRequest) -> Any:
    body: dict[str, Any] = {"totalTokens": tokens}
    if "/publishers/" in request.path:
        body["totalBillableCharacters"] = len("".join(request.text.split()))
    return {**body, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}


def _reply_gemini(body: Any, request: ProviderRequest) -> Reply:
    return Reply(200, (JSON_TYPE, *headers(request.seed)), pretty(body) + b"\n")


def _reply_bedrock(body: Any, request: ProviderRequest) -> Reply:
    names = (("content-type", "application/json"), ("x-amzn-requestid", request_id(request.seed)))
    return Reply(200, names, msgspec.json.encode(body))


def _read_text(_path: str, body: Mapping[str, Any]) -> Read:
    text, model = body.get("text"), body.get("model")
    if model is None or model == "":
        raise invalid("model is required")
    expect("model", model, str, "a string")
    if text is None or text == "":
        raise invalid("text must be at least 1 character long")
    expect("text", text, str, "a string")
    return Read(Counting((Input(text),)), model)


def _check_text(request: ProviderRequest) -> None:
    refuse_unknown(request.body, ("text", "model"))
    if len(request.text) > _MOST_CHARACTERS:
        raise invalid(f"text must be at most {_MOST_CHARACTERS} characters long")


def _write_text(_result: TokenCount, request: ProviderRequest, _tokens: int | None) -> Any:
    """The tokens, which no number shortens; their ids are those of no vocabulary."""
    tokens = split_tokens(request.text)
    ids = [zlib.crc32(token.encode(errors="surrogatepass")) % 255_000 for token in tokens]
    return {"tokens": ids, "token_strings": tokens, "meta": cohere_meta("1", {})}


def _endpoint(name: str, owner: Wire, paths: Sequence[str], form: Format) -> Endpoint:
    return Endpoint(name, "token counts", owner, paths, form)


ENDPOINTS: Final = (
    _endpoint(
        "anthropic_count_tokens",
        AnthropicMessages(),
        (
            *("/v1/messages/count_tokens", "/messages/count_tokens", "/anthropic/v1/messages/count_tokens"),
            *(
                f"{version}/projects/{{_project}}/locations/{{_location}}/publishers/anthropic/models/"
                "count-tokens:rawPredict"
                for version in ("/v1", "/v1beta1", "")
            ),
        ),
        _form(_anthropic, _write_anthropic, _reply_anthropic),
    ),
    _endpoint(
        "openai_input_tokens",
        OpenAIResponses(),
        ("/v1/responses/input_tokens", "/responses/input_tokens", "{_base*}/responses/input_tokens"),
        _form(
            _openai, lambda tokens, _request: {"object": "response.input_tokens", "input_tokens": tokens}, openai_reply
        ),
    ),
    _endpoint(
        "gemini_count_tokens",
        Gemini(),
        tuple(f"{version}{parent}/models/{{model}}{_COUNT}" for version in VERSIONS for parent in PARENTS),
        _form(_gemini, _write_gemini, _reply_gemini),
    ),
    _endpoint(
        "bedrock_count_tokens",
        BedrockConverse(),
        ("/model/{model}/count-tokens", "/model/{arn}/{model}/count-tokens"),
        _form(_bedrock, lambda tokens, _request: {"inputTokens": tokens}, _reply_bedrock),
    ),
    _endpoint(
        "cohere_tokenize",
        CohereChat(),
        ("/v1/tokenize", "/v2/tokenize"),
        Format(_read_text, _check_text, _write_text, cohere_reply),
    ),
)
