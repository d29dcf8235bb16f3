"""Presses a key on one leg of a room.

Source: ``livekit.rtc.participant.LocalParticipant.publish_dtmf`` of the SDK 1.2.0, which leaves out
the addressee that its own protocol has. Without one, every phone in the room hears the key.
"""

from livekit import rtc
from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import ffi_pb2
from livekit.rtc.participant import PublishDTMFError
from pipecat.transports.livekit.transport import DTMF_CODE_MAP


async def publish_key(participant: rtc.LocalParticipant, key: str, to: str) -> None:
    """Send one key to the participant ``to``, and to nobody else.

    Args:
        participant: We.
        key: One of ``0`` to ``9``, ``*``, ``#``.
        to: The identity of the leg that is meant.

    Raises:
        PublishDTMFError: If the room refuses it.
    """
    request = ffi_pb2.FfiRequest()
    asked = request.publish_sip_dtmf
    asked.local_participant_handle = participant._ffi_handle.handle
    asked.code, asked.digit = DTMF_CODE_MAP[key], key
    asked.destination_identities.append(to)
    queue = FfiClient.instance.queue.subscribe()
    try:
        answer = FfiClient.instance.request(request)
        done = await queue.wait_for(
            lambda event: event.publish_sip_dtmf.async_id == answer.publish_sip_dtmf.async_id
        )
    finally:
        FfiClient.instance.queue.unsubscribe(queue)
    if done.publish_sip_dtmf.error:
        raise PublishDTMFError(done.publish_sip_dtmf.error)
