"""Transcoding: a recording of one provider, played as another's."""

from tokentape_harness.transcoding.loss import Loss
from tokentape_harness.transcoding.scripting import Scripted, script_of
from tokentape_harness.transcoding.transcode import Transcoded, transcode, transcode_cassette, transcode_numbered

__all__ = ["Loss", "Scripted", "Transcoded", "script_of", "transcode", "transcode_cassette", "transcode_numbered"]
