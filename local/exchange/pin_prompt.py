"""Lets a caller in by a PIN, before there is a room for the call.

Where livekit-sip speaks, a beep asks for the PIN and three say that it is wrong.
Source: livekit-sip be5d3f57 ``pkg/sip/inbound.go`` (pinPrompt), observed.
"""

import asyncio
from collections.abc import Callable, Mapping

import numpy as np
from livekit.protocol import sip as pb
from loguru import logger

from local.sip.call import SipCall
from local.sip.errors import SipCallError
from local.sip.pacer import PacedSender

MAX_PIN = 16
_END = "#"
_RATE_HZ, _HERTZ, _LEVEL = 8000, 880, 8000
_BEEP_SECS, _GAP_SECS = 0.3, 0.2
_GONE = ""

FindRule = Callable[[str], pb.SIPDispatchRuleInfo | None]


async def ask_pin(
    call: SipCall, find_rule: FindRule, headers: Mapping[str, str]
) -> pb.SIPDispatchRuleInfo | None:
    """Answer a call and return the rule that the caller's PIN opens; else hang up.

    Args:
        call: Rings.
        find_rule: Gives the rule of a PIN; the empty one stands for no PIN at all.
        headers: Extra headers of the 200.
    """
    try:
        await call.answer(headers)
    except SipCallError as exc:  # the caller was told
        logger.warning(f"{call}: cannot be asked for a PIN, {exc}")
        return None
    sender = PacedSender(call.media)
    sender.start()
    try:
        sender.play(_beeps(1))
        pin = await _entered(call)
        rule = find_rule(pin) if pin is not None and len(pin) <= MAX_PIN else None
        if rule is None and call.end is None:
            logger.warning(f"{call}: no dispatch rule for the PIN that was entered")
            await sender.play(_beeps(3))
            await call.hangup(cause=0)
        return rule if call.end is None else None
    finally:
        sender.stop()


async def _entered(call: SipCall) -> str | None:
    """The digits before the ``#``, or one too many; None if the caller leaves."""
    pressed: asyncio.Queue[str] = asyncio.Queue()
    call.media.on_digit = pressed.put_nowait
    call.on_change = lambda call: pressed.put_nowait(_GONE) if call.end else None
    pin = ""
    while len(pin) <= MAX_PIN:
        digit = await pressed.get()
        if digit == _GONE:
            return None
        if digit == _END:
            break
        pin += digit
    return pin


def _beeps(count: int) -> np.ndarray:
    time = np.arange(round(_BEEP_SECS * _RATE_HZ)) / _RATE_HZ
    beep = (_LEVEL * np.sin(2 * np.pi * _HERTZ * time)).astype(np.int16)
    return np.tile(np.concatenate([beep, np.zeros(round(_GAP_SECS * _RATE_HZ), np.int16)]), count)
