"""The one value that leaves a call."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from records.dial import Dial
from records.event import Event, Private, PrivateName, PrivateNumber, PrivateText
from records.far_end import FarEnd, Hold
from records.fold import Fold
from records.outcomes import Outcome
from records.percentiles import Percentiles
from records.transfers import Callback, Message, TransferRecord
from records.turn import CallError, ToolUse, Turn


class CallRecord(BaseModel):
    """Everything a call did, as the fold of its events.

    Parameters:
        call_id: The call's id.
        call_type: A phone, or a browser.
        room: The LiveKit room.
        bot: The bot that answered; None as long as, or because, no bot claims the number.
        bot_hash: Hash of the bot's files, so that one knows which version spoke.
        caller: The caller's number.
        dialled: The number that was dialled.
        variables: What a call that was asked for is about.
        metadata: What whoever asked for the call wants to find here.
        results: What the flow found out, by its own names.
        dial: How the phone was reached, or why not; None for a call that came in.
        started_at: When the call was taken up.
        answered_at: When both ends heard each other; None if that never happened.
        ended_at: None while the call runs.
        duration_secs: Start to end; None while the call runs.
        talk_secs: Answer to end; None while the call runs, 0 if it was never answered.
        ready_secs: How long the bot took until it could answer.
        outcome: Why the call ended; None while it runs.
        reason: The same in the words of who caused it.
        turns: In the order of time; those with number 0 the bot spoke unasked.
        unfinished_text: What the caller said after the last turn ended, e.g. until cut off.
        tools: All tools, in the order they were called.
        keys: All keys the caller pressed.
        interruptions: How often the caller took the floor while the bot spoke.
        transfers: To whom the caller was handed, or was to be.
        messages: What the caller left for somebody.
        callbacks: Calls that the caller was promised.
        far_end: Person or answering machine, for a bot that asks; else None.
        holds: When the far end put the call on hold.
        reminders: How often a silent caller was spoken to.
        recording: URI of the recording.
        recording_secs: Its length.
        tape: ``records.tape_report.TapeReport`` as a dictionary.
        latency_traced: Of the turns' ``traced_secs``.
        latency_heard: Of the turns' ``heard_secs``.
        last_seq: Number of the last event that is in this record.
    """

    model_config = ConfigDict(frozen=True)

    call_id: str
    direction: Literal["inbound", "outbound"] = "inbound"
    call_type: Literal["sip", "webrtc"] = "sip"
    room: PrivateName = ""
    bot: str | None = None
    bot_hash: str = ""
    caller: PrivateNumber = ""
    dialled: PrivateNumber = ""
    sip_call_id: str = ""
    trunk_id: str = ""
    dial: Dial | None = None
    variables: Annotated[dict[str, str], Private()] = {}
    metadata: PrivateText = ""
    results: Annotated[dict[str, str], Private()] = {}
    started_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_secs: float | None = None
    talk_secs: float | None = None
    ready_secs: float | None = None
    outcome: Outcome | None = None
    reason: str = ""
    turns: list[Turn] = []
    unfinished_text: PrivateText = ""
    tools: list[ToolUse] = []
    keys: PrivateText = ""
    interruptions: int = 0
    errors: list[CallError] = []
    transfers: list[TransferRecord] = []
    messages: list[Message] = []
    callbacks: list[Callback] = []
    far_end: FarEnd | None = None
    holds: list[Hold] = []
    reminders: int = 0
    recording: str | None = None
    recording_secs: float | None = None
    tape: dict[str, Any] | None = None
    latency_traced: Percentiles | None = None
    latency_heard: Percentiles | None = None
    last_seq: int = 0

    @classmethod
    def fold(cls, events: Iterable[Event]) -> Self:
        """Make the record of one call from its events.

        Pure: the same events give the same record, in whatever order they come and however often
        each is there. A call that was cut at any event gives the record of what is known.

        Raises:
            ValueError: If there is no event, or if they are of several calls.
        """
        by_seq = {event.seq: event for event in events}
        if not by_seq:
            raise ValueError("a call without events has no record")
        fold = Fold()
        for seq in sorted(by_seq):
            fold.take(by_seq[seq])
        return cls(**fold.fields())
