"""Reads and writes LiveKit's trunks and rules."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from livekit.api import LiveKitAPI, ServerError
from livekit.protocol import sip as pb

from server.livekit_access import LiveKitAccess
from server.provision_plan import Change, Existing, id_of
from server.provision_wanted import Info

REQUEST_SECS = 10.0

T = TypeVar("T")


class ProvisionError(Exception):
    """LiveKit did not do what it was asked; the message says what and why."""


class TelephonyOf:
    """The trunks and rules of one LiveKit; a context manager."""

    def __init__(self, access: LiveKitAccess):
        self._access = access

    async def __aenter__(self) -> Self:
        """Open a client; nothing connects before the first request."""
        secret = self._access.api_secret.get_secret_value()
        self._api = LiveKitAPI(self._access.url, self._access.api_key, secret)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._api.aclose()  # pyright: ignore[reportGeneralTypeIssues]

    async def existing(self) -> Existing:
        """Everything there is.

        Raises:
            ProvisionError: LiveKit does not answer or refuses the key.
        """
        sip = self._api.sip
        inbound = await self._ask(
            "list inbound trunks", sip.list_inbound_trunk(pb.ListSIPInboundTrunkRequest())
        )
        outbound = await self._ask(
            "list outbound trunks", sip.list_outbound_trunk(pb.ListSIPOutboundTrunkRequest())
        )
        rules = await self._ask(
            "list dispatch rules", sip.list_dispatch_rule(pb.ListSIPDispatchRuleRequest())
        )
        return Existing(tuple(inbound.items), tuple(outbound.items), tuple(rules.items))

    async def apply(self, changes: Sequence[Change], existing: Existing) -> None:
        """Make the changes one after the other.

        Raises:
            ProvisionError: One was refused; those before it are made, so that a second run goes on
                from there.
        """
        trunk_ids = {trunk.name: trunk.sip_trunk_id for trunk in existing.inbound}
        for change in changes:
            what = f"{change.do} {change.kind} {change.name}"
            if change.wanted is None:
                await self._ask(what, self._delete(change))
                continue
            made = await self._ask(what, self._write(change, trunk_ids))
            if change.kind == "inbound trunk":
                trunk_ids[change.name] = id_of(made)

    def _delete(self, change: Change) -> Awaitable[object]:
        if change.kind == "dispatch rule":
            request = pb.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=change.id)
            return self._api.sip.delete_dispatch_rule(request)
        return self._api.sip.delete_trunk(pb.DeleteSIPTrunkRequest(sip_trunk_id=change.id))

    def _write(self, change: Change, trunk_ids: Mapping[str, str]) -> Awaitable[Info]:
        sip = self._api.sip
        match change.wanted:
            case pb.SIPInboundTrunkInfo() as trunk:
                if change.id:
                    return sip.update_inbound_trunk(change.id, trunk)
                return sip.create_inbound_trunk(pb.CreateSIPInboundTrunkRequest(trunk=trunk))
            case pb.SIPOutboundTrunkInfo() as trunk:
                if change.id:
                    return sip.update_outbound_trunk(change.id, trunk)
                return sip.create_outbound_trunk(pb.CreateSIPOutboundTrunkRequest(trunk=trunk))
            case pb.SIPDispatchRuleInfo() as wanted:
                rule = pb.SIPDispatchRuleInfo()
                rule.CopyFrom(wanted)
                rule.trunk_ids[:] = [trunk_ids[name] for name in wanted.trunk_ids]
                if change.id:
                    return sip.update_dispatch_rule(change.id, rule)
                return sip.create_dispatch_rule(pb.CreateSIPDispatchRuleRequest(dispatch_rule=rule))
        raise TypeError(f"{change.wanted!r} is neither trunk nor rule")

    async def _ask(self, what: str, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(REQUEST_SECS):
                return await answer
        except ServerError as error:
            if error.status == 401:
                raise ProvisionError(self._access.explain(401)) from error
            raise ProvisionError(f"LiveKit would not {what}: {error.message}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProvisionError(self._access.explain(None)) from error
