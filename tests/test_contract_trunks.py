"""What provisioning relies on of LiveKit's SIP service: trunks and rules kept, replaced, refused.

Runs against the exchange in this process, and unchanged against a deployment, as
``tests/test_contract.py`` does. Source: livekit ``pkg/service/sip.go``, protocol ``livekit/sip.go``
and ``sip/sip.go`` (d74e7cdb).
"""

import pytest
from livekit.api import ServerError
from livekit.protocol import sip as pb

from local.exchange.network import ONLY_LOOPBACK_REMEDY, only_loopback
from tests.fakes_deployment import Deployment, digits

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(only_loopback(), reason=ONLY_LOOPBACK_REMEDY),
]
SECRET_OF_A_TRUNK = "secret-of-a-trunk"


@pytest.fixture
async def livekit():
    deployment = await Deployment.open()
    yield deployment
    await deployment.close()


class Trunks:
    """Makes trunks and rules, and removes them."""

    def __init__(self, livekit: Deployment):
        self.sip = livekit.client.sip
        self._trunks: list[str] = []
        self._rules: list[str] = []

    async def inbound(self, **fields) -> pb.SIPInboundTrunkInfo:
        trunk = pb.SIPInboundTrunkInfo(**fields)
        made = await self.sip.create_inbound_trunk(pb.CreateSIPInboundTrunkRequest(trunk=trunk))
        self._trunks.append(made.sip_trunk_id)
        return made

    async def outbound(self, **fields) -> pb.SIPOutboundTrunkInfo:
        trunk = pb.SIPOutboundTrunkInfo(**fields)
        made = await self.sip.create_outbound_trunk(pb.CreateSIPOutboundTrunkRequest(trunk=trunk))
        self._trunks.append(made.sip_trunk_id)
        return made

    async def rule(self, **fields) -> pb.SIPDispatchRuleInfo:
        rule = pb.SIPDispatchRuleInfo(**fields)
        rule.rule.dispatch_rule_individual.room_prefix = "contract"
        request = pb.CreateSIPDispatchRuleRequest(dispatch_rule=rule)
        made = await self.sip.create_dispatch_rule(request)
        self._rules.append(made.sip_dispatch_rule_id)
        return made

    async def remove(self) -> None:
        for rule in self._rules:
            await self.sip.delete_dispatch_rule(
                pb.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule)
            )
        for trunk in self._trunks:
            await self.sip.delete_trunk(pb.DeleteSIPTrunkRequest(sip_trunk_id=trunk))


@pytest.fixture
async def trunks(livekit):
    trunks = Trunks(livekit)
    yield trunks
    await trunks.remove()


def number() -> str:
    return f"+1555{digits(7)}"


async def listed(trunks: Trunks, trunk_id: str) -> pb.SIPInboundTrunkInfo:
    answer = await trunks.sip.list_inbound_trunk(pb.ListSIPInboundTrunkRequest())
    (found,) = [trunk for trunk in answer.items if trunk.sip_trunk_id == trunk_id]
    return found


async def test_a_trunk_is_listed_with_all_that_it_was_given_its_password_too(trunks):
    media = pb.SIPMediaConfig(
        only_listed_codecs=True,
        codecs=[pb.SIPCodec(name="PCMU", rate=8000)],
        encryption=pb.SIP_MEDIA_ENCRYPT_REQUIRE,
    )
    media.media_timeout.FromSeconds(300)
    made = await trunks.inbound(
        name="contract",
        metadata='{"managed_by": "contract"}',
        numbers=[number()],
        allowed_addresses=["203.0.113.0/24"],
        auth_username="user",
        auth_password=SECRET_OF_A_TRUNK,
        headers_to_attributes={"X-Tenant": "tenant"},
        include_headers=pb.SIP_X_HEADERS,
        media=media,
    )
    found = await listed(trunks, made.sip_trunk_id)
    assert found.auth_password == SECRET_OF_A_TRUNK
    assert found.metadata == '{"managed_by": "contract"}'
    assert found.media == media
    assert list(found.allowed_addresses) == ["203.0.113.0/24"]
    assert found.headers_to_attributes == {"X-Tenant": "tenant"}


async def test_a_replaced_trunk_keeps_its_id_and_nothing_else(trunks):
    called = number()
    made = await trunks.inbound(name="contract", numbers=[called], auth_realm="realm")
    wanted = pb.SIPInboundTrunkInfo(name="contract", numbers=[called], metadata="new")
    await trunks.sip.update_inbound_trunk(made.sip_trunk_id, wanted)
    found = await listed(trunks, made.sip_trunk_id)
    assert (found.metadata, found.auth_realm) == ("new", "")


async def test_a_replaced_outbound_trunk_and_rule_keep_their_ids(trunks):
    out = await trunks.outbound(name="contract", address="192.0.2.1", numbers=[number()])
    wanted = pb.SIPOutboundTrunkInfo(name="contract", address="192.0.2.2", numbers=["+15550199"])
    changed = await trunks.sip.update_outbound_trunk(out.sip_trunk_id, wanted)
    assert (changed.sip_trunk_id, changed.address) == (out.sip_trunk_id, "192.0.2.2")
    trunk = await trunks.inbound(name="contract", numbers=[number()])
    rule = await trunks.rule(name="contract", trunk_ids=[trunk.sip_trunk_id])
    rule_id, rule.sip_dispatch_rule_id = rule.sip_dispatch_rule_id, ""
    rule.hide_phone_number = True
    changed = await trunks.sip.update_dispatch_rule(rule_id, rule)
    assert (changed.sip_dispatch_rule_id, changed.hide_phone_number) == (rule_id, True)


async def test_two_trunks_may_not_have_a_called_number_in_common_whatever_their_addresses(trunks):
    called = number()
    await trunks.inbound(name="one", numbers=[called], allowed_addresses=["203.0.113.0/24"])
    with pytest.raises(ServerError) as refused:
        await trunks.inbound(name="two", numbers=[called], allowed_addresses=["192.0.2.0/24"])
    assert refused.value.code == "invalid_argument"
    await trunks.inbound(name="three", numbers=[called], allowed_numbers=[number()])


async def test_two_rules_may_not_take_the_same_calls(trunks):
    trunk = await trunks.inbound(name="contract", numbers=[number()])
    await trunks.rule(name="one", trunk_ids=[trunk.sip_trunk_id])
    with pytest.raises(ServerError) as refused:
        await trunks.rule(name="two", trunk_ids=[trunk.sip_trunk_id])
    assert refused.value.code == "invalid_argument"
    await trunks.rule(name="three", trunk_ids=[trunk.sip_trunk_id], numbers=[number()])


@pytest.mark.parametrize(
    "fields", [{}, {"numbers": ["+15550100"], "headers": {"Call-ID": "x"}}], ids=["empty", "header"]
)
async def test_an_inbound_trunk_for_everything_or_with_a_header_of_sip_is_refused(trunks, fields):
    with pytest.raises(ServerError) as refused:
        await trunks.inbound(name="contract", **fields)
    assert refused.value.code == "invalid_argument"


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "192.0.2.1"},
        {"numbers": ["+15550100"]},
        {"numbers": ["+15550100"], "address": "sip:192.0.2.1"},
        {"numbers": ["+15550100"], "address": "192.0.2.1;transport=tcp"},
    ],
    ids=["numbers", "address", "scheme", "transport"],
)
async def test_an_outbound_trunk_without_its_numbers_or_with_a_uri_is_refused(trunks, fields):
    with pytest.raises(ServerError) as refused:
        await trunks.outbound(name="contract", **fields)
    assert refused.value.code == "invalid_argument"


async def test_a_trunk_that_is_gone_is_deleted_again_without_error(trunks):
    made = await trunks.inbound(name="contract", numbers=[number()])
    for _ in range(2):
        await trunks.sip.delete_trunk(pb.DeleteSIPTrunkRequest(sip_trunk_id=made.sip_trunk_id))
