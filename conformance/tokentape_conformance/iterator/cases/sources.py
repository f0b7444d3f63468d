"""Sources: where promises are specified. Cases name one of these, or another document."""

REFERENCE = "Drupal AI module, streaming chapter"
CONTRACT = "tokentape, docs/iterator.md"
WHATWG = "WHATWG HTML, 9.2.6, interpreting an event stream"
NDJSON = "NDJSON 1.0, parsing"
UTF8 = "RFC 3629: a character takes one to four octets, and a stream may be split between any two"
OPENTELEMETRY = "OpenTelemetry, semantic conventions for generative AI: usage"
PYTHON = "Python language reference: generator.close, asynchronous generators, task cancellation"
