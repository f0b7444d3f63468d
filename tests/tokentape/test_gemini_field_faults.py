"""What servers send beside Gemini's format is read, or is one clear error, however it is cut."""

from __future__ import annotations

from typing import Any

from tests.tokentape.field_streams import calls, read, sse
from tokentape import BadRequestError, DecodeError


def test_an_error_of_openais_shape_is_read_in_geminis_format() -> None:
    """Its type decides the class of the error."""
    failed = read(sse({"error": {"message": "no", "type": "invalid_request_error", "code": "x"}}), "gemini").error
    assert isinstance(failed, BadRequestError)
    assert failed.type == "invalid_request_error"


def test_calls_with_ids_of_their_own_stay_apart() -> None:
    """A call without arguments beside another of the same name is a call (Gemini)."""
    parts = [{"functionCall": {"id": id_, "name": "f", "args": args}} for id_, args in (("A", {}), ("B", {"a": 1}))]
    body = sse({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]})
    assert calls(read(body, "gemini")) == [("A", "f", {}), ("B", "f", {"a": 1})]
    nameless = [{"functionCall": {"name": "f", "args": args}} for args in ({}, {"a": 1})]
    body = sse({"candidates": [{"content": {"parts": nameless}, "finishReason": "STOP"}]})
    assert calls(read(body, "gemini")) == [("", "f", {}), ("", "f", {"a": 1})]


def test_partial_arguments_may_come_after_a_placeholder_and_leave_elements_out() -> None:
    """Elements that are left out are null, and too many of them are an error."""

    def part(**call: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"functionCall": call}]}}]}

    def value(path: str) -> list[dict[str, Any]]:
        return [{"jsonPath": path, "numberValue": 3}]

    started = part(name="f", args={}, willContinue=True)
    end = {"candidates": [{"finishReason": "STOP"}]}
    out = read(sse(started, part(partialArgs=value("$.q[1].n"), willContinue=True), part(), end), "gemini")
    assert calls(out) == [("", "f", {"q": [None, {"n": 3}]})]
    huge = read(sse(started, part(partialArgs=value("$.q[999999999]"))), "gemini")
    assert isinstance(huge.error, DecodeError)
