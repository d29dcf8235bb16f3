"""INVITE transactions and the repeated 200 (RFC 3261 §17.1.1, §17.2.1, §13.3.1.4, RFC 6026).

State machines without sockets or clock: events and the time go in, what to send comes out.
"""

import math
from typing import Literal

from local.sip.headers import Headers
from local.sip.message import Request, Response
from local.sip.timers import Deliver, Expired, Output, Resend, Send, Timers


class InviteClient:
    """The caller's side: sends again until anything answers, acknowledges every final failure.

    A 2xx is delivered each time it comes: its ACK belongs to the dialogue.
    """

    def __init__(self, request: Request, timers: Timers | None = None):
        self.request = request
        self.state: Literal["calling", "proceeding", "accepted", "completed", "terminated"] = (
            "calling"
        )
        self.due: float | None = None
        self._timers = timers or Timers()
        self._resend: Resend | None = None
        self._ack: Request | None = None

    def start(self, now: float) -> list[Output]:
        """Send the INVITE (timers A and B begin)."""
        t = self._timers
        self._resend = Resend(now, t.t1, math.inf, t.give_up)
        self.due = self._resend.due
        return [Send(self.request)]

    def receive(self, response: Response, now: float) -> list[Output]:
        """Take a response."""
        if self.state == "completed":
            return [Send(self._ack)] if self._ack and response.status >= 300 else []
        if self.state == "accepted":
            return [Deliver(response)] if 200 <= response.status < 300 else []
        if self.state == "terminated":
            return []
        self._resend = None
        if response.status < 200:
            if self.state == "calling":
                self.state, self.due = "proceeding", None
            return [Deliver(response)]
        self.due = now + self._timers.give_up
        if response.status < 300:
            self.state = "accepted"
            return [Deliver(response)]
        self.state = "completed"
        self._ack = ack_for_failure(self.request, response)
        return [Send(self._ack), Deliver(response)]

    def cancelled(self, now: float) -> None:
        """A CANCEL went out: give up 64·T1 from now if no final response comes (§9.1)."""
        if self.state == "proceeding":
            self.due = now + self._timers.give_up

    def tick(self, now: float) -> list[Output]:
        """Do what is due."""
        if self.due is None or now < self.due:
            return []
        if self.state in ("accepted", "completed"):
            self.state, self.due = "terminated", None
            return []
        if self._resend is None or self._resend.expired(now):
            self.state, self.due = "terminated", None
            return [Expired()]
        sends = self._resend.take(now)
        self.due = self._resend.due
        return [Send(self.request)] if sends else []


class InviteServer:
    """The callee's side: repeats a final failure until the ACK, answers a repeated INVITE.

    A 2xx is repeated by ``OkRepeater``; the machine stays 64·T1 only to answer repeated INVITEs.
    """

    def __init__(self, request: Request, timers: Timers | None = None):
        self.request = request
        self.state: Literal["proceeding", "accepted", "completed", "confirmed", "terminated"] = (
            "proceeding"
        )
        self.due: float | None = None
        self.last: Response | None = None
        self._timers = timers or Timers()
        self._resend: Resend | None = None

    def respond(self, response: Response, now: float) -> list[Output]:
        """Send a response; after a final one further responses are ignored."""
        if self.state != "proceeding":
            return []
        self.last = response
        if 200 <= response.status < 300:
            self.state, self.due = "accepted", now + self._timers.give_up
        elif response.status >= 300:
            t = self._timers
            self.state = "completed"
            self._resend = Resend(now, t.t1, t.t2, t.give_up)
            self.due = self._resend.due
        return [Send(response)]

    def receive(self, request: Request, now: float) -> list[Output]:
        """Take a repeated INVITE or the ACK."""
        if request.method == "INVITE":
            answers = self.last and self.state in ("proceeding", "accepted", "completed")
            return [Send(self.last)] if self.last and answers else []
        if self.state == "completed":
            self.state, self.due = "confirmed", now + self._timers.t4
            self._resend = None
        return [Deliver(request)] if self.state == "accepted" else []

    def tick(self, now: float) -> list[Output]:
        """Do what is due."""
        if self.due is None or now < self.due:
            return []
        if self.state == "completed" and self._resend and self.last:
            if not self._resend.expired(now):
                sends = self._resend.take(now)
                self.due = self._resend.due
                return [Send(self.last)] if sends else []
            self.state, self.due = "terminated", None
            return [Expired()]
        self.state, self.due = "terminated", None
        return []


class OkRepeater:
    """Repeats the 200 of an INVITE until its ACK; without one the call must end (§13.3.1.4)."""

    def __init__(self, response: Response, now: float, timers: Timers | None = None):
        t = timers or Timers()
        self._response = response
        self._resend: Resend | None = Resend(now, t.t1, t.t2, t.give_up)
        self.due: float | None = self._resend.due

    def acknowledged(self) -> None:
        """The ACK came."""
        self._resend, self.due = None, None

    def tick(self, now: float) -> list[Output]:
        """Send again, or give up after 64·T1."""
        if self._resend is None or now < self._resend.due:
            return []
        if self._resend.expired(now):
            self._resend, self.due = None, None
            return [Expired()]
        sends = self._resend.take(now)
        self.due = self._resend.due
        return [Send(self._response)] if sends else []


def ack_for_failure(invite: Request, response: Response) -> Request:
    """The ACK of a 3xx to 6xx: the INVITE's fields, the To of the response (§17.1.1.3)."""
    headers = Headers([("Via", invite.headers.get("Via")), ("Max-Forwards", "70")])
    for route in invite.headers.all("Route"):
        headers.add("Route", route)
    headers.add("From", invite.headers.get("From"))
    headers.add("To", response.headers.get("To"))
    headers.add("Call-ID", invite.call_id)
    headers.add("CSeq", f"{invite.cseq} ACK")
    return Request("ACK", invite.uri, headers=headers)


def cancel_for(invite: Request) -> Request:
    """The CANCEL of a pending INVITE: as its ACK would be, with the To of the INVITE (§9.1)."""
    headers = Headers([("Via", invite.headers.get("Via")), ("Max-Forwards", "70")])
    for route in invite.headers.all("Route"):
        headers.add("Route", route)
    for name in ("From", "To", "Call-ID"):
        headers.add(name, invite.headers.get(name))
    headers.add("CSeq", f"{invite.cseq} CANCEL")
    return Request("CANCEL", invite.uri, headers=headers)
