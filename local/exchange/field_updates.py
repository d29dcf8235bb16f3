"""Changes single fields of a trunk or a rule, as LiveKit's update messages say."""

from livekit.protocol import models
from livekit.protocol import sip as pb


def apply_update(
    info: pb.SIPInboundTrunkInfo | pb.SIPOutboundTrunkInfo | pb.SIPDispatchRuleInfo,
    update: pb.SIPInboundTrunkUpdate | pb.SIPOutboundTrunkUpdate | pb.SIPDispatchRuleUpdate,
) -> None:
    """Change the fields an update names; lists can be set, added to, removed from, cleared."""
    for field, value in update.ListFields():
        target = getattr(info, field.name)
        if isinstance(value, models.ListUpdate):
            kept = [] if value.clear else list(value.set or target)
            kept = [item for item in kept if item not in value.remove]
            del target[:]
            target.extend(kept + [item for item in value.add if item not in kept])
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            target.update(value)
        elif field.message_type is not None:
            target.CopyFrom(value)
        else:
            setattr(info, field.name, value)
