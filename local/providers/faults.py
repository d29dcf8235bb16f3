"""Makes things go wrong on purpose, the same way each time, and counts it."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from local.providers.fault_rules import FaultRule, Kind, Service, draw_secs, rules_in_key

_KEPT_DELAYS = 200
_AT_START: tuple[Kind, ...] = ("cut", "close", "stall", "garbage", "mute", "slow", "never")


class Wire(Protocol):
    """What a connection lets a fault do to it."""

    async def close(self, code: int) -> None:
        """Close it properly."""
        ...

    def abort(self) -> None:
        """Drop the TCP connection."""
        ...

    async def send_garbage(self) -> None:
        """Send something the protocol does not know."""
        ...


class Fault:
    """A rule with its uses counted and random numbers of its own."""

    def __init__(self, rule: FaultRule):
        """Arm the rule."""
        self.rule = rule
        self.left = rule.times
        self._chance = random.Random(rule.seed)

    def fires(self) -> bool:
        """Whether it happens now; counts as one use."""
        if self.left == 0 or self._chance.random() >= self.rule.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True

    def draw_secs(self) -> float:
        """The next of its times."""
        return draw_secs(self.rule.value, self._chance)


class Faults:
    """All faults of this process, and what was served and broken so far."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep):
        """Initialize without faults; ``sleep`` is how they wait."""
        self.served: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.delays_ms: deque[float] = deque(maxlen=_KEPT_DELAYS)
        self._sleep = sleep
        self._faults: list[Fault] = []
        self._in_keys: dict[str, list[Fault]] = {}

    @property
    def rules(self) -> list[FaultRule]:
        """The rules in force, but for those in keys."""
        return [fault.rule for fault in self._faults]

    def replace(self, rules: Iterable[FaultRule]) -> None:
        """Put these rules in force, with seeds and counters from the beginning."""
        self._faults = [Fault(rule) for rule in rules]
        self._in_keys.clear()
        self.served.clear()
        self.fired.clear()
        self.delays_ms.clear()

    def take(self, service: Service, key: str, kind: Kind) -> Fault | None:
        """The first fault of this kind that fires.

        Raises:
            FaultError: If the key carries a fault that is written wrongly.
        """
        for fault in self._for(key):
            rule = fault.rule
            if (rule.service, rule.kind) == (service, kind) and fault.fires():
                self.fired[f"{service}.{kind}"] += 1
                return fault
        return None

    def session(self, service: Service, key: str) -> "FaultSession":
        """The faults of one connection, or of one streamed answer."""
        return FaultSession(self, service, key)

    async def wait(self, fault: Fault) -> None:
        """Wait as long as the fault says."""
        secs = fault.draw_secs()
        self.delays_ms.append(round(secs * 1000, 3))
        await self._sleep(secs)

    def _for(self, key: str) -> list[Fault]:
        if "+" in key and key not in self._in_keys:
            self._in_keys[key] = [Fault(rule) for rule in rules_in_key(key)]
        general = [fault for fault in self._faults if fault.rule.key in ("*", key)]
        return self._in_keys.get(key, []) + general


class FaultSession:
    """Counts the messages of one connection and spoils the right one."""

    def __init__(self, faults: Faults, service: Service, key: str):
        """Take what is armed for this service and key."""
        faults.served[service] += 1
        self._faults = faults
        self._service: Service = service
        self._key = key
        self._sent = 0
        self._muted = False
        self._armed: dict[Kind, Fault] = {}
        for kind in _AT_START:
            if fault := faults.take(service, key, kind):
                self._armed[kind] = fault

    @property
    def silent(self) -> bool:
        """Nothing is answered any more."""
        return self._muted or "never" in self._armed

    async def before_answer(self) -> None:
        """Wait if a delay is due."""
        if fault := self._faults.take(self._service, self._key, "delay"):
            await self._faults.wait(fault)

    async def before_message(self, wire: Wire) -> bool:
        """Do what is due; False: this message must not be sent."""
        if self.silent:
            return False
        for kind in ("slow", "stall"):
            if fault := self._due(kind):
                await self._faults.wait(fault)
        if self._due("mute"):
            self._muted = True
            return False
        if self._due("cut"):
            wire.abort()
            return False
        if fault := self._due("close"):
            await wire.close(int(fault.rule.value or 1011))
            return False
        if self._due("garbage"):
            await wire.send_garbage()
        self._sent += 1
        return True

    def _due(self, kind: Kind) -> Fault | None:
        fault = self._armed.get(kind)
        if fault is None or self._sent < fault.rule.after:
            return None
        if kind != "slow":
            del self._armed[kind]
        return fault
