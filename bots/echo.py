"""The echo bot's one processor."""

from pipecat.processors.frame_processor import FrameProcessor

from processors.echo import EchoProcessor
from transports.call_info import CallInfo


def processors(default: list[FrameProcessor], call: CallInfo) -> list[FrameProcessor]:
    """Put the echo between the line's two halves."""
    first, *rest = default
    return [first, EchoProcessor(), *rest]
