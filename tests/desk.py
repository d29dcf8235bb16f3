"""The desk's end of a transfer: phones that register at the stack and are answered by tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from local.callers.phone import Phone
from local.sip.call import SipCall
from local.sip.digest import Credentials
from local.sip.endpoint import SipEndpoint
from local.sip.registration import Registration
from local.stack.stack import Stack

FIRST, SECOND = "+15550180", "+15550181"


@dataclass
class DeskPhone:
    """One registered phone; every call to it waits in ``rings``."""

    endpoint: SipEndpoint
    rings: asyncio.Queue[SipCall] = field(default_factory=asyncio.Queue)

    async def rung(self, secs: float = 10) -> SipCall:
        """The next call to it, ringing."""
        async with asyncio.timeout(secs):
            return await self.rings.get()

    async def answered(self, secs: float = 10) -> Phone:
        """Answer the next call."""
        call = await self.rung(secs)
        phone = Phone(call)
        await call.answer()
        await phone.answered(5)
        return phone

    async def _take(self, call: SipCall) -> None:
        call.ringing()
        self.rings.put_nowait(call)
        await call.wait_ended()


@asynccontextmanager
async def desk_phone(stack: Stack, number: str = FIRST) -> AsyncIterator[DeskPhone]:
    """A phone of the desk, registered at a stack."""
    phone: DeskPhone | None = None

    async def take(call: SipCall) -> None:
        assert phone
        await phone._take(call)

    endpoint = await SipEndpoint.open(on_invite=take)
    phone = DeskPhone(endpoint)
    login = next(phone for phone in stack.address.phones if phone["number"] == number)
    credentials = Credentials(login["user"], login["password"])
    registration = Registration(endpoint, f"sip:{number}@{stack.address.sip}", credentials)
    try:
        await registration.start()
        yield phone
    finally:
        await asyncio.gather(*(call.hangup() for call in endpoint.calls))
        await registration.stop()
        await endpoint.close()
