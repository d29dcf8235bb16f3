"""A websocket of a provider: admitted by key, spoiled by faults, JSON out."""

import json
from typing import Any

from aiohttp import web

from local.providers.access import Access, key_of
from local.providers.fault_rules import FaultError, Service
from local.providers.faults import Faults, FaultSession


class SocketWire:
    """The sending side of one websocket."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, faults: FaultSession):
        """Wrap an accepted websocket."""
        self.faults = faults
        self._request = request
        self._socket = socket

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._socket.closed

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message unless a fault swallows it or the client is gone."""
        if self.closed or not await self.faults.before_message(self) or self.closed:
            return
        try:
            await self._socket.send_str(json.dumps(message))
        except ConnectionError:
            return

    async def close(self, code: int = 1000, message: str = "") -> None:
        """Close it properly."""
        await self._socket.close(code=code, message=message.encode())

    def abort(self) -> None:
        """Drop the TCP connection."""
        if self._request.transport:
            self._request.transport.abort()

    async def send_garbage(self) -> None:
        """Send broken JSON."""
        await self._socket.send_str('{"type": "Results", "channel": {"alternatives": "')


async def accept(
    request: web.Request, service: Service, access: Access, faults: Faults
) -> tuple[web.WebSocketResponse, SocketWire] | web.Response:
    """Accept the handshake, or refuse it as the providers do: with a status and a reason."""
    key = key_of(request)
    if not access.allows(key):
        return refusal(401, "INVALID_AUTH", "Invalid credentials.")
    try:
        if fault := faults.take(service, key, "status"):
            return refusal(int(fault.rule.value), "INJECTED", "Injected by a fault rule.")
        session = faults.session(service, key)
    except FaultError as error:
        return refusal(400, "INVALID_FAULT", str(error))
    # Compression costs CPU and gains nothing on loopback.
    socket = web.WebSocketResponse(compress=False, max_msg_size=0)
    await socket.prepare(request)
    return socket, SocketWire(request, socket, session)


def refusal(status: int, code: str, message: str) -> web.Response:
    """A refused request; Deepgram's SDK reads the reason from the header ``dg-error``."""
    body = {"err_code": code, "err_msg": message}
    return web.json_response(body, status=status, headers={"dg-error": message})
