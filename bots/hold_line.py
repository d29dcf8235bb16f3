"""The caller's line while they wait for a person, and while they talk to one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack

from loguru import logger
from pipecat.pipeline.worker import PipelineWorker

from bots.desk_talk import DeskTalk
from bots.hold_player import HoldPlayer
from processors.caller_gate import CallerGate
from transports.bridge import LiveFeed
from transports.livekit_sip import LiveKitSIPTransport

PLAYOUT_SECS = 15.0


class HoldLine:
    """Takes the line from the bot, plays music, joins it to a desk, and gives it back."""

    def __init__(
        self,
        transport: LiveKitSIPTransport,
        worker: PipelineWorker,
        gate: CallerGate,
        *,
        caller_rate_hz: int,
        word: Callable[[], Awaitable[bytes]],
        suspended: Callable[[], AbstractContextManager[None]] | None = None,
    ):
        """Initialize; the line stays the bot's.

        Args:
            transport: The caller's line.
            worker: The bot's pipeline.
            gate: Keeps the caller from the bot.
            caller_rate_hz: Rate of the caller's audio in the pipeline.
            word: Gives what is said between the music, PCM at the line's rate; may be empty.
            suspended: Keeps the bot from asking a waiting caller whether they are there.
        """
        self._transport, self._worker, self._gate = transport, worker, gate
        self._caller_rate_hz, self._word, self._suspended = caller_rate_hz, word, suspended
        self._player: HoldPlayer | None = None
        self._starting: asyncio.Task[None] | None = None
        self._feeds: list[LiveFeed] = []
        self._talk: DeskTalk | None = None
        self._waiting = ExitStack()

    async def announce(self, say: Callable[[], Awaitable[None]]) -> None:
        """Shut the bot's ears, say something, and wait until it was played."""
        if self._suspended:
            self._waiting.enter_context(self._suspended())
        self._gate.shut()
        await say()
        try:
            async with asyncio.timeout(PLAYOUT_SECS):
                await self._worker.flush_pipeline()
                await self._transport.wait_for_playout()
        except TimeoutError:
            logger.warning(f"The sentence before a transfer is not over in {PLAYOUT_SECS:g} s")

    def play(self) -> None:
        """Begin the music."""
        if self._starting is None and (line := self._transport.source):
            line.lend()
            self._starting = asyncio.create_task(self._play())

    async def join(self, talk: DeskTalk) -> None:
        """Let the caller and the person hear each other; the music fades meanwhile."""
        line = self._transport.source
        assert line is not None
        self._talk = talk
        to_desk = LiveFeed(talk.line, self._caller_rate_hz)
        to_caller = LiveFeed(line, line.sample_rate)
        self._feeds = [to_desk, to_caller]
        to_desk.start()
        self._gate.shut()
        self._gate.divert(to_desk.offer)
        await self._stop_music()
        line.lend()
        to_caller.start()
        talk.line.on_audio = to_caller.offer

    async def part(self) -> None:
        """Undo ``join``: neither hears the other from now on."""
        self._gate.divert(None)
        if self._talk:
            self._talk.line.on_audio = _to_nobody
            self._talk = None
        feeds, self._feeds = self._feeds, []
        for feed in feeds:
            await feed.stop()
            logger.debug(f"Voice {feed.played_secs:.1f} s, dropped {feed.dropped_secs:.2f} s")

    async def release(self) -> None:
        """Give the line back to the bot; idempotent."""
        await self.part()
        await self._stop_music()
        if line := self._transport.source:
            line.take_back()
        self._gate.open()
        self._waiting.close()

    async def _play(self) -> None:
        line = self._transport.source
        assert line is not None
        self._player = HoldPlayer(line, await self._word())
        self._player.start()

    async def _stop_music(self) -> None:
        starting, self._starting = self._starting, None
        if starting:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        player, self._player = self._player, None
        if player:
            await player.stop()


def _to_nobody(pcm: bytes) -> None:
    """Hears what nobody may hear."""
