"""Frames that the line acts on."""

from dataclasses import dataclass

from pipecat.frames.frames import InputDTMFFrame, OutputAudioRawFrame


@dataclass
class LiveAudioRawFrame(OutputAudioRawFrame):
    """Audio of a live source on its way to the caller: worth nothing if it comes late.

    The line drops some of it when it keeps standing in the queue, as after a stall.
    """


@dataclass(repr=False)
class CallerKeyFrame(InputDTMFFrame):
    """A key that the caller pressed; no log of frames shows which one."""

    def __str__(self):
        return f"{self.name}(tone: •)"

    __repr__ = __str__
