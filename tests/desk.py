"""The desk's end of a transfer: phones that register at the stack and are answered by tests."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from local.callers.phone import Phone
from local.sip.call import SipCall
from local.sip.digest import Credentials
from local.sip.endpoint import SipEndpoint
from local.sip.registration import Registration

FIRST, SECOND = "+15550180", "+15550181"
PASSWORDS = {number: f"secret{number[-3:]}" for number in (FIRST, SECOND)}


def phones_environment() -> dict[str, str]:
    """The environment of a stack that knows the desk's phones."""
    phones = [{"number": n, "user": n, "password": p} for n, p in PASSWORDS.items()]
    return dict(os.environ) | {"EXCHANGE_PHONES": json.dumps(phones)}


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
async def desk_phone(registrar: str, number: str = FIRST) -> AsyncIterator[DeskPhone]:
    """A phone of the desk, registered at ``host:port``."""
    phone: DeskPhone | None = None

    async def take(call: SipCall) -> None:
        assert phone
        await phone._take(call)

    endpoint = await SipEndpoint.open(on_invite=take)
    phone = DeskPhone(endpoint)
    login = Credentials(number, PASSWORDS[number])
    registration = Registration(endpoint, f"sip:{number}@{registrar}", login)
    try:
        await registration.start()
        yield phone
    finally:
        await asyncio.gather(*(call.hangup() for call in endpoint.calls))
        await registration.stop()
        await endpoint.close()
