"""Which bot takes a call, with what the call is about filled in."""

from bots.bot import Bot, Bots
from bots.ending import Ending, EndingGate
from bots.event_listener import ListenedLog
from bots.job import CallJob
from bots.variables import MissingVariableError, filled
from records.events import CallerJoined
from transports.call_info import CallInfo


def bot_for(
    job: CallJob, bots: Bots, info: CallInfo, *, gate: EndingGate, log: ListenedLog
) -> Bot | None:
    """The bot of this call; None closes ``gate`` with the reason.

    Args:
        job: May name the bot, and brings its variables.
        bots: All bots.
        info: Who calls whom; without a name the dialled number decides.
        gate: Closed when no bot takes the call.
        log: Told of the caller and the bot; from then on the bot listens to it.
    """
    bot = bots.named(job.bot) if job.bot else bots.for_number(info.dialled)
    log.add(
        CallerJoined,
        caller=info.number,
        dialled=info.dialled,
        sip_call_id=info.call_id,
        trunk_id=info.trunk_id,
        bot=bot.name if bot else None,
        bot_hash=bot.bot_hash if bot else "",
    )
    if bot is None:
        reason = f"no bot is named {job.bot}" if job.bot else f"no bot has {info.dialled}"
        gate.close(Ending("rejected", reason))
        return None
    if bot.on_event:
        log.on_event = bot.on_event
    try:
        return filled(bot, job.variables)
    except MissingVariableError as error:
        gate.close(Ending("rejected", str(error)))
        return None
