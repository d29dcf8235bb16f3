"""People at a desk as transfers meet them: helpful, busy, away, silent, or a machine."""

from typing import Any

from local.callers.scenario import HumanScript, VoiceSpec, parse_human

# Well above the bot's own voice, so that listeners tell the two apart.
DESK_VOICE = VoiceSpec(shift=1.45, words_per_minute=200)
HELLO = "Front desk, hello?"
YES = "Yes, put them through."
NO = "No, not now."
WELCOME = "Front desk, this is Robin. How may I help you?"
REPLIES = ("Of course, I will see to it.", "You are welcome. Goodbye.")


def human(name: str, *steps: dict[str, Any], **changes: Any) -> HumanScript:
    """Someone with the voice of the desk.

    Args:
        name: What they do.
        *steps: As in a scenario's YAML.
        **changes: Other keys of ``HumanScript``.
    """
    data = {"name": name, "voice": DESK_VOICE.model_dump(), "ring_secs": 0.5, "steps": steps}
    return parse_human(data | changes, name)


_HELLO = {"say": HELLO, "at_once": True}
_TALK = (
    {"say": WELCOME, "at_once": True},
    {"chat": list(REPLIES)},
    {"bot_hangs_up": True, "within_secs": 60},
)

ACCEPTS_BY_KEY = human(
    "accepts by key",
    _HELLO,
    {"expect": ["press one | press two"]},
    {"keys": "1"},
    {"wait": 0.8},
    *_TALK,
)
ACCEPTS_BY_VOICE = human(
    "accepts by voice", _HELLO, {"expect": ["press one"]}, {"say": YES}, {"wait": 0.8}, *_TALK
)
DECLINES_BY_KEY = human(
    "declines by key",
    _HELLO,
    {"expect": ["press two"]},
    {"keys": "2"},
    {"bot_hangs_up": True},
)
DECLINES_BY_VOICE = human(
    "declines by voice",
    _HELLO,
    {"expect": ["press two"]},
    {"say": NO},
    {"bot_hangs_up": True},
)
BUSY = human("is busy", reaction="busy", ring_secs=0)
REFUSES = human("refuses the call", reaction="refuses")
LETS_IT_RING = human("lets it ring", reaction="lets_it_ring", ring_secs=0)
SAYS_NOTHING = human("says nothing", {"bot_hangs_up": True, "within_secs": 60})
HANGS_UP_IN_BRIEFING = human("hangs up in the briefing", _HELLO, {"wait": 2.5}, {"hang_up": True})
VOICEMAIL = human(
    "is a machine",
    {
        "say": "You have reached the front desk of the Blue Door. Nobody can take your call. "
        "Please leave a message after the tone.",
        "at_once": True,
    },
    {"beep": 0.6},
    {"bot_hangs_up": True, "within_secs": 60},
)
EVERYONE = (
    ACCEPTS_BY_KEY,
    ACCEPTS_BY_VOICE,
    DECLINES_BY_KEY,
    DECLINES_BY_VOICE,
    BUSY,
    REFUSES,
    LETS_IT_RING,
    SAYS_NOTHING,
    HANGS_UP_IN_BRIEFING,
    VOICEMAIL,
)


def all_lines() -> list[str]:
    """Everything that anybody of them says, each once."""
    return list(dict.fromkeys(line for script in EVERYONE for line in script.lines()))
