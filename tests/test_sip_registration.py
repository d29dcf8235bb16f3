"""Phones register with a password, are found by their number, and are forgotten in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from local.exchange.registrar import PhoneAccount, Registrar
from local.sip.bindings import Bindings, Outcome
from local.sip.digest import Credentials
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipCallError
from local.sip.headers import Headers
from local.sip.message import Request
from local.sip.registration import Registration

DESK = PhoneAccount("+15550180", "15550180", "secret")
RECORD = "+15550180"
HERE = ("127.0.0.1", 5090)


def register(
    *contacts: str, cseq: int = 1, call_id: str = "c1", expires: str = "", vias: int = 1
) -> Request:
    headers = Headers([("Via", "SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bK1;rport")] * vias)
    headers.add("From", "<sip:+15550180@127.0.0.1>;tag=a")
    headers.add("To", "<sip:+15550180@127.0.0.1>")
    headers.add("Call-ID", call_id)
    headers.add("CSeq", f"{cseq} REGISTER")
    for contact in contacts:
        headers.add("Contact", contact)
    if expires:
        headers.add("Expires", expires)
    return Request("REGISTER", "sip:127.0.0.1", headers=headers)


def shown(outcome: Outcome) -> list[str]:
    return [value for name, value in outcome.headers if name == "Contact"]


@pytest.fixture
def bindings() -> Bindings:
    return Bindings(min_secs=10, default_secs=600, max_secs=3600)


def test_a_phone_is_known_until_its_registration_expires(bindings):
    outcome = bindings.update(RECORD, register("<sip:a@127.0.0.1:5090>;expires=60"), HERE, 0.0)
    assert (outcome.status, shown(outcome)) == (200, ["<sip:a@127.0.0.1:5090>;q=1;expires=60"])
    assert [b.target for b in bindings.contacts(RECORD, 59.0)] == ["sip:a@127.0.0.1:5090"]
    assert bindings.contacts(RECORD, 60.0) == []


@pytest.mark.parametrize(
    "contact, header, life",
    [
        ("<sip:a@h>", "", 600),
        ("<sip:a@h>", "90", 90),
        ("<sip:a@h>;expires=30", "90", 30),
        ("<sip:a@h>", "999999", 3600),
    ],
)
def test_the_life_of_a_contact_is_its_own_the_headers_or_the_default(
    bindings, contact, header, life
):
    outcome = bindings.update(RECORD, register(contact, expires=header), HERE, 0.0)
    assert shown(outcome)[0].endswith(f"expires={life}")


def test_a_life_too_brief_is_refused_and_changes_nothing(bindings):
    asked = register("<sip:a@h>;expires=60", "<sip:b@h>;expires=5")
    outcome = bindings.update(RECORD, asked, HERE, 0.0)
    assert (outcome.status, outcome.headers) == (423, (("Min-Expires", "10"),))
    assert bindings.contacts(RECORD, 0.0) == []


def test_a_real_phone_goes_before_one_that_stands_in_for_it(bindings):
    bindings.update(RECORD, register("<sip:real@h>", call_id="c2"), HERE, 0.0)
    bindings.update(RECORD, register("<sip:stand-in@h>;q=0.1"), HERE, 1.0)
    assert [b.contact for b in bindings.contacts(RECORD, 2.0)] == [
        "sip:real@h",
        "sip:stand-in@h",
    ]
    bindings.update(RECORD, register("<sip:real@h>;expires=0", cseq=2, call_id="c2"), HERE, 3.0)
    assert [b.contact for b in bindings.contacts(RECORD, 4.0)] == ["sip:stand-in@h"]


def test_a_phone_that_moved_is_called_where_it_is_now(bindings):
    for number, port in enumerate((5090, 5091)):
        asked = register(f"<sip:a@127.0.0.1:{port}>", call_id=f"c{number}")
        bindings.update(RECORD, asked, ("127.0.0.1", port), float(number))
    assert bindings.contacts(RECORD, 2.0)[0].target == "sip:a@127.0.0.1:5091"


def test_calls_go_where_the_packets_came_from_unless_a_proxy_sent_them(bindings):
    behind_nat = register("<sip:a@10.0.0.9:5060;transport=udp>")
    bindings.update(RECORD, behind_nat, HERE, 0.0)
    assert bindings.contacts(RECORD, 0.0)[0].target == "sip:a@127.0.0.1:5090;transport=udp"
    bindings.update("other", register("<sip:a@10.0.0.9:5060>", vias=2), HERE, 0.0)
    assert bindings.contacts("other", 0.0)[0].target == "sip:a@10.0.0.9:5060"


def test_a_star_forgets_every_contact_but_only_alone_and_with_expires_0(bindings):
    bindings.update(RECORD, register("<sip:a@h>", "<sip:b@h>"), HERE, 0.0)
    assert bindings.update(RECORD, register("*", cseq=2, expires="60"), HERE, 1.0).status == 400
    assert bindings.update(RECORD, register("*", cseq=2), HERE, 1.0).status == 400
    mixed = register("*", "<sip:c@h>", cseq=2, expires="0")
    assert bindings.update(RECORD, mixed, HERE, 1.0).status == 400
    assert len(bindings.contacts(RECORD, 1.0)) == 2
    outcome = bindings.update(RECORD, register("*", cseq=2, expires="0"), HERE, 1.0)
    assert (outcome.status, shown(outcome)) == (200, [])


def test_a_late_register_does_not_undo_a_newer_one(bindings):
    bindings.update(RECORD, register("<sip:a@h>", cseq=2), HERE, 0.0)
    late = register("<sip:a@h>;expires=0", cseq=1)
    assert bindings.update(RECORD, late, HERE, 1.0).status == 500
    assert bindings.update(RECORD, register("*", cseq=1, expires="0"), HERE, 1.0).status == 500
    assert bindings.contacts(RECORD, 1.0)


def test_a_register_without_a_contact_asks_what_is_known(bindings):
    bindings.update(RECORD, register("<sip:a@h>;q=0.5"), HERE, 0.0)
    outcome = bindings.update(RECORD, register(cseq=2), HERE, 100.0)
    assert shown(outcome) == ["<sip:a@h>;q=0.5;expires=500"]


def test_a_phone_that_restarts_for_ever_fills_nothing(bindings):
    for number in range(50):
        asked = register(f"<sip:a@h:{6000 + number}>", call_id=str(number))
        bindings.update(RECORD, asked, HERE, float(number))
    assert len(bindings.contacts(RECORD, 50.0)) == 10


@pytest.mark.parametrize("contact", ["<sip:a@h", "<http://h>", "<sip:a@h:99999>"])
def test_a_contact_that_cannot_be_called_is_a_bad_request(bindings, contact):
    assert bindings.update(RECORD, register(contact), HERE, 0.0).status == 400


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def a_registrar(clock=None) -> AsyncIterator[tuple[Registrar, str]]:
    options = {"now": clock} if clock else {}
    registrar = Registrar([DESK], new_tag=lambda: "tag", **options)
    endpoint = await SipEndpoint.open()
    endpoint.on_register = registrar.on_register
    try:
        yield registrar, f"sip:{{}}@127.0.0.1:{endpoint.address[1]}"
    finally:
        await endpoint.close()


@pytest.fixture
async def phone():
    endpoint = await SipEndpoint.open()
    yield endpoint
    await endpoint.close()


@pytest.mark.parametrize("name", [DESK.user, DESK.number])
async def test_a_phone_registers_by_user_or_number_and_leaves(phone, name):
    async with a_registrar() as (registrar, at):
        line = Registration(phone, at.format(name), Credentials(DESK.user, DESK.password))
        assert registrar.contact(DESK.number) is None and registrar.knows(DESK.number)
        await line.start()
        expected = f"sip:{name}@127.0.0.1:{phone.address[1]};transport=udp"
        assert registrar.contact(DESK.number) == expected and line.registered
        await line.stop()
        assert registrar.contact(DESK.number) is None and not line.registered
        await line.stop()


@pytest.mark.parametrize(
    "credentials", [Credentials(DESK.user, "wrong"), Credentials("nobody", "secret")]
)
async def test_a_wrong_user_or_password_gets_the_same_answer(phone, credentials):
    async with a_registrar() as (registrar, at):
        line = Registration(phone, at.format(DESK.user), credentials)
        with pytest.raises(SipCallError) as refused:
            await line.start()
        assert refused.value.status == 403 and registrar.contact(DESK.number) is None
        await line.stop()


async def test_a_phone_without_a_password_is_asked_for_one(phone):
    async with a_registrar() as (_, at):
        with pytest.raises(SipCallError) as refused:
            await Registration(phone, at.format(DESK.user)).start()
        assert refused.value.status == 401


async def test_a_phone_may_not_register_another_number(phone):
    async with a_registrar() as (registrar, at):
        line = Registration(phone, at.format("+15550181"), Credentials(DESK.user, DESK.password))
        with pytest.raises(SipCallError) as refused:
            await line.start()
        assert refused.value.status == 403 and not registrar.knows("+15550181")


async def test_a_registration_too_brief_takes_the_shortest_allowed(phone):
    async with a_registrar() as (registrar, at):
        credentials = Credentials(DESK.user, DESK.password)
        line = Registration(phone, at.format(DESK.user), credentials, expires_secs=1)
        await line.start()
        assert registrar.contact(DESK.number)
        await line.stop()


async def test_a_registration_is_refreshed_also_with_a_stale_nonce(phone, monkeypatch):
    clock = Clock()
    async with a_registrar(clock) as (registrar, at):
        credentials = Credentials(DESK.user, DESK.password)
        line = Registration(phone, at.format(DESK.user), credentials, expires_secs=3600)
        pauses: asyncio.Queue[float] = asyncio.Queue()
        goes_on: asyncio.Queue[None] = asyncio.Queue()

        async def sleep(secs: float) -> None:
            pauses.put_nowait(secs)
            await goes_on.get()

        monkeypatch.setattr("local.sip.registration.asyncio.sleep", sleep)
        await line.start()
        for _ in range(3):
            async with asyncio.timeout(5):
                assert await pauses.get() == 1800
            clock.now += 3000
            assert registrar.contact(DESK.number)
            goes_on.put_nowait(None)
        async with asyncio.timeout(5):
            await pauses.get()
        await line.stop()


async def test_a_gateway_without_phones_registers_nobody(phone):
    endpoint = await SipEndpoint.open()
    try:
        line = Registration(phone, f"sip:a@127.0.0.1:{endpoint.address[1]}")
        with pytest.raises(SipCallError) as refused:
            await line.start()
        assert refused.value.status == 405
    finally:
        await endpoint.close()


async def test_baresip_registers_is_reachable_and_leaves():
    pytest.importorskip("baresip", reason="baresip-python is not installed")
    from tests.fakes_baresip import Foreign

    async with a_registrar() as (registrar, at), Foreign() as foreign:
        server = at.format("x").partition("@")[2]
        agent = await foreign.agent(
            DESK.user, domain=server, password=DESK.password, reg_interval=60
        )
        incoming: asyncio.Queue = asyncio.Queue()
        agent.on_incoming(incoming.put_nowait)
        contact = registrar.contact(DESK.number)
        assert contact and f":{foreign.port}" in contact
        here = foreign.ours.invite(contact, from_user="ann")
        async with asyncio.timeout(8):
            there = await incoming.get()
            await there.answer()
            await here.wait_answered()
        await here.hangup()
        await agent.unregister()
        async with asyncio.timeout(5):
            while registrar.contact(DESK.number):  # noqa: ASYNC110 - baresip tells nothing
                await asyncio.sleep(0.01)
