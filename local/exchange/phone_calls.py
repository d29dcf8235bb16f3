"""All telephone calls of the exchange, and the 20 ms clock they share."""

import asyncio
import time
from collections.abc import Iterator

from local.exchange.participant import Participant
from local.exchange.phone_call import PhoneCall
from local.exchange.phone_rpc import answer_rpc

_TICK_SECS = 0.02


class PhoneCalls:
    """Keeps the calls that are not over, ``start`` lets their clock run."""

    def __init__(self):
        self._calls: set[PhoneCall] = set()
        self._clock: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[PhoneCall]:
        return iter(list(self._calls))

    def start(self) -> None:
        """Run the clock."""
        self._clock = asyncio.create_task(self._tick())

    def begin(self, phone: PhoneCall) -> None:
        """Join the two sides of a new call."""
        self._calls.add(phone)
        phone.participant.on_rpc = lambda request, caller: answer_rpc(phone, request, caller)
        phone.start()

    def of(self, participant: Participant) -> PhoneCall | None:
        """Return the call behind a participant; an SDK client has none."""
        return next((phone for phone in self if phone.participant is participant), None)

    async def hang_up(self) -> None:
        """End all calls and wait for it."""
        await asyncio.gather(*(phone.close() for phone in self))

    async def close(self) -> None:
        """Stop the clock."""
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)

    async def _tick(self) -> None:
        """On an absolute grid."""
        due = time.monotonic()
        while True:
            due = max(due + _TICK_SECS, time.monotonic() - 1)
            await asyncio.sleep(due - time.monotonic())
            now = time.monotonic()
            for phone in self:
                if phone.call.state == "ended":
                    self._calls.discard(phone)
                else:
                    phone.tick(now)
