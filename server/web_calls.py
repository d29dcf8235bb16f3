"""A call that begins in a browser: a seat, a room, a bot on its way, and a token to join."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from server.calls import Calls
from server.livekit_access import LiveKitAccess
from server.placement import Placement, PlacementError
from server.web_token import join_token


@dataclass(frozen=True)
class WebCall:
    """A call that waits for its caller.

    Parameters:
        call_id: Id of the call.
        room: LiveKit room.
        url: LiveKit's websocket address, as a browser reaches it.
        token: Joins the room, within a minute; a secret.
        identity: The caller's identity in the room.
    """

    call_id: str
    room: str
    url: str
    token: str
    identity: str

    def __repr__(self) -> str:
        """Leave the token out of logs."""
        return f"WebCall(call_id={self.call_id!r})"

    def page(self, bot: str) -> str:
        """Our page that joins this call; what follows the ``#`` is never sent to a server."""
        return f"/call/{quote(bot)}#{urlencode({'url': self.url, 'token': self.token})}"

    def for_browser(self) -> dict[str, str]:
        """What the caller's page needs."""
        return {
            "call_id": self.call_id,
            "room": self.room,
            "url": self.url,
            "identity": self.identity,
            "token": self.token,
        }


class WebCalls:
    """Begins calls that a browser will join."""

    def __init__(
        self,
        calls: Calls,
        choose: Callable[[], LiveKitAccess | None],
        *,
        public_url: Callable[[LiveKitAccess], str] = lambda access: access.websocket_url,
    ):
        """Initialize.

        Args:
            calls: All calls of this server.
            choose: The LiveKit that carries the next call; None when none is healthy.
            public_url: A LiveKit's address as browsers reach it.
        """
        self._calls, self._choose, self._public_url = calls, choose, public_url

    async def begin(self, placement: Placement) -> WebCall:
        """Take a seat, make the room and send the bot; the caller has a minute to join.

        Raises:
            PlacementError: ``server_full``, ``server_stopping``, ``livekit_unreachable`` or
                ``livekit_refused``.
        """
        access = self._choose()
        if access is None:
            raise PlacementError("livekit_unreachable", "no LiveKit answers", retry_after_secs=15)
        identity = f"caller_{placement.call_id}"
        placement = replace(placement, call_type="webrtc", caller=identity)
        await self._calls.place(placement, access)
        return self._joinable(placement.call_id, placement.room, identity, access)

    def again(self, call_id: str) -> WebCall | None:
        """The same call with a new token; None when it is over."""
        call = self._calls.get(call_id)
        if call is None or call.ended:
            return None
        job = call.job
        access = LiveKitAccess(job.url, job.api_key, SecretStr(job.api_secret))
        return self._joinable(call_id, job.room, job.caller, access)

    def _joinable(self, call_id: str, room: str, identity: str, access: LiveKitAccess) -> WebCall:
        return WebCall(
            call_id=call_id,
            room=room,
            url=self._public_url(access),
            token=join_token(access, room, identity),
            identity=identity,
        )
