"""The 200s of a dialogue that still wait for their ACK."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from local.sip.invite_transactions import OkRepeater
from local.sip.message import Request, Response
from local.sip.transaction_layer import Driver
from local.sip.uri import Address

if TYPE_CHECKING:
    from local.sip.endpoint import SipEndpoint


class UnacknowledgedOks:
    """Repeats each 200 until its ACK (RFC 3261 §13.3.1.4).

    Parameters:
        first_acknowledged: Set once the call's first 200 has its ACK; a BYE waits for it (§15).
    """

    def __init__(self, endpoint: "SipEndpoint"):
        self.first_acknowledged = asyncio.Event()
        self.first_acknowledged.set()
        self._endpoint = endpoint
        self._drivers: dict[int, Driver] = {}
        self._expects_answer: set[int] = set()

    def repeat(
        self,
        response: Response,
        address: Address,
        on_lost: Callable[[], None],
        *,
        first: bool,
        expects_answer: bool,
    ) -> None:
        """Repeat a 200 from now on.

        Args:
            response: The 200, sent already.
            address: Where it goes.
            on_lost: Called when the ACK never comes.
            first: Whether it answers the call and not a re-INVITE.
            expects_answer: Whether the ACK must bring the SDP answer.
        """
        endpoint, seq = self._endpoint, response.cseq
        if expects_answer:
            self._expects_answer.add(seq)
        if first:
            self.first_acknowledged.clear()

        def lost() -> None:
            self._drivers.pop(seq, None)
            self.first_acknowledged.set()
            on_lost()

        now = asyncio.get_running_loop().time()
        repeater = OkRepeater(response, now, endpoint.behaviour.timers)
        driver = Driver(repeater, lambda message: endpoint.send(message, address), expired=lost)
        self._drivers[seq] = driver
        driver.rearm()

    def acknowledge(self, ack: Request) -> bytes | None:
        """Take an ACK; gives its body if it must hold the SDP answer."""
        driver = self._drivers.pop(ack.cseq, None)
        if driver is None:
            return None
        driver.stop()
        self.first_acknowledged.set()
        if ack.cseq not in self._expects_answer:
            return None
        self._expects_answer.discard(ack.cseq)
        return ack.body

    def stop(self) -> None:
        """Repeat nothing more, and let the BYE go."""
        for driver in self._drivers.values():
            driver.stop()
        self._drivers.clear()
        self.first_acknowledged.set()
