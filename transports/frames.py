"""Frames that the line acts on."""

from dataclasses import dataclass

from pipecat.frames.frames import OutputAudioRawFrame


@dataclass
class LiveAudioRawFrame(OutputAudioRawFrame):
    """Audio of a live source on its way to the caller: worth nothing if it comes late.

    The line drops some of it when it keeps standing in the queue, as after a stall.
    """
