"""A caller who comes by a web page instead of a phone."""

import asyncio

from bots.ending import Ending
from bots.job import CallJob
from bots.line_ends import ending_of_line
from processors.captions import Caption, CaptionObserver
from transports.call_info import CallInfo
from transports.caption_stream import CaptionStream
from transports.livekit_sip import LiveKitSIPTransport

# As long as the page's token may be used to join. The page asked for the microphone before.
CALLER_SECS = 60.0
NOBODY_CAME = Ending("no_answer", "nobody came from the page")


class WebCaller:
    """Knows who is awaited, and sends the captions to their page.

    Parameters:
        info: Who calls; a page has no number.
        observer: Looks on in the pipeline for what is said.
    """

    def __init__(self, job: CallJob):
        """Initialize; nobody is there yet."""
        self.info = CallInfo(job.caller)
        self.observer = CaptionObserver(self._show)
        self._captions: CaptionStream | None = None
        self._bot = job.identity

    async def enter(self, transport: LiveKitSIPTransport, active: asyncio.Event) -> CallInfo:
        """Join the room, where the caller need not be yet, and send captions from now on.

        Args:
            transport: The line, made for this caller.
            active: Set once the caller is heard; they hear the bot by then.

        Raises:
            LineError: ``cannot_connect``.
        """

        @transport.event_handler("on_audio_track_subscribed")
        async def on_audio_track_subscribed(*_):
            active.set()

        await transport.enter()
        self._captions = CaptionStream(transport.room, self.info.identity)
        return self.info

    async def close(self) -> None:
        """Send no more captions; idempotent."""
        if self._captions:
            await self._captions.close()
            self._captions = None

    def ending(self, reason: str) -> Ending:
        """What the line's end means: a page that is closed or cut off has hung up."""
        ending = ending_of_line(reason)
        if ending.outcome == "trunk_failure":
            return Ending("caller_hung_up", reason)
        return ending

    def _show(self, caption: Caption) -> None:
        if self._captions:
            speaker = self._bot if caption.speaker == "bot" else self.info.identity
            self._captions.show(caption.segment, caption.text, speaker=speaker, final=caption.final)
