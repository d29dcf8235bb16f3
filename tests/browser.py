"""Headless Chromium for tests, driven by the DevTools protocol over one websocket."""

import asyncio
import base64
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
        if (found := shutil.which(name))
    ),
    None,
)
_START_SECS, _ANSWER_SECS, _STOP_SECS = 30.0, 30.0, 5.0
_LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")
_FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=user-gesture-required",
)


class PageError(Exception):
    """Something went wrong inside the page; the message is what it threw."""


class Page:
    """One tab.

    Parameters:
        console: Everything the page wrote there, and what it threw.
    """

    def __init__(self, browser: "Browser", session: str):
        self._browser, self._session = browser, session
        self.console: list[str] = []

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol."""
        return await self._browser.send(method, self._session, **params)

    async def order(self, method: str, **params: Any) -> None:
        """A command that may end the page before it answers."""
        answer = asyncio.ensure_future(self.send(method, **params))
        await asyncio.wait({answer}, timeout=1.0)
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)

    async def go(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited, as a user's gesture.

        Raises:
            PageError: It threw.
        """
        answer = await self.send(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if thrown := answer.get("exceptionDetails"):
            raise PageError(thrown.get("exception", {}).get("description") or thrown["text"])
        return answer["result"].get("value")

    async def until(self, condition: str, secs: float = 15.0) -> Any:
        """Wait until an expression is true in the page; its value.

        Raises:
            AssertionError: It is not within ``secs``; with what the page shows.
        """
        try:
            async with asyncio.timeout(secs):
                while not (value := await self.run(condition)):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                return value
        except TimeoutError:
            shown = await self.run("document.body.innerText")
            log = "\n".join(self.console[-20:])
            raise AssertionError(
                f"not within {secs:g} s: {condition}\nshown:\n{shown}\nconsole:\n{log}"
            ) from None

    async def screenshot(self, path: Path) -> None:
        """Keep what the page looks like."""
        picture = await self.send("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(picture["data"]))


class Browser:
    """A Chromium process; made by ``open_browser``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse):
        self._socket = socket
        self._numbers = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._reading = asyncio.create_task(self._read())

    async def send(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol; its result.

        Raises:
            PageError: Chromium refused it.
        """
        self._numbers += 1
        message = {"id": self._numbers, "method": method, "params": params}
        answer = self._answers[self._numbers] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(message | ({"sessionId": session} if session else {}))
        async with asyncio.timeout(_ANSWER_SECS):
            return await answer

    async def page(self, url: str, *, microphone: str = "granted", blocked: str = "") -> Page:
        """A tab of its own profile, loaded.

        Args:
            url: What it shows.
            microphone: ``granted`` or ``denied``.
            blocked: Pattern of addresses that it cannot load.
        """
        context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        await self.send(
            "Browser.setPermission",
            permission={"name": "microphone"},
            setting=microphone,
            browserContextId=context,
        )
        target = await self.send("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.send(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            await page.send(f"{domain}.enable")
        if blocked:
            await page.send("Network.enable")
            await page.send("Network.setBlockedURLs", urls=[blocked])
        await page.go(url)
        return page

    async def close(self) -> None:
        """Ask Chromium to end."""
        if not self._socket.closed:
            await self._socket.send_json({"id": 0, "method": "Browser.close"})
        await asyncio.wait([self._reading], timeout=_STOP_SECS)
        self._reading.cancel()

    async def _read(self) -> None:
        async for message in self._socket:
            data = json.loads(message.data)
            if (answer := self._answers.pop(data.get("id"), None)) and not answer.done():
                if "error" in data:
                    answer.set_exception(PageError(data["error"]["message"]))
                else:
                    answer.set_result(data["result"])
            elif page := self._pages.get(data.get("sessionId", "")):
                _note(page, data.get("method", ""), data.get("params", {}))


def _note(page: Page, method: str, params: dict[str, Any]) -> None:
    match method:
        case "Runtime.consoleAPICalled":
            words = [str(arg.get("value", arg.get("description"))) for arg in params["args"]]
            page.console.append(f"{params['type']}: {' '.join(words)}")
        case "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            page.console.append(f"thrown: {details.get('exception', details).get('description')}")
        case "Log.entryAdded":
            page.console.append(f"{params['entry']['level']}: {params['entry']['text']}")


@asynccontextmanager
async def open_browser(
    folder: Path, microphone: Path | None = None, *flags: str
) -> AsyncIterator[Browser]:
    """Start Chromium, and end it.

    Args:
        folder: For its profile.
        microphone: WAV file that its microphone hears, over and over, from when it is opened; a
            beep every second if there is none.
        flags: Further command line flags.
    """
    assert CHROMIUM
    command = [CHROMIUM, *_FLAGS, *flags, f"--user-data-dir={folder / 'profile'}"]
    if microphone:
        command.append(f"--use-file-for-fake-audio-capture={microphone}")
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium refuses to run as root with it
    process = await asyncio.create_subprocess_exec(
        *command,
        "about:blank",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    reading: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(_START_SECS):
            while not (found := _LISTENING.match(line := await process.stderr.readline())):
                assert line, f"{CHROMIUM} ended with {await process.wait()}"
        reading = asyncio.create_task(process.stderr.read())
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(found[1].decode(), max_msg_size=0) as socket,
        ):
            browser = Browser(socket)
            try:
                yield browser
            finally:
                await browser.close()
    finally:
        try:
            async with asyncio.timeout(_STOP_SECS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if reading:
            await reading
