"""Who calls whom, as the SIP bridge tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class CallInfo:
    """The caller's leg, from the ``sip.*`` attributes of their participant.

    Every field but ``identity`` is empty when the caller is no phone, or when the trunk's dispatch
    rule hides the number. Source: LiveKit docs, SIP participant attributes.

    Parameters:
        identity: The participant's identity in the room, e.g. ``sip_+15550123``.
        number: The caller's number (``sip.phoneNumber``).
        dialled: The number that was called (``sip.trunkPhoneNumber``).
        call_id: LiveKit's id of the SIP call (``sip.callID``).
        trunk_id: The trunk that took the call (``sip.trunkID``).
        status: ``ringing``, ``active``, ``hangup``, ``dialing`` … (``sip.callStatus``).
        attempt: 1, 2, 3 … of a call that we place; 0 for one that came in.
        attributes: All attributes of the participant, headers mapped by the trunk included.
    """

    identity: str
    number: str = ""
    dialled: str = ""
    call_id: str = ""
    trunk_id: str = ""
    status: str = ""
    attempt: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_attributes(cls, identity: str, attributes: Mapping[str, str]) -> "CallInfo":
        """Reads the ``sip.*`` attributes of a participant."""
        return cls(
            identity=identity,
            number=attributes.get("sip.phoneNumber", ""),
            dialled=attributes.get("sip.trunkPhoneNumber", ""),
            call_id=attributes.get("sip.callID", ""),
            trunk_id=attributes.get("sip.trunkID", ""),
            status=attributes.get("sip.callStatus", ""),
            attributes=dict(attributes),
        )
