"""Finds the transaction of a message and keeps its timers."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol

from local.sip.invite_transactions import InviteClient, InviteServer
from local.sip.message import MAGIC_COOKIE, Request, Response
from local.sip.request_transactions import RequestClient, RequestServer
from local.sip.timers import Deliver, Output, Send, Timers
from local.sip.uri import Address

SendTo = Callable[[Request | Response, Address], None]


class Machine(Protocol):
    """What the layer needs of a state machine to drive it."""

    due: float | None

    def tick(self, now: float) -> list[Output]:
        """Do what is due."""
        ...


class Driver:
    """Runs one state machine on the event loop's clock.

    Parameters:
        machine: The state machine.
        on_done: Called once when it is terminated.
    """

    def __init__(
        self,
        machine: Machine,
        send: Callable[[Request | Response], None],
        *,
        deliver: Callable[[Request | Response], None] = lambda message: None,
        expired: Callable[[], None] = lambda: None,
        on_done: Callable[[], object] = lambda: None,
    ):
        self.machine = machine
        self._loop = asyncio.get_running_loop()
        self._send, self._deliver, self._expired, self._on_done = send, deliver, expired, on_done
        self._timer: asyncio.TimerHandle | None = None

    def apply(self, outputs: list[Output]) -> None:
        """Carry out what the machine asked for, then set the timer anew."""
        self.rearm()
        for output in outputs:
            if isinstance(output, Send):
                self._send(output.message)
            elif isinstance(output, Deliver):
                self._deliver(output.message)
            else:
                self._expired()

    def rearm(self) -> None:
        """Follow a changed ``due``."""
        self.stop()
        if getattr(self.machine, "state", "") == "terminated":
            self._on_done()
        elif self.machine.due is not None:
            self._timer = self._loop.call_at(self.machine.due, self._tick)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        # A loop timer may fire up to a clock tick early; the machine goes by its own due time.
        self.apply(self.machine.tick(max(self._loop.time(), self.machine.due or 0.0)))


class ServerTransaction:
    """A request that came, and the way to answer it.

    Parameters:
        request: The request, its top Via completed by the packet's source.
        source: Where it came from.
    """

    def __init__(
        self,
        request: Request,
        source: Address,
        driver: Driver,
        machine: InviteServer | RequestServer,
    ):
        self.request, self.source = request, source
        self._driver, self._machine = driver, machine

    @property
    def answered(self) -> bool:
        """Whether a final response went out."""
        return self._machine.last is not None and self._machine.last.status >= 200

    def respond(self, response: Response) -> None:
        """Send a response; ignored after a final one."""
        loop = asyncio.get_running_loop()
        self._driver.apply(self._machine.respond(response, loop.time()))

    def abandon(self) -> None:
        """Let nothing more leave for this request."""
        self._driver.stop()


class ClientTransaction:
    """A request on its way."""

    def __init__(self, request: Request, address: Address, driver: Driver):
        self.request, self.address = request, address
        self._driver = driver

    def cancelled(self) -> None:
        """Limit the wait for the final response once the CANCEL is sent."""
        if isinstance(self._driver.machine, InviteClient):
            self._driver.machine.cancelled(asyncio.get_running_loop().time())
            self._driver.rearm()


class TransactionLayer:
    """All transactions of one socket.

    Args:
        send: Puts a message on the wire.
        on_request: Gets every new request with its transaction, and each ACK of a 2xx without one.
        via: ``host:port`` for own Via headers.
        timers: Base timer values.
    """

    def __init__(
        self,
        send: SendTo,
        on_request: Callable[[Request, ServerTransaction | None], None],
        via: str,
        timers: Timers | None = None,
    ):
        self._send, self._on_request, self._via = send, on_request, via
        self._timers = timers or Timers()
        self._clients: dict[tuple[str, str], Driver] = {}
        self._servers: dict[tuple[str, str, str], tuple[Driver, ServerTransaction]] = {}

    def request(
        self,
        request: Request,
        address: Address,
        on_response: Callable[[Response], None],
        on_expired: Callable[[], None],
    ) -> ClientTransaction:
        """Send a request; a Via is put on top unless it has one (CANCEL)."""
        if "Via" not in request.headers:
            self.add_via(request)
        is_invite = request.method == "INVITE"
        machine = (InviteClient if is_invite else RequestClient)(request, self._timers)
        key = (request.via.param("branch"), request.method)

        def deliver(message: Request | Response) -> None:
            if isinstance(message, Response):
                on_response(message)

        driver = Driver(
            machine,
            lambda message: self._send(message, address),
            deliver=deliver,
            expired=on_expired,
            on_done=lambda: self._clients.pop(key, None),
        )
        self._clients[key] = driver
        driver.apply(machine.start(asyncio.get_running_loop().time()))
        return ClientTransaction(request, address, driver)

    def add_via(self, request: Request) -> None:
        """Give a request a Via with a branch of its own."""
        branch = MAGIC_COOKIE + secrets.token_hex(8)
        via = f"SIP/2.0/UDP {self._via};branch={branch};rport"
        request.headers.prepend("Via", via)

    def receive(self, message: Request | Response, source: Address) -> None:
        """Take a message from the wire."""
        now = asyncio.get_running_loop().time()
        if isinstance(message, Response):
            driver = self._clients.get((message.via.param("branch"), message.cseq_method))
            if driver and isinstance(driver.machine, InviteClient | RequestClient):
                driver.apply(driver.machine.receive(message, now))
            return
        message.headers.set("Via", str(message.via.received_from(source)))
        found = self._servers.get(_server_key(message, message.method))
        if found:
            driver, _ = found
            if isinstance(driver.machine, InviteServer | RequestServer):
                driver.apply(driver.machine.receive(message, now))
        elif message.method == "ACK":
            self._on_request(message, None)
        else:
            self._open(message, source)

    def invite_of(self, cancel: Request) -> ServerTransaction | None:
        """The INVITE that a CANCEL means."""
        found = self._servers.get(_server_key(cancel, "INVITE"))
        return found[1] if found else None

    def close(self) -> None:
        """Stop all timers and forget everything."""
        drivers = [*self._clients.values(), *(driver for driver, _ in self._servers.values())]
        for driver in drivers:
            driver.stop()
        self._clients.clear()
        self._servers.clear()

    def _open(self, request: Request, source: Address) -> None:
        machine = (InviteServer if request.method == "INVITE" else RequestServer)(
            request, self._timers
        )
        key = _server_key(request, request.method)
        reply_to = request.via.reply_address
        driver = Driver(
            machine,
            lambda message: self._send(message, reply_to),
            deliver=lambda message: (
                self._on_request(message, None) if isinstance(message, Request) else None
            ),
            on_done=lambda: self._servers.pop(key, None),
        )
        transaction = ServerTransaction(request, source, driver, machine)
        self._servers[key] = (driver, transaction)
        self._on_request(request, transaction)


def _server_key(request: Request, method: str) -> tuple[str, str, str]:
    via = request.via
    branch = via.param("branch")
    if not branch.startswith(MAGIC_COOKIE):
        # RFC 2543 senders: match by what identifies the request (RFC 3261 §17.2.3).
        branch = f"{request.call_id}/{request.cseq}/{request.from_tag}"
    return branch, via.sent_by, "INVITE" if method == "ACK" else method
