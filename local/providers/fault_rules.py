"""What can go wrong on purpose, and how it is written: as JSON, or inside a key."""

import math
import random
import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Service = Literal["stt", "llm", "tts"]
Kind = Literal["status", "never", "delay", "stall", "slow", "cut", "close", "garbage", "mute"]

KINDS: dict[str, str] = {
    "status": "answer the request or handshake with this HTTP status",
    "never": "accept, then never answer",
    "delay": "wait before answering: ms, uniform:LOW:HIGH, or lognormal:MEDIAN_MS:SIGMA",
    "stall": "after `after` messages wait `value` ms once, then go on",
    "slow": "wait `value` ms before every message (token, chunk, result)",
    "cut": "drop the TCP connection after `after` messages",
    "close": "close the websocket properly (value: close code) after `after` messages",
    "garbage": "send one message that is not what the protocol says, after `after` messages",
    "mute": "swallow every message after `after`; the connection stays open",
}

_KEY_RULE = re.compile(
    r"(?P<service>stt|llm|tts)\.(?P<kind>\w+)(?:=(?P<value>[\w:.\-]+?))?"
    r"(?:@(?P<after>\d+))?(?:x(?P<times>\d+))?(?:~(?P<seed>\d+))?$"
)


class FaultError(ValueError):
    """A fault is written wrongly."""


class FaultRule(BaseModel):
    """One fault.

    Parameters:
        service: Where it happens.
        kind: What happens, one of KINDS.
        value: A status, a close code or a time in ms, as the kind asks for.
        after: How many messages pass first.
        times: How often it fires in all; None is always.
        probability: Of firing at each chance.
        key: The one key it holds for; ``*`` is every key.
        seed: Of its own random numbers: the same seed gives the same delays and chances again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: Service
    kind: Kind
    value: Annotated[str, BeforeValidator(str)] = ""
    after: int = Field(default=0, ge=0)
    times: int | None = Field(default=None, ge=0)
    probability: float = Field(default=1.0, ge=0, le=1)
    key: str = "*"
    seed: int = 0

    @model_validator(mode="after")
    def _value_fits_kind(self) -> "FaultRule":
        if self.kind == "status" and not (self.value.isdigit() and 400 <= int(self.value) <= 599):
            raise ValueError(f"status needs a value of 400 to 599, not {self.value!r}")
        if self.kind == "close" and self.value and not self.value.isdigit():
            raise ValueError(f"close takes a websocket close code, not {self.value!r}")
        if self.kind in ("delay", "stall", "slow"):
            draw_secs(self.value, random.Random(0))
        return self


def draw_secs(value: str, chance: random.Random) -> float:
    """A time in seconds: ``800``, ``uniform:200:900`` or ``lognormal:400:0.5`` (ms).

    Raises:
        FaultError: If it is none of these.
    """
    name, *numbers = value.split(":")
    try:
        if name == "uniform":
            low, high = map(float, numbers)
            return chance.uniform(low, high) / 1000
        if name == "lognormal":
            median, sigma = map(float, numbers)
            return chance.lognormvariate(math.log(median), sigma) / 1000
        return float(value) / 1000
    except ValueError as error:
        allowed = "800, uniform:200:900 or lognormal:400:0.5"
        raise FaultError(f"{value!r} is no time in ms; write {allowed}") from error


def rules_in_key(key: str) -> list[FaultRule]:
    """The faults written behind the plus sign of a key.

    ``local-17+llm.status=429x1,tts.delay=lognormal:400:0.5~7``: kind, ``=value``, ``@after``
    messages, ``x`` times, ``~`` seed.

    Raises:
        FaultError: If one of them is written wrongly.
    """
    _, plus, written = key.partition("+")
    rules: list[FaultRule] = []
    for text in written.split(",") if plus else []:
        match = _KEY_RULE.match(text)
        if not match:
            raise FaultError(f"{text!r} is no fault; write service.kind=value@after x times ~seed")
        fields = {name: value for name, value in match.groupdict().items() if value is not None}
        rules.append(FaultRule.model_validate({**fields, "key": key}))
    return rules
