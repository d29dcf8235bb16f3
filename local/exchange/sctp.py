"""Data channels: aiortc's SCTP association over our DTLS, by the smallest possible adapter.

The only importer of aiortc, which is pinned: the names with an underscore are what
``RTCSctpTransport`` (aiortc 1.16) expects of its transport and what feeds it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiortc import RTCDataChannel, RTCSctpTransport
from aiortc.rtcsctptransport import RTCSctpCapabilities
from loguru import logger

RELIABLE, LOSSY = "_reliable", "_lossy"
_LABELS = (RELIABLE, LOSSY, "_data_track")
_PORT = 5000
_MAX_RECEIVED = 262_144
_MAX_LOSSY_QUEUE = 1 << 20
_MAX_RELIABLE_QUEUE = 8 << 20
_MAX_EARLY = 1 << 20
_MAX_INBOUND_PACKETS = 4096


class _DtlsAdapter:
    state = "connected"
    _role = "server"

    def __init__(self, send: Callable[[bytes], None]):
        self._send = send
        self.receiver: Any = None

    def _register_data_receiver(self, receiver: Any) -> None:
        self.receiver = receiver

    def _unregister_data_receiver(self, receiver: Any) -> None:
        self.receiver = None

    async def _send_data(self, data: bytes) -> None:
        self._send(data)


class DataChannels:
    """The channels one client opens; the exchange answers on the same ones.

    A reliable message for a client whose channel is not open yet waits (at most 1 MiB of them), as
    LiveKit replays what was sent while a participant joined. ``dropped`` counts what a slow reader
    or a closed channel lost.
    """

    def __init__(self, send: Callable[[bytes], None], on_message: Callable[[str, bytes], None]):
        """Answer the client's SCTP association.

        Args:
            send: Takes one SCTP packet for the client.
            on_message: Takes the channel's label and one binary message.
        """
        self._adapter = _DtlsAdapter(send)
        self._on_message = on_message
        self._sctp = RTCSctpTransport(cast(Any, self._adapter), _PORT)
        self._sctp.on("datachannel", self._on_channel)
        self._channels: dict[str, RTCDataChannel] = {}
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._inbound: asyncio.Queue[bytes] = asyncio.Queue(_MAX_INBOUND_PACKETS)
        self._task = asyncio.create_task(self._run())
        self.dropped = 0

    def receive(self, packet: bytes) -> None:
        """Take one SCTP packet; a client that floods loses packets, which SCTP resends."""
        if self._inbound.full():
            self.dropped += 1
        else:
            self._inbound.put_nowait(packet)

    def send(self, label: str, message: bytes) -> bool:
        """Send one message; ``False`` if it was dropped."""
        channel = self._channels.get(label)
        if channel is None and label == RELIABLE and self._early_bytes < _MAX_EARLY:
            self._early.append(message)
            self._early_bytes += len(message)
            return True
        limit = _MAX_RELIABLE_QUEUE if label == RELIABLE else _MAX_LOSSY_QUEUE
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > limit:
            self.dropped += 1
            return False
        channel.send(message)
        return True

    async def close(self) -> None:
        """End the association."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._adapter.receiver is not None:
            await self._sctp.stop()

    async def _run(self) -> None:
        # One task feeds the association: aiortc's handlers are coroutines and not re-entrant.
        await self._sctp.start(RTCSctpCapabilities(maxMessageSize=_MAX_RECEIVED), _PORT)
        while True:
            packet = await self._inbound.get()
            receiver = self._adapter.receiver
            if receiver is None:
                continue
            try:
                await receiver._handle_data(packet)
            except (AssertionError, ValueError, KeyError, IndexError, TypeError) as exc:
                # aiortc asserts on hostile chunks; the association goes on without that packet.
                logger.warning(f"bad SCTP packet dropped: {exc!r}")

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label not in _LABELS:
            return
        self._channels[channel.label] = channel
        channel.on("message", lambda data, label=channel.label: self._on_data(label, data))
        if channel.label == RELIABLE:
            early, self._early, self._early_bytes = self._early, [], 0
            for message in early:
                channel.send(message)

    def _on_data(self, label: str, data: bytes | str) -> None:
        if isinstance(data, bytes):  # LiveKit's packets are binary; text means nothing to it
            self._on_message(label, data)
