"""Sources: who promises it. Cases name one of these, or a place of their own."""

REFERENCE = "Drupal AI module, streaming chapter"
CONTRACT = "tokentape, docs/iterator.md"
WHATWG = "WHATWG HTML, 9.2.6, interpreting an event stream"
NDJSON = "NDJSON 1.0, parsing"
UTF8 = "RFC 3629: a character takes one to four octets, and a stream may be cut between any two"
OPENTELEMETRY = "OpenTelemetry, semantic conventions for generative AI: usage"
PYTHON = "Python language reference: generator.close, asynchronous generators, task cancellation"
