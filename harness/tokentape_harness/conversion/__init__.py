"""Conversion: recordings as cassettes of other formats, of other tools and of other providers."""

from tokentape_fake_provider.errors import extra_needed

with extra_needed("harness", __name__):
    from tokentape_harness.conversion.har import format_har, parse_har
    from tokentape_harness.conversion.loss import Loss
    from tokentape_harness.conversion.plain_vcrpy import without_streams
    from tokentape_harness.conversion.raw_body import parse_raw_stream
    from tokentape_harness.conversion.script_builder import Scripted, script_of
    from tokentape_harness.conversion.transcode import Transcoded, transcode, transcode_cassette, transcode_numbered

__all__ = [
    "Loss",
    "Scripted",
    "Transcoded",
    "format_har",
    "parse_har",
    "parse_raw_stream",
    "script_of",
    "transcode",
    "transcode_cassette",
    "transcode_numbered",
    "without_streams",
]
