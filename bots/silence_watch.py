"""Decides what silence on the line means: a caller lost in thought, on hold, or one not heard."""

from pipecat.observers.base_observer import BaseObserver

from bots.bot import Bot
from bots.ending import Ending, EndingGate
from bots.sentences import Sentences
from bots.speaker import Speaker
from processors.deaf_watch import DeafWatch
from processors.hold_watch import HoldWatch
from processors.idle_watch import IdleWatch
from records.far_end_events import CallerReminded, CallerUnheard, HoldBegan, HoldEnded
from records.log import EventLog
from transports.call_info import CallInfo

ASK_AGAIN_AT_TURNS = 2
GIVE_UP_AT_TURNS = 4


class SilenceWatch:
    """Speaks to a silent caller, and ends a call with nobody on it.

    A silent caller hears the bot's ``idle.reprompts`` one after the other, then a goodbye, and the
    outcome is ``idle``. A line on hold is left alone. A caller who speaks and of whom the STT gives
    no word is asked twice to say it again; then the call ends with an apology.

    Parameters:
        idle: Counts the silence; ``with idle.suspended():`` lets the caller wait on purpose.
        observers: For the pipeline.
    """

    def __init__(
        self, bot: Bot, call: CallInfo, gate: EndingGate, sentences: Sentences, log: EventLog
    ):
        """Initialize; nothing is said before ``start()``.

        Args:
            bot: Who is on the line.
            call: The caller; only a phone can be put on hold.
            gate: The way out.
            sentences: What is said by default.
            log: Takes what was noticed.
        """
        keys = bot.config.idle
        self.idle = IdleWatch(keys.after_secs or 1.0)
        self.observers: list[BaseObserver] = [self.idle]
        self._counts = bot.talks and keys.after_secs > 0
        self._reprompts = sentences.still_there if keys.reprompts is None else keys.reprompts
        self._gate, self._sentences, self._log = gate, sentences, log
        self._speaker: Speaker | None = None
        if call.call_id or call.trunk_id:
            self._watch_holds()
        if bot.talks:
            self._watch_ears()
        self.idle.add_event_handler("on_idle", self._on_idle)

    def start(self, speaker: Speaker) -> None:
        """The caller hears the bot from now on."""
        self._speaker = speaker
        if self._counts:
            self.idle.start()

    async def _on_idle(self, _, number: int, secs: float) -> None:
        if self._gate.ending or self._speaker is None:
            return
        if number > len(self._reprompts):
            ending = Ending("idle", "caller:silent", say=self._sentences.nobody_there)
            self._gate.close(ending)
            return
        self._log.add(CallerReminded, number=number, silent_secs=round(secs, 3))
        await self._speaker.say(self._reprompts[number - 1])

    def _watch_holds(self) -> None:
        watch = HoldWatch()
        self.observers.append(watch)

        @watch.event_handler("on_hold_began")
        async def on_hold_began(_):
            self.idle.line_held()
            self._log.add(HoldBegan)

        @watch.event_handler("on_hold_ended")
        async def on_hold_ended(_, secs: float):
            self.idle.line_back()
            self._log.add(HoldEnded, secs=round(secs, 3))

    def _watch_ears(self) -> None:
        watch = DeafWatch()
        self.observers.append(watch)

        @watch.event_handler("on_unheard")
        async def on_unheard(_, turns: int):
            if self._gate.ending or self._speaker is None or self.idle.is_suspended:
                watch.forget()
            elif turns >= GIVE_UP_AT_TURNS:
                reason = f"stt: no word of {turns} turns"
                ending = Ending("provider_failure", reason, say=self._sentences.apology)
                self._gate.close(ending)
            elif turns >= ASK_AGAIN_AT_TURNS:
                self._log.add(CallerUnheard, turns=turns)
                await self._speaker.say(self._sentences.say_again)
