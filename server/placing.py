"""Places a call for whoever asks: checks it, counts it, and begins it."""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from difflib import get_close_matches

from loguru import logger

from bots.job import DialOrder
from records.opt_outs import OptedOutError
from records.placed_calls import Claim, PlacedCall, TooManyCallsError
from records.redaction import mask_numbers
from records.store import CallStore
from server.calls import Calls
from server.known_bots import KnownBots
from server.limits import CallPolicy
from server.limits_numbers import NumberRefusedError
from server.livekit_access import LiveKitAccess
from server.placement import (
    Placement,
    PlacementError,
    control_of,
    new_call_id,
    placement_error,
    room_of,
)
from server.placing_request import CallRequest
from server.web_calls import WebCall, WebCalls
from transports.leg import OutboundTrunk
from transports.line_error import LineError

TRUNK_RETRY_SECS = 15
ABANDONED_SECS = 60.0


@dataclass(frozen=True)
class Placed:
    """A call that was begun.

    Parameters:
        call_id: Its id.
        room: Its room.
        number: Whom it calls, E.164; "" for a browser.
        attempt: 1, 2, 3 … of the calls to this number that nobody answered.
        repeated: The request was made before; the call is the one it began then.
        web: How a browser joins it, while it can.
    """

    call_id: str
    room: str
    number: str
    attempt: int = 1
    repeated: bool = False
    web: WebCall | None = None


class Placing:
    """Knows whether a call may be placed now, and places it."""

    def __init__(
        self,
        calls: Calls,
        store: CallStore,
        bots: KnownBots,
        policy: CallPolicy,
        choose: Callable[[], LiveKitAccess | None],
        web: WebCalls | None = None,
    ):
        """Initialize.

        Args:
            calls: Begins calls.
            store: Remembers what was asked for.
            bots: Who may call.
            policy: Whom, how often, by what way.
            choose: The LiveKit for a new call; None when there is none.
            web: Begins calls for browsers; None takes the LiveKit's own address for them.
        """
        self._web = web or WebCalls(calls, choose)
        self._calls, self._store, self._bots = calls, store, bots
        self._policy, self._choose = policy, choose
        self._starting: list[str] = []

    async def place(self, request: CallRequest, api_key: str) -> Placed:
        """Begin a call, or name the one that the same request began before.

        Args:
            request: The call.
            api_key: Names the key of whoever asks.

        Raises:
            PlacementError: It is not begun; nothing rings and nothing counts.
        """
        number = self._number(request)
        variables = self._variables(request)
        claim = await self._claim(request, number, api_key)
        room = room_of(claim.call_id)
        if claim.repeated:
            web = None if number else self._web.again(claim.call_id)
            return Placed(claim.call_id, room, number, repeated=True, web=web)
        try:
            web = await self._begin(request, number, variables, claim)
        except BaseException:
            await self._store.placed.release(claim.call_id)
            raise
        whom = mask_numbers(number) if number else "a browser"
        logger.info(f"Calling {whom} with {request.bot}, attempt {claim.attempt}")
        return Placed(claim.call_id, room, number, claim.attempt, web=web)

    def _number(self, request: CallRequest) -> str:
        if request.call_type == "webrtc":
            return ""
        try:
            return self._policy.numbers.check(request.phone_number or "")
        except NumberRefusedError as error:
            raise PlacementError(error.code, error.message) from error

    def _variables(self, request: CallRequest) -> Mapping[str, str]:
        if request.bot not in self._bots.names:
            known = ", ".join(sorted(self._bots.names)) or "none"
            raise PlacementError("unknown_bot", f"no bot is named {request.bot!r}; known: {known}")
        declared = self._bots.variables.get(request.bot, {})
        for name in request.variables:
            if name not in declared:
                raise PlacementError("unknown_variable", _unknown(name, request.bot, declared))
        missing = [
            name
            for name, default in declared.items()
            if default is None and not request.variables.get(name, "").strip()
        ]
        if missing:
            raise PlacementError(
                "missing_variable",
                f"{request.bot} needs {', '.join(missing)}: give them in variables",
            )
        return request.variables

    async def _claim(self, request: CallRequest, number: str, api_key: str) -> Claim:
        call = PlacedCall(
            new_call_id(), api_key, number, request.bot, request.hash, request.idempotency_key
        )
        try:
            claim = await self._store.placed.claim(call, self._policy.limits)
            if await self._is_abandoned(claim):
                await self._store.placed.release(claim.call_id)
                claim = await self._store.placed.claim(call, self._policy.limits)
        except OptedOutError as error:
            message = f"since {error.since:%Y-%m-%d} this number does not want to be called"
            raise PlacementError("opted_out", message) from error
        except TooManyCallsError as error:
            what = "this number" if error.code == "too_many_calls_to_number" else "this key"
            message = f"too many calls were asked for with {what}"
            raise PlacementError(
                error.code, message, retry_after_secs=error.retry_after_secs
            ) from error
        if not claim.same:
            raise PlacementError(
                "idempotency_key_reused",
                f"idempotency_key was used for another request, which began call {claim.call_id}: "
                "take a new key for a new call",
            )
        return claim

    async def _is_abandoned(self, claim: Claim) -> bool:
        """Whether the server that made the claim died before its call began."""
        return (
            claim.repeated
            and claim.age_secs > ABANDONED_SECS
            and self._calls.get(claim.call_id) is None
            and await self._store.call(claim.call_id) is None
        )

    async def _begin(
        self, request: CallRequest, number: str, variables: Mapping[str, str], claim: Claim
    ) -> WebCall | None:
        placement = Placement(
            request.bot,
            variables=variables,
            metadata=request.metadata_text,
            call_id=claim.call_id,
        )
        if not number:
            return await self._web.begin(placement)
        await self._dial(request, number, placement, claim.attempt)
        return None

    async def _dial(
        self, request: CallRequest, number: str, placement: Placement, attempt: int
    ) -> None:
        access = self._choose()
        if access is None:
            message = "no LiveKit is well: GET /readyz says why"
            raise PlacementError("livekit_unreachable", message, retry_after_secs=TRUNK_RETRY_SECS)
        trunk = await self._trunk(request, access)
        order = DialOrder(
            number,
            trunk.trunk_id,
            caller_id=_caller_id(request, trunk),
            ring_secs=request.ring_secs,
            max_call_secs=self._policy.max_call_secs,
            attempt=attempt,
        )
        self._check_trunk_is_free(trunk)
        self._starting.append(trunk.trunk_id)
        try:
            await self._calls.place(replace(placement, dial=order), access)
        finally:
            self._starting.remove(trunk.trunk_id)

    async def _trunk(self, request: CallRequest, access: LiveKitAccess) -> OutboundTrunk:
        async with aclosing(control_of(access)) as control:
            try:
                return await control.find_trunk(request.trunk or self._policy.trunk)
            except LineError as error:
                raise placement_error(error) from error

    def _check_trunk_is_free(self, trunk: OutboundTrunk) -> None:
        limit = self._policy.per_trunk
        running = [call.job.dial for call in self._calls.running if not call.ended]
        taken = sum(dial is not None and dial.trunk_id == trunk.trunk_id for dial in running)
        if limit and taken + self._starting.count(trunk.trunk_id) >= limit:
            raise PlacementError(
                "trunk_full",
                f"trunk {trunk.name or trunk.trunk_id} carries {limit} calls already "
                "(SWITCHBOARD_CALLS_PER_TRUNK)",
                retry_after_secs=TRUNK_RETRY_SECS,
            )


def _caller_id(request: CallRequest, trunk: OutboundTrunk) -> str:
    wanted = request.caller_id
    if not wanted or wanted in trunk.numbers:
        return wanted or ""
    known = ", ".join(trunk.numbers) or "none"
    raise PlacementError(
        "caller_id_not_allowed",
        f"trunk {trunk.name or trunk.trunk_id} does not show that number; it has: {known}",
    )


def _unknown(name: str, bot: str, declared: Mapping[str, str | None]) -> str:
    close = get_close_matches(name, declared, n=1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(declared) or 'none'}"
    return f"{bot} has no variable {name!r}; {hint}"
