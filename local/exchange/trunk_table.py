"""The trunks of one kind, and what LiveKit's API does with them."""

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from livekit.protocol import sip as pb

from local.exchange.field_updates import apply_update
from local.exchange.ids import new_id
from local.exchange.twirp import TwirpError

Trunk = TypeVar("Trunk", pb.SIPInboundTrunkInfo, pb.SIPOutboundTrunkInfo)


class TrunkTable(Generic[Trunk]):
    """Creates, changes and finds them; a trunk that does not pass ``check`` changes nothing."""

    def __init__(self, trunks: dict[str, Trunk], check: Callable[[Trunk], None]):
        """Initialize the table.

        Args:
            trunks: By id; shared with who routes calls.
            check: Raises ``TwirpError`` for a trunk that LiveKit would refuse.
        """
        self._trunks, self._check = trunks, check

    def create(self, wanted: Trunk) -> Trunk:
        """Keep a trunk under a new id."""
        trunk = self._copy(wanted)
        trunk.sip_trunk_id = new_id("ST_")
        return self._keep(trunk)

    def replace(self, trunk_id: str, wanted: Trunk) -> Trunk:
        """Put another in a trunk's place.

        Raises:
            TwirpError: ``not_found``.
        """
        self.get(trunk_id)
        trunk = self._copy(wanted)
        trunk.sip_trunk_id = trunk_id
        return self._keep(trunk)

    def update(
        self, trunk_id: str, update: pb.SIPInboundTrunkUpdate | pb.SIPOutboundTrunkUpdate
    ) -> Trunk:
        """Change fields of a trunk.

        Raises:
            TwirpError: ``not_found``.
        """
        trunk = self._copy(self.get(trunk_id))
        apply_update(trunk, update)
        return self._keep(trunk)

    def get(self, trunk_id: str) -> Trunk:
        """Find one.

        Raises:
            TwirpError: ``not_found``.
        """
        if trunk := self._trunks.get(trunk_id):
            return trunk
        raise TwirpError("not_found", "requested sip trunk does not exist")

    def matching(self, trunk_ids: Collection[str], numbers: Collection[str]) -> list[Trunk]:
        """Those asked for by id and number; a trunk without numbers has them all."""
        return [
            trunk
            for trunk in self._trunks.values()
            if (not trunk_ids or trunk.sip_trunk_id in trunk_ids)
            and (not numbers or not trunk.numbers or set(trunk.numbers) & set(numbers))
        ]

    @staticmethod
    def _copy(trunk: Trunk) -> Trunk:
        copy = type(trunk)()
        copy.CopyFrom(trunk)
        return copy

    def _keep(self, trunk: Trunk) -> Trunk:
        self._check(trunk)
        self._trunks[trunk.sip_trunk_id] = trunk
        return trunk
