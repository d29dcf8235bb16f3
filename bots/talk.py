"""A conversation by microphone and speaker, in the same pipeline as a call."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipecat.transports.base_transport import BaseTransport

from bots.bot import Bot
from bots.conversation import Conversation
from bots.ending import Ending, EndingGate
from bots.witnesses import Witnesses
from processors.turn_models import TurnModels
from records.event import Event
from records.events import BotSpoke, ErrorRaised, ToolCalled, TurnEnded, TurnMeasured
from records.log import EventLog
from services.phrases import PhraseStore
from services.providers import Providers
from transports.call_info import CallInfo
from transports.line_error import LineError
from transports.local_audio import local_audio_transport

READY_SECS = 8.0
DEVICE_LOST = "The microphone or the speaker is gone: connect it again, or restart the sound server"
_print = partial(print, flush=True)  # whoever reads by a pipe reads along


async def talk(
    bot: Bot,
    *,
    providers: Providers,
    phrases: PhraseStore,
    models: TurnModels,
    phone: bool = False,
    data_dir: Path = Path(".switchboard"),
    transport: BaseTransport | None = None,
    show: Callable[[str], None] = _print,
) -> Ending:
    """Let somebody at this machine talk to a bot, until either ends it or the task is cancelled.

    Args:
        bot: Who answers.
        providers: Makes services.
        phrases: Sentences kept as PCM.
        models: VAD and Smart Turn.
        phone: Send both directions through 8 kHz μ-law.
        data_dir: Folder for what tools keep.
        transport: Used instead of the sound card.
        show: Takes each line of the transcript.

    Raises:
        LineError: ``no_audio_extra``, ``no_audio_device`` or ``audio_device_lost``.
        ProviderError: If a service cannot be built.
    """
    gate, gone = EndingGate(), asyncio.Event()
    line = transport or local_audio_transport(phone=phone)
    _end_with(line, gate, gone)
    log = EventLog("talk", lambda event: _show(event, show))
    witnesses = Witnesses(log)
    conversation = Conversation(
        bot,
        line,
        CallInfo("microphone"),
        gate,
        providers=providers,
        phrases=phrases,
        models=models,
        data_dir=data_dir,
        log=log,
        observers=witnesses.observers,
        taps=[],
    )
    try:
        if await conversation.start(READY_SECS):
            show(f"{bot.name} is listening; Ctrl-C ends it.")
            await conversation.open()
            await gate.wait()
        gate.close(Ending("provider_failure", f"services not ready in {READY_SECS:g} s"))
    except asyncio.CancelledError:
        gone.set()  # nobody listens any more: fall silent at once
        raise
    finally:
        gate.close(Ending("cancelled", "terminated"))
        await conversation.close(line_is_gone=gone)
    if gone.is_set():
        raise LineError("audio_device_lost", DEVICE_LOST)
    assert gate.ending
    show(f"The conversation is over: {gate.ending.outcome} ({gate.ending.reason}).")
    return gate.ending


def _end_with(line: BaseTransport, gate: EndingGate, gone: asyncio.Event) -> None:
    @line.event_handler("on_call_ended")
    async def on_call_ended(_, reason: str):
        gone.set()
        gate.close(Ending("worker_lost", reason))


def _show(event: Event, show: Callable[[str], None]) -> None:
    match event:
        case TurnEnded():
            show(f"you: {event.text}")
        case BotSpoke():
            show(f"bot: {event.text}{' …' if event.interrupted else ''}")
        case TurnMeasured():
            show(f"     answered after {event.latency.total:.2f} s")
        case ToolCalled():
            show(f"     {event.name}({', '.join(f'{k}={v}' for k, v in event.arguments.items())})")
        case ErrorRaised():
            show(f"     {event.source}: {event.message}")
