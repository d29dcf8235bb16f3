"""LiveKit's AgentDispatchService."""

from livekit.protocol import agent_dispatch as pb

from local.exchange.dispatch import Dispatcher
from local.exchange.room import Room
from local.exchange.room_service import NO_SERVERS
from local.exchange.rooms import Rooms
from local.exchange.tokens import Claims
from local.exchange.twirp import TwirpError, require


class AgentDispatchService:
    """Creates, lists and deletes dispatches."""

    def __init__(self, rooms: Rooms, dispatcher: Dispatcher):
        self._rooms, self._dispatcher = rooms, dispatcher

    async def create_dispatch(
        self, request: pb.CreateAgentDispatchRequest, claims: Claims | None
    ) -> pb.AgentDispatch:
        """Dispatch an agent; a room that does not exist is opened."""
        require(claims, "roomAdmin", request.room)
        return self._dispatcher.create(self._rooms.open(request.room), request)

    async def list_dispatch(
        self, request: pb.ListAgentDispatchRequest, claims: Claims | None
    ) -> pb.ListAgentDispatchResponse:
        """List a room's dispatches, all or the one named."""
        require(claims, "roomAdmin", request.room)
        found = [
            dispatch
            for dispatch in self._dispatcher.of(self._room(request.room))
            if request.dispatch_id in ("", dispatch.id)
        ]
        return pb.ListAgentDispatchResponse(agent_dispatches=found)

    async def delete_dispatch(
        self, request: pb.DeleteAgentDispatchRequest, claims: Claims | None
    ) -> pb.AgentDispatch:
        """End a dispatch and its jobs."""
        require(claims, "roomAdmin", request.room)
        deleted = self._dispatcher.delete(self._room(request.room), request.dispatch_id)
        if deleted is None:
            raise TwirpError("not_found", "dispatch does not exist")
        return deleted

    def _room(self, name: str) -> Room:
        if room := self._rooms.get(name):
            return room
        raise TwirpError(*NO_SERVERS)
