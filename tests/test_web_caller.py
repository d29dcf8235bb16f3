"""A caller from a browser, on a fake room: awaited, heard, captioned, gone."""

from typing import Any

import pytest
from livekit import rtc
from loguru import logger

from bots import session
from bots.bot import Bot
from bots.config import BotConfig, Tts
from bots.web_caller import WebCaller
from processors.echo import EchoProcessor
from tests.fakes_room import FakeLocalParticipant, FakeParticipant, FakeRoom, until
from tests.fakes_session import FakePhone, FakeProviders, a_call

logger.remove()
STANDARD = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD


class LocalParticipant(FakeLocalParticipant):
    """Keeps captions too."""

    def __init__(self, room: FakeRoom):
        super().__init__(room)
        self.track_publications: dict[str, Any] = {}
        self.texts: list[tuple[str, dict[str, str], list[str]]] = []

    async def send_text(self, text, *, topic, destination_identities, attributes) -> None:
        assert topic == "lk.transcription"
        self.texts.append((text, attributes, destination_identities))

    @property
    def shown(self) -> list[str]:
        """What each line of the captions reads at last."""
        lines = {attributes["lk.segment_id"]: text for text, attributes, _ in self.texts}
        return list(lines.values())


class WebRoom(FakeRoom):
    def __init__(self, loop=None):
        super().__init__(loop)
        self.local_participant = LocalParticipant(self)


@pytest.fixture(autouse=True)
def fake_room(monkeypatch):
    monkeypatch.setattr(rtc, "Room", WebRoom)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None


def echo() -> Bot:
    def processors(default, call):
        return [default[0], EchoProcessor(), *default[1:]]

    return Bot(BotConfig(name="echo"), processors=processors)


def talker() -> Bot:
    config = BotConfig(
        name="echo",
        stt="deepgram/x",
        llm="openai/x",
        tts=Tts(use="cartesia/x"),
        greeting="Blue Door, good evening.",
    )
    return Bot(config, prompt="Be brief.")


def a_web_call(bot: Bot, tmp_path, **options):
    job = {"call_type": "webrtc", "caller": "web", "bot": "echo", **options}
    return a_call(bot, tmp_path, **job)


def comes(call: FakePhone) -> tuple[FakeParticipant, rtc.AudioSource]:
    """The page joins and publishes its microphone."""
    page = call.room.join(FakeParticipant("web", STANDARD))
    source = rtc.AudioSource(16000, 1)
    call.room.publish(page, source)
    return page, source


async def test_the_bot_is_ready_before_the_page_is_there_and_talks_once_it_hears_it(tmp_path):
    async with a_web_call(echo(), tmp_path) as call:
        FakeRoom.present = []
        await call.happened("bot_ready")
        assert "answered" not in call.kinds
        page, source = comes(call)
        await call.happened("answered")
        call.room.leave(page, rtc.DisconnectReason.CLIENT_INITIATED)
        await call.over()
        await source.aclose()
    assert call.ending == ("caller_hung_up", "caller:CLIENT_INITIATED")
    assert call.of("call_started")[0].call_type == "webrtc"


@pytest.mark.parametrize("reason", ["CONNECTION_TIMEOUT", "SIGNAL_CLOSE", "STATE_MISMATCH"])
async def test_a_page_that_is_cut_off_has_hung_up(tmp_path, reason: str):
    async with a_web_call(echo(), tmp_path) as call:
        await call.happened("bot_ready")
        page, source = comes(call)
        await call.happened("answered")
        call.room.leave(page, rtc.DisconnectReason.Value(reason))
        await call.over()
        await source.aclose()
    assert call.ending == ("caller_hung_up", f"caller:{reason}")


async def test_a_page_that_joins_anew_goes_on_talking(tmp_path):
    async with a_web_call(echo(), tmp_path) as call:
        await call.happened("bot_ready")
        page, source = comes(call)
        await call.happened("answered")
        call.room.leave(page, rtc.DisconnectReason.DUPLICATE_IDENTITY)
        again, second = comes(call)
        call.room.leave(again, rtc.DisconnectReason.CLIENT_INITIATED)
        await call.over()
        await source.aclose()
        await second.aclose()
    assert call.ending == ("caller_hung_up", "caller:CLIENT_INITIATED")


async def test_a_page_that_never_comes_is_no_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "CALLER_SECS", 0.2)
    async with a_web_call(echo(), tmp_path) as call:
        await call.over()
    assert call.ending == ("no_answer", "nobody came from the page")


async def test_nobody_else_in_the_room_is_taken_for_the_caller(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "CALLER_SECS", 0.2)
    async with a_web_call(echo(), tmp_path) as call:
        await call.happened("bot_ready")
        stranger = call.room.join(FakeParticipant("stranger", STANDARD))
        source = rtc.AudioSource(16000, 1)
        call.room.publish(stranger, source)
        await call.over()
        await source.aclose()
    assert call.ending[0] == "no_answer"


async def test_the_page_reads_both_sides(tmp_path):
    providers = FakeProviders("A table for two, with pleasure.")
    async with a_web_call(talker(), tmp_path, providers=providers) as call:
        await call.happened("bot_ready")
        page, source = comes(call)
        local = call.room.local_participant
        assert isinstance(local, LocalParticipant)
        await until(lambda: "Blue Door, good evening." in local.shown, 5)
        await providers.the_stt.hear("A table for two.")
        await until(lambda: "A table for two." in local.shown, 5)
        call.room.leave(page, rtc.DisconnectReason.CLIENT_INITIATED)
        await call.over()
        await source.aclose()
    assert {tuple(reader) for _, _, reader in local.texts} == {("web",)}
    partial = [text for text, _, _ in local.texts]
    assert "Blue Door," in partial or "Blue" in partial  # word by word


def test_what_a_browser_never_says_is_no_trunk_failure():
    caller = WebCaller.__new__(WebCaller)
    assert caller.ending("room:ROOM_DELETED").outcome == "cancelled"
    assert caller.ending("caller:MEDIA_FAILURE").outcome == "caller_hung_up"
