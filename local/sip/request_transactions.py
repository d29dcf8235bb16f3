"""Transactions of every request but INVITE (RFC 3261 §17.1.2, §17.2.2). No sockets, no clock."""

from typing import Literal

from local.sip.message import Request, Response
from local.sip.timers import Deliver, Expired, Output, Resend, Send, Timers


class RequestClient:
    """Sends again at T1 doubling to T2, every T2 after a 1xx, and gives up after 64·T1."""

    def __init__(self, request: Request, timers: Timers | None = None):
        self.request = request
        self.state: Literal["trying", "proceeding", "completed", "terminated"] = "trying"
        self.due: float | None = None
        self._timers = timers or Timers()
        self._resend: Resend | None = None

    def start(self, now: float) -> list[Output]:
        """Send the request (timers E and F begin)."""
        t = self._timers
        self._resend = Resend(now, t.t1, t.t2, t.give_up)
        self.due = self._resend.due
        return [Send(self.request)]

    def receive(self, response: Response, now: float) -> list[Output]:
        """Take a response; a repeated final one is dropped."""
        if self.state in ("completed", "terminated"):
            return []
        if response.status >= 200:
            self.state, self._resend, self.due = "completed", None, now + self._timers.t4
        elif self.state == "trying" and self._resend:
            self.state = "proceeding"
            self._resend.slow_down(now)
            self.due = self._resend.due
        return [Deliver(response)]

    def tick(self, now: float) -> list[Output]:
        """Do what is due."""
        if self.due is None or now < self.due:
            return []
        if self._resend is None or self._resend.expired(now):
            lost = self.state != "completed"
            self.state, self.due = "terminated", None
            return [Expired()] if lost else []
        sends = self._resend.take(now)
        self.due = self._resend.due
        return [Send(self.request)] if sends else []


class RequestServer:
    """Keeps the last response 64·T1 and answers a repeated request with it."""

    def __init__(self, request: Request, timers: Timers | None = None):
        self.request = request
        self.state: Literal["trying", "proceeding", "completed", "terminated"] = "trying"
        self.due: float | None = None
        self.last: Response | None = None
        self._timers = timers or Timers()

    def respond(self, response: Response, now: float) -> list[Output]:
        """Send a response; after a final one further responses are ignored."""
        if self.state in ("completed", "terminated"):
            return []
        self.last = response
        if response.status < 200:
            self.state = "proceeding"
        else:
            self.state, self.due = "completed", now + self._timers.give_up
        return [Send(response)]

    def receive(self, request: Request, now: float) -> list[Output]:
        """Take a repetition of the request."""
        return [Send(self.last)] if self.last and self.state != "terminated" else []

    def tick(self, now: float) -> list[Output]:
        """Forget the request once its time is over."""
        if self.due is not None and now >= self.due:
            self.state, self.due = "terminated", None
        return []
