"""Puts together what a call needs to hand its caller over."""

import time
from collections.abc import Callable

from bots.bot import Bot
from bots.briefing import Briefing
from bots.conversation import Conversation
from bots.desk_ear import DeskEar
from bots.desk_talk import DeskTalk
from bots.desk_words import caller_words
from bots.desks import Desk, Desks
from bots.ending import EndingGate
from bots.handover import Handover
from bots.hold_line import HoldLine
from bots.job import CallJob
from bots.phrases import RATE_HZ
from bots.pipeline import IN_RATE_HZ
from bots.transfer_surroundings import Surroundings
from records.log import EventLog
from services.phrases import PhraseStore
from services.providers import Providers
from transports.call_info import CallInfo
from transports.desk_line import DeskLine
from transports.livekit_sip import LiveKitSIPTransport
from transports.sip_control import SipControl


def set_up_handover(
    job: CallJob,
    bot: Bot,
    desks: Desks,
    conversation: Conversation,
    transport: LiveKitSIPTransport,
    call: CallInfo,
    gate: EndingGate,
    log: EventLog,
    *,
    providers: Providers,
    phrases: PhraseStore,
) -> Handover | None:
    """Give a conversation the way to transfer; None where there is nobody to hand over to."""
    if not desks.by_name or not bot.talks or not job.api_secret:
        return None
    control = SipControl(job.url, job.api_key, job.api_secret)
    words = caller_words(bot.config.language)

    async def waiting_word() -> bytes:
        tts = bot.config.tts
        assert tts
        return await phrases.get(tts.use, tts.voice or "", words.waiting, RATE_HZ) or b""

    surroundings = Surroundings(
        conversation=conversation,
        call=call,
        gate=gate,
        log=log,
        control=control,
        hold=HoldLine(
            transport,
            conversation.worker,
            conversation.caller_gate,
            caller_rate_hz=IN_RATE_HZ,
            word=waiting_word,
            suspended=conversation.idle.suspended,
        ),
        words=words,
        now=time.monotonic,
        can_refer=job.call_type == "sip",
    )

    def talk(desk: Desk) -> DeskTalk:
        line = DeskLine(control, job.url, job.room, in_rate_hz=RATE_HZ, out_rate_hz=IN_RATE_HZ)
        briefing = Briefing(
            bot,
            desk,
            providers,
            phrases,
            conversation.pipeline.llm,
            from_browser=job.call_type == "webrtc",
        )
        return DeskTalk(
            desk,
            line,
            briefing,
            control,
            room=job.room,
            call_id=job.call_id,
            ear=_ear_of(bot, briefing, providers),
        )

    handover = Handover(bot, desks, surroundings, talk)
    handover.arm()
    conversation.hand_over = handover.transfer
    return handover


def _ear_of(
    bot: Bot, briefing: Briefing, providers: Providers
) -> Callable[[Callable[[str, float], None]], DeskEar]:
    def ear(on_words: Callable[[str, float], None]) -> DeskEar:
        assert bot.config.stt
        stt = providers.stt(bot.config.stt, language=briefing.language)
        return DeskEar(stt, RATE_HZ, on_words)

    return ear
