"""Keeps a bot from answering before it is known whether a person is there."""

from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor


class AnswerGate(FrameProcessor):
    """Holds back what the LLM is asked, until it is opened.

    Sits between the user's aggregator and the LLM. What was said meanwhile stands in the context,
    so that the first answer knows it.
    """

    def __init__(self, **kwargs):
        """Initialize the gate, shut.

        Args:
            **kwargs: Arguments of ``FrameProcessor``.
        """
        super().__init__(**kwargs)
        self._is_open = False
        self._held: LLMContextFrame | None = None

    async def open(self, *, ask: bool) -> None:
        """Let everything through from now on.

        Args:
            ask: Whether the LLM is asked what was held back.
        """
        self._is_open = True
        held, self._held = self._held, None
        if held and ask:
            await self.push_frame(held)

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Hold back requests while shut; pass everything else on."""
        await super().process_frame(frame, direction)
        shut = not self._is_open and direction is FrameDirection.DOWNSTREAM
        if shut and isinstance(frame, LLMContextFrame):
            self._held = frame
        else:
            await self.push_frame(frame, direction)
