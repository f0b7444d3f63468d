# ruff: noqa: E501
"""One whole script as each wire format sends it, byte by byte."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from tests.fake_provider.asks import ask_of, stream_of
from tokentape_fake_provider.script.model import Reasoning, Script, ToolCall, Usage
from tokentape_fake_provider.wires import wire_named

SCRIPT = Script.of(
    Reasoning("Hm, a test.", signature="c2ln"),
    "Hello, 世界!",
    ToolCall.of("look", {"q": "x y"}, id="call_1"),
    usage=Usage(cached=3),
)


def test_an_openai_chat_stream_byte_by_byte() -> None:
    """The whole stream, as api.openai.com frames it."""
    assert stream_of("openai_chat", SCRIPT, stream_options={"include_usage": True}) == snapshot("""\
data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"fk3QOWZ"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"reasoning_content":"Hm"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"BhTWu2DMzKWHH"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"reasoning_content":","},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"dt98Wc6psX4KTn"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"reasoning_content":" a"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"3I66GFkHqDc8c"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"reasoning_content":" test"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"yUpEELzQcN"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"reasoning_content":"."},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"UsnVy9ZA4y3MxT"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"gXjc"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"content":","},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Sfp4nIvd"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"content":" "},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"YklSyqm9"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"content":"世界"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"dbL"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"content":"!"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"0ltI0FdK"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look","arguments":""}}]},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"G"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\""}}]},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"hdVCxYeKGcZx"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"q"}}]},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"DMpjQB1LlPTyrL"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\":\\""}}]},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"JfSSDLjjXr"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"x"}}]},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"BZUIxrKj2RSigx"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":" y"}}]},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"goiJc93Owvi2w"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\"}"}}]},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"QWhmIsa7G5PF"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null,"obfuscation":"UxPAAigmORevM"}

data: {"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion.chunk","created":1800000000,"model":"m","service_tier":"default","system_fingerprint":"fp_a566e42ab3","choices":[],"usage":{"prompt_tokens":4,"completion_tokens":17,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":3,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"obfuscation":"bNTsAB6C4"}

data: [DONE]

""")


def test_an_anthropic_messages_stream_byte_by_byte() -> None:
    """The whole stream, as api.anthropic.com frames it."""
    assert stream_of("anthropic_messages", SCRIPT) == snapshot("""\
event: message_start
data: {"type":"message_start","message":{"model":"m","id":"msg_01VqMo9gjhNqCap1btoAqvdv","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard","inference_geo":"global"}}             }

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}    }

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}   }

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":", a test"}      }

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"."}      }

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}              }

event: content_block_stop
data: {"type":"content_block_stop","index":0 }

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}  }

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hello"} }

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":", 世界"}               }

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"!"}  }

event: content_block_stop
data: {"type":"content_block_stop","index":1 }

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_1","name":"look","input":{}}         }

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}          }

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\\""}              }

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"q\\":\\"x"}    }

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":" y\\"}"}       }

event: content_block_stop
data: {"type":"content_block_stop","index":2   }

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,"stop_details":null},"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"output_tokens":17,"output_tokens_details":{"thinking_tokens":5}}       }

event: message_stop
data: {"type":"message_stop"            }

""")


@pytest.mark.parametrize("wire", ["openai_chat", "anthropic_messages"])
def test_complete_responses_byte_by_byte(wire: str) -> None:
    """The same script without streaming."""
    reply = wire_named(wire).encode_complete(SCRIPT, ask_of(wire, stream=False))
    expected = {
        "openai_chat": snapshot(
            '{"id":"chatcmpl-qcNADxxuBns43PNWBwg75z0t7Rkal","object":"chat.completion","created":1800000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello, 世界!","refusal":null,"reasoning_content":"Hm, a test.","tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{\\"q\\":\\"x y\\"}"}}],"annotations":[]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":4,"completion_tokens":17,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":3,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_a566e42ab3"}'
        ),
        "anthropic_messages": snapshot(
            '{"model":"m","id":"msg_01VqMo9gjhNqCap1btoAqvdv","type":"message","role":"assistant","content":[{"type":"thinking","thinking":"Hm, a test.","signature":"c2ln"},{"type":"text","text":"Hello, 世界!"},{"type":"tool_use","id":"call_1","name":"look","input":{"q":"x y"}}],"stop_reason":"tool_use","stop_sequence":null,"stop_details":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":17,"service_tier":"standard","inference_geo":"global","output_tokens_details":{"thinking_tokens":5}}}'
        ),
    }
    assert (reply.status, reply.body.decode()) == (200, expected[wire])
