"""Ready tools for keys: a number the caller keys in, a secret one, keys that the bot presses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.flows import FlowManager
from pipecat.frames.frames import OutputDTMFFrame

from flows.call_resources import CallResources, call_resources
from flows.spoken_digits import read_back
from flows.tool import tool
from processors.keypad import Keypad
from processors.number_entry import NumberSpec, Verdict
from processors.secret_entry import CARD, PIN, SECURITY_CODE

# Three attempts at the longest number, with the question each time.
ENTRY_SECS = 300.0
MAX_KEYS = 32
NO_KEYS = "I cannot take numbers from your keypad right now."

Kind = Literal["card", "pin", "security_code"]
Result = Mapping[str, Any]

SECRETS: dict[str, NumberSpec] = {"card": CARD, "pin": PIN, "security_code": SECURITY_CODE}
WHY: dict[Verdict, str] = {
    "too_short": "too few digits were keyed in",
    "refused": "it is no valid number",
    "silent": "nothing was keyed in",
    "cancelled": "the caller does not want to key it in",
}


@tool(failure=NO_KEYS, timeout_secs=ENTRY_SECS)
async def collect_digits(
    flow_manager: FlowManager, question: str, min_digits: int, max_digits: int
) -> Result:
    """Ask for a number and let the caller key it in. A caller may say it instead: then take that.

    The result has the digits and how to read them back; read them back and ask whether they are
    right. Never use it for cards or PINs.

    Args:
        flow_manager: The conversation.
        question: What the caller hears, one sentence; you say nothing besides.
        min_digits: Fewest digits.
        max_digits: Most digits, at most 32.
    """
    call = call_resources(flow_manager)
    try:
        spec = NumberSpec(min_digits=min_digits, max_digits=max_digits)
    except ValueError as error:
        return {"status": "error", "error": str(error)}
    entered = await _keypad(call).collect(spec, ask=question)
    if entered.verdict != "entered":
        return {"status": "not_entered", "why": WHY[entered.verdict]}
    said = read_back(entered.digits, call.language)
    return {"status": "entered", "digits": entered.digits, "read_back": said}


@tool(failure=NO_KEYS, timeout_secs=ENTRY_SECS)
async def collect_secret(
    flow_manager: FlowManager, question: str, kind: Kind, digits: int = 0
) -> Result:
    """Ask for a card number, PIN or security code, which the caller keys in and nobody sees.

    You never learn the digits and never ask for them aloud; your other tools have them. The star
    key gives up.

    Args:
        flow_manager: The conversation.
        question: What the caller hears, one sentence, such as: Please key in your card number,
            then press hash. You say nothing besides.
        kind: What is asked for.
        digits: Exact number of digits, where it is known; 0 otherwise.
    """
    call = call_resources(flow_manager)
    spec = SECRETS[kind]
    if digits:
        if not spec.min_digits <= digits <= spec.max_digits:
            allowed = f"{spec.min_digits} to {spec.max_digits} digits"
            return {"status": "error", "error": f"a {kind} has {allowed}"}
        spec = replace(spec, min_digits=digits, max_digits=digits)
    entered = await _keypad(call).collect_secret(spec, ask=question)
    if entered.secret is None:
        return {"status": "not_entered", "kind": kind, "why": WHY[entered.verdict]}
    call.secrets[kind] = entered.secret
    return {"status": "entered", "kind": kind}


@tool(failure="I could not press that key.")
async def send_keys(flow_manager: FlowManager, keys: str) -> Result:
    """Press keys on the line, as for the menu of a machine that answered.

    Args:
        flow_manager: The conversation.
        keys: Digits, star and hash in their order, such as 12#.
    """
    pressed = "".join(keys.split())
    if not pressed or len(pressed) > MAX_KEYS or set(pressed) - set(KeypadEntry):
        return {"status": "error", "error": f"keys are 1 to {MAX_KEYS} of 0 to 9, * and #"}
    frame = OutputDTMFFrame.from_string(pressed)
    frame.interruptible = False  # half of a number is worse than none
    await flow_manager.worker.queue_frame(frame)
    return {"status": "sent"}


def _keypad(call: CallResources) -> Keypad:
    if call.keypad is None:
        raise RuntimeError("There is no keypad")
    return call.keypad
