"""Calls from Chromium to the real stack: the bot hears the page, the page hears the bot."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import soundfile
import soxr

from local.callers.listener import Utterance
from local.callers.phrases import heard
from server.web_page import FOLDER, LIBRARY
from tests.browser import CHROMIUM, Browser, Page, open_browser
from tests.desk import FIRST, desk_phone
from tests.line import Line, open_line
from tests.listening import PageTape, next_of, until_heard

MISSING = (
    "Chromium is not installed (Debian: chromium)"
    if not CHROMIUM
    else "livekit-client is not there: run `make web`"
    if not (FOLDER / LIBRARY).is_file()
    else ""
)
# The stack outlives each test, and so does the loop that reads its processes.
in_module = pytest.mark.asyncio(loop_scope="module")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no calls from a browser: {MISSING}")

TABLE = "Hi, I'd like to book a table for four on Saturday at eight."
YES = "Yes, put him through."
HUMAN = "Hi, this is Bob. What can I do for you?"
QUIET_SECS = 4.5  # before the sentence: longer than the greeting
SETTINGS = {"SWITCHBOARD_MAX_CALLS": "1", "SWITCHBOARD_WEB_CALLS_PER_MINUTE": "100"}
PHASE = "document.getElementById('call').dataset.phase"
NOTICE = "document.getElementById('notice').textContent"
WORDS = "[...document.querySelectorAll('#captions .{who} p')].map(p => p.textContent).join(' ')"
LEVEL = "parseFloat(document.getElementById('face').style.getPropertyValue('--level') || 0)"


@dataclass
class Desk:
    """A stack and a browser before it."""

    line: Line
    browser: Browser

    async def page(self, bot: str = "receptionist", **options: Any) -> Page:
        return await self.browser.page(f"{self.line.stack.address.api}/call/{bot}", **options)

    async def talking(self, bot: str = "receptionist") -> Page:
        page = await self.page(bot)
        await press(page, "start")
        await page.until(f"{PHASE} === 'talking'", 20)
        return page

    async def record(self, known: set[str]) -> dict[str, Any]:
        """The record of the one call that is new, once it is complete."""
        async with asyncio.timeout(20):
            while True:
                new = [c for c in await self.line.api.calls() if c["call_id"] not in known]
                if new and new[0]["ended_at"]:
                    return new[0]
                await asyncio.sleep(0.1)

    async def hang_up(self, call_id: str) -> None:
        """End a call by the server's API."""
        address = self.line.stack.address
        key = {"Authorization": f"Bearer {address.api_key}"}
        async with (
            aiohttp.ClientSession(address.api, headers=key) as http,
            http.delete(f"/calls/{call_id}") as answer,
        ):
            assert answer.status == 202

    async def known(self) -> set[str]:
        return {call["call_id"] for call in await self.line.api.calls()}


async def press(page: Page, button: str) -> None:
    await page.run(f"document.getElementById('{button}').click()")


def microphone(speech: np.ndarray, path: Path) -> Path:
    """What the browser's microphone hears: quiet, a sentence, quiet, over and over."""
    wide = soxr.resample(speech.astype(np.float32) / 32768, 8000, 48000)
    quiet = np.zeros(round(48000 * QUIET_SECS), np.float32)
    soundfile.write(path, np.concatenate([quiet, wide, quiet]), 48000, "PCM_16")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("browser")
    async with open_line(folder, [TABLE, YES, HUMAN], **SETTINGS) as line:
        sound = microphone(line.lines[TABLE], folder / "microphone.wav")
        async with open_browser(folder, sound) as browser:
            yield Desk(line, browser)


@pytest_asyncio.fixture(loop_scope="module")
async def desk(whole: Desk) -> AsyncIterator[Desk]:
    """The desk; behind each test nothing of its calls may be left."""
    yield whole
    await whole.line.is_clean()


@in_module
async def test_the_page_and_the_bot_hear_and_read_each_other(desk: Desk):
    known = await desk.known()
    page = await desk.talking()
    await page.until(f"{LEVEL} > 0.3")
    await page.until(f"{WORDS.format(who='them')}.includes('Blue Door')")
    await press(page, "keys")
    await page.run("document.querySelector('[data-key=\"5\"]').click()")
    said = await page.until(f"(said => /four|4/.test(said) && said)({WORDS.format(who='you')})", 30)
    await page.until("document.querySelectorAll('#captions .them').length > 1", 15)
    await press(page, "end")
    await page.until(f"{PHASE} === 'over'")
    assert await page.run(NOTICE) == ""
    record = await desk.record(known)
    assert (record["outcome"], record["call_type"]) == ("caller_hung_up", "webrtc")
    assert record["bot"] == "receptionist" and record["keys"] == "5"
    assert heard("table for four", said), said
    assert heard("table for four", " ".join(turn["caller_text"] for turn in record["turns"]))


@in_module
async def test_a_caller_from_the_page_talks_to_a_person_until_they_hang_up(desk: Desk):
    known, line = await desk.known(), desk.line
    async with desk_phone(line.stack) as front:
        page = await desk.talking()
        tape = await PageTape.start(page)
        await press(page, "keys")
        await page.run("document.querySelector('[data-key=\"0\"]').click()")
        human = await front.answered(15)
        await human.bot_speaks(since=0, for_secs=4, within_secs=15)
        voices: asyncio.Queue[Utterance] = asyncio.Queue()
        human.on_utterance = voices.put_nowait
        await human.say(line.lines[YES])
        accepted_at = time.monotonic()
        await until_heard("table for four", line.ears, lambda: next_of(voices, accepted_at))
        await human.say(line.lines[HUMAN])
        await until_heard("this is Bob", line.ears, lambda: tape.last(6))
        await press(page, "end")
        await human.wait_ended(5)
        await page.until(f"{PHASE} === 'over'")
    record = await desk.record(known)
    assert (record["outcome"], record["call_type"]) == ("transferred", "webrtc")
    (transfer,) = record["transfers"]
    assert (transfer["outcome"], transfer["mode"]) == ("answered", "warm")
    assert [(a["number"], a["sip_code"]) for a in transfer["attempts"]] == [(FIRST, 200)]
    assert transfer["bridged_secs"] and not transfer["called_back"]
    (briefing, *_) = human.heard
    assert heard("receptionist with a caller", await line.ears.transcribe(briefing.pcm))


@in_module
async def test_a_call_that_the_server_ends_is_over_on_the_page(desk: Desk):
    known = await desk.known()
    page = await desk.talking("echo")
    (call,) = [c for c in await desk.line.api.calls() if c["call_id"] not in known]
    await desk.hang_up(call["call_id"])
    await page.until(f"{PHASE} === 'over'")
    assert await page.run(NOTICE) == ""
    assert (await desk.record(known))["outcome"] == "cancelled"


@in_module
async def test_the_echo_comes_back_to_the_page(desk: Desk):
    known = await desk.known()
    page = await desk.talking("echo")
    await page.until(f"{LEVEL} > 0.3", 20)
    await press(page, "mute")
    await page.until("document.getElementById('mute').getAttribute('aria-pressed') === 'true'")
    await page.until(f"{LEVEL} === 0")
    await press(page, "end")
    assert (await desk.record(known))["bot"] == "echo"


@in_module
async def test_who_calls_a_full_server_is_told_so_and_one_who_calls_later_gets_through(desk: Desk):
    known = await desk.known()
    first = await desk.talking("echo")
    second = await desk.page("echo")
    await press(second, "start")
    await second.until(f"{PHASE} === 'failed'")
    assert "All lines are busy" in await second.run(NOTICE)
    await press(first, "end")
    await desk.record(known)
    await desk.line.is_clean()
    await press(second, "start")
    await second.until(f"{PHASE} === 'talking'", 20)
    await press(second, "end")


@in_module
@pytest.mark.parametrize("way", ["Page.close", "Page.crash"])
async def test_a_page_that_is_closed_or_dies_has_hung_up(desk: Desk, way: str):
    known = await desk.known()
    page = await desk.talking("echo")
    await page.order(way)
    assert (await desk.record(known))["outcome"] == "caller_hung_up"


@in_module
async def test_a_refused_microphone_is_explained_and_takes_no_seat(desk: Desk):
    known = await desk.known()
    page = await desk.page(microphone="denied")
    await press(page, "start")
    await page.until(f"{PHASE} === 'failed'")
    assert "The microphone was refused. Allow it for this page" in await page.run(NOTICE)
    assert await desk.known() == known


@in_module
async def test_a_machine_without_a_microphone_is_told_so(desk: Desk):
    page = await desk.page()
    await page.run(
        "navigator.mediaDevices.getUserMedia = () => "
        "Promise.reject(new DOMException('none', 'NotFoundError'))"
    )
    await press(page, "start")
    await page.until(f"{PHASE} === 'failed'")
    assert "There is no microphone" in await page.run(NOTICE)


@in_module
async def test_a_page_of_nobody_says_so_before_anything_is_asked(desk: Desk):
    page = await desk.page("nobody")
    assert "Nobody of this name takes calls" in await page.run(NOTICE)
    assert await page.run("document.getElementById('start').disabled")


@in_module
async def test_a_page_without_its_library_says_how_it_is_made(desk: Desk):
    page = await desk.page(blocked="*livekit-client*")
    await page.until(f"{PHASE} === 'failed'")
    assert "make web" in await page.run(NOTICE)


@in_module
async def test_the_page_breaks_none_of_its_own_rules(desk: Desk):
    page = await desk.talking("echo")
    await press(page, "end")
    await page.until(f"{PHASE} === 'over'")
    assert not [line for line in page.console if line.startswith(("error", "thrown"))]


@in_module
async def test_a_call_whose_process_dies_goes_on_for_the_page(desk: Desk):
    known = await desk.known()
    page = await desk.talking("echo")
    (process,) = desk.line.call_processes()
    process.send_signal(signal.SIGKILL)
    await page.until(f"{PHASE} === 'waiting'")
    await page.until(f"{PHASE} === 'talking'", 20)
    await page.until(f"{LEVEL} > 0.3", 20)
    await press(page, "end")
    record = await desk.record(known)
    assert record["outcome"] == "caller_hung_up" and "SIGKILL" in record["errors"][0]["message"]


@in_module
async def test_a_link_of_the_api_joins_its_own_call(desk: Desk):
    known = await desk.known()
    address = desk.line.stack.address
    key = {"Authorization": f"Bearer {address.api_key}"}
    async with (
        aiohttp.ClientSession(address.api, headers=key) as http,
        http.post("/calls", json={"call_type": "webrtc", "bot": "echo"}) as answer,
    ):
        assert answer.status == 201
        call = await answer.json()
    page = await desk.page(call["page"].removeprefix("/call/"))
    await press(page, "start")
    await page.until(f"{PHASE} === 'talking'", 20)
    assert await page.run("location.hash") == ""
    await press(page, "end")
    assert (await desk.record(known))["call_id"] == call["call_id"]
