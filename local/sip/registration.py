"""Keeps a phone registered: REGISTER, refresh in time, unregister at the end (RFC 3261 §10.2)."""

import asyncio
import secrets

from loguru import logger

from local.sip.digest import Credentials, DigestClient
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipCallError, SipParseError
from local.sip.headers import Headers
from local.sip.message import Request, Response
from local.sip.uri import NameAddr, SipUri

_RETRY_SECS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_GOODBYE_SECS = 2.0


class RegisterRequests:
    """The REGISTERs of one phone, in their order. No sockets, no clock.

    Parameters:
        expires_secs: Life asked for; grows when the registrar finds it too brief.
    """

    def __init__(
        self,
        record: SipUri,
        contact: str,
        credentials: Credentials | None,
        *,
        host: str,
        q: float | None,
        expires_secs: int,
        user_agent: str = "",
    ):
        """Initialize before the first.

        Args:
            record: The address of record: number or user at the registrar.
            contact: Own Contact URI.
            credentials: For the challenge.
            host: Own host, for the Call-ID.
            q: Priority among several phones of one number; None names none.
            expires_secs: Life asked for.
            user_agent: Named in the requests; empty names none.
        """
        self.expires_secs = expires_secs
        self._record, self._contact, self._q = record.bare(), contact, q
        self._registrar = SipUri("", record.host, record.port).bare()
        self._digest = DigestClient(credentials) if credentials else None
        self._call_id, self._tag = f"{secrets.token_hex(12)}@{host}", secrets.token_hex(6)
        self._user_agent, self._cseq = user_agent, 0

    def next(self, *, leave: bool = False, ask: bool = False) -> Request:
        """The next REGISTER, with an answer to the last challenge.

        Args:
            leave: Unregister.
            ask: Change nothing, only ask who is registered (RFC 3261 §10.2.3).
        """
        self._cseq += 1
        priority = "" if self._q is None else f";q={self._q:g}"
        fields = Headers([("Max-Forwards", "70")])
        fields.add("From", str(NameAddr(self._record).with_tag(self._tag)))
        fields.add("To", f"<{self._record}>")
        fields.add("Call-ID", self._call_id)
        fields.add("CSeq", f"{self._cseq} REGISTER")
        if not ask:
            fields.add("Contact", f"<{self._contact}>{priority}")
            fields.add("Expires", "0" if leave else str(self.expires_secs))
        if self._user_agent:
            fields.add("User-Agent", self._user_agent)
        if self._digest and (pair := self._digest.authorization("REGISTER", self._registrar)):
            fields.add(*pair)
        return Request("REGISTER", self._registrar, headers=fields)

    def take(self, response: Response) -> bool:
        """Take a final response; whether the next request is worth sending now.

        True follows a challenge that can be answered and a life that was too brief.
        """
        if response.status < 300 and self._digest:
            self._digest.accepted()
        if response.status in (401, 407):
            return self._digest is not None and self._digest.accept_challenge(response)
        shortest = response.headers.get("Min-Expires")
        if response.status == 423 and shortest.isdecimal() and int(shortest) > self.expires_secs:
            self.expires_secs = int(shortest)
            return True
        return False

    def granted_secs(self, response: Response) -> float:
        """How long the registrar will remember this phone (RFC 3261 §10.2.4)."""
        for value in response.headers.all("Contact"):
            address = NameAddr.parse(value)
            expires = dict(address.params).get("expires") or ""
            if SipUri.parse(address.uri).bare() == self._contact and expires.isdecimal():
                return float(expires)
        expires = response.headers.get("Expires")
        return float(expires) if expires.isdecimal() else float(self.expires_secs)

    def others(self, response: Response) -> list[str]:
        """Contacts of other phones of the same number."""
        uris = [NameAddr.parse(value).uri for value in response.headers.all("Contact")]
        return [uri for uri in uris if SipUri.parse(uri).bare() != self._contact]


class Registration:
    """One phone's registration, alive from ``start`` to ``stop``.

    Parameters:
        registered: Whether the registrar knows this phone now.
    """

    def __init__(
        self,
        endpoint: SipEndpoint,
        record: str,
        credentials: Credentials | None = None,
        *,
        q: float | None = None,
        expires_secs: int = 120,
    ):
        """Initialize; nothing is sent yet.

        Args:
            endpoint: The phone: its address is the Contact.
            record: ``sip:number@host:port`` of the registrar, by IPv4 address.
            credentials: For the challenge.
            q: Priority among several phones of one number, 0 to 1.
            expires_secs: Life asked for; it is refreshed at half of what is granted.

        Raises:
            SipParseError: If ``record`` cannot be reached.
        """
        uri = SipUri.parse(record)
        self.registered = False
        self._endpoint, self._address = endpoint, uri.address
        host, port = endpoint.host, endpoint.address[1]
        contact = SipUri(uri.user, host, port, (("transport", "udp"),)).bare()
        self._requests = RegisterRequests(
            uri,
            contact,
            credentials,
            host=host,
            q=q,
            expires_secs=expires_secs,
            user_agent=endpoint.user_agent,
        )
        self._refreshing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Register, and keep it so from now on.

        Raises:
            SipCallError: If the registrar refuses or does not answer.
        """
        granted_secs = await self._register()
        self._refreshing = asyncio.create_task(self._refresh(granted_secs))

    async def stop(self) -> None:
        """Unregister, within 2 s; safe to call twice."""
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
            self._refreshing = None
        if not self.registered:
            return
        self.registered = False
        try:
            async with asyncio.timeout(_GOODBYE_SECS):
                await self._send(leave=True)
        except (TimeoutError, SipCallError) as error:
            # The registrar forgets by itself what is not refreshed.
            logger.debug(f"not unregistered: {error}")

    async def others(self) -> list[str]:
        """Ask the registrar for the contacts of other phones of this number.

        Raises:
            SipCallError: If the registrar refuses or does not answer.
        """
        try:
            return self._requests.others(await self._send(ask=True))
        except SipParseError as error:
            raise SipCallError(400, f"unusable answer: {error}") from error

    async def _refresh(self, granted_secs: float) -> None:
        failures = 0
        while True:
            pause = _RETRY_SECS[min(failures, len(_RETRY_SECS)) - 1] if failures else 0
            await asyncio.sleep(pause or granted_secs / 2)
            try:
                granted_secs, failures = await self._register(), 0
            except SipCallError as error:
                failures += 1
                logger.warning(f"the registration was not refreshed: {error}")

    async def _register(self) -> float:
        try:
            response = await self._send()
            granted_secs = self._requests.granted_secs(response)
        except SipParseError as error:
            self.registered = False
            raise SipCallError(400, f"unusable answer: {error}") from error
        except SipCallError:
            self.registered = False
            raise
        self.registered = True
        return granted_secs

    async def _send(self, *, leave: bool = False, ask: bool = False) -> Response:
        while True:
            response = await self._exchange(self._requests.next(leave=leave, ask=ask))
            if not self._requests.take(response):
                break
        if response.status >= 300:
            raise SipCallError(response.status, response.phrase)
        return response

    async def _exchange(self, request: Request) -> Response:
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def on_response(response: Response) -> None:
            if response.status >= 200 and not answer.done():
                answer.set_result(response)

        def on_expired() -> None:
            if not answer.done():
                answer.set_exception(SipCallError(408, "the registrar does not answer"))

        self._endpoint.transactions.request(request, self._address, on_response, on_expired)
        return await answer
