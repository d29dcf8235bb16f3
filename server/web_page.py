"""The page that calls a bot from a browser, and its files."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from server.problem_details import ApiProblem

FOLDER = Path(__file__).parent.parent / "web"
LIBRARY = "vendor/livekit-client.umd.js"
FILES = {
    "call.css": "text/css",
    "call.js": "text/javascript",
    "captions.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "line.js": "text/javascript",
    "meter.js": "text/javascript",
    "words.js": "text/javascript",
    LIBRARY: "text/javascript",
}
_ALWAYS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class WebPage:
    """Serves ``web/call.html`` and what it loads; everything comes from this server."""

    def __init__(
        self, livekit_urls: Iterable[str], *, framed_by: Iterable[str] = (), folder: Path = FOLDER
    ):
        """Initialize the page.

        Args:
            livekit_urls: Where the page's calls may go.
            framed_by: Origins whose pages may show it in a frame.
            folder: Where the files lie.
        """
        self._folder = folder
        self._headers = {
            **_ALWAYS,
            "Content-Security-Policy": content_policy(livekit_urls, framed_by),
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        }

    async def show(self, *, known: bool) -> web.Response:
        """The page; of a bot that may not be called it says so and is a 404."""
        html = await asyncio.to_thread((self._folder / "call.html").read_text, "utf-8")
        if not known:
            html = html.replace('data-phase="idle"', 'data-phase="unknown"')
        return web.Response(
            text=html,
            content_type="text/html",
            status=200 if known else 404,
            headers=self._headers,
        )

    async def file(self, request: web.Request) -> web.StreamResponse:
        """One of the page's files.

        Raises:
            ApiProblem: There is none of this name; for the library, with the way to make it.
        """
        name = request.match_info["name"]
        path = self._folder / name
        if name not in FILES or not await asyncio.to_thread(path.is_file):
            remedy = "run `make web` on the server" if name == LIBRARY else ""
            raise ApiProblem(404, "Not Found", remedy)
        return web.FileResponse(path, headers={**_ALWAYS, "Content-Type": FILES[name]})


def content_policy(livekit_urls: Iterable[str], framed_by: Iterable[str] = ()) -> str:
    """What the page may load and reach: this server and LiveKit, by websocket and HTTP."""
    hosts: dict[str, str] = {}
    for url in map(urlsplit, livekit_urls):
        hosts[url.netloc] = "s" if url.scheme in ("wss", "https") else ""
        if (url.hostname or "").endswith(".livekit.cloud"):
            hosts["*.livekit.cloud"] = "s"  # it may send a client to another region
    livekit = " ".join(f"ws{s}://{host} http{s}://{host}" for host, s in hosts.items())
    frames = " ".join(["'self'", *sorted(framed_by)])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {livekit}; media-src 'self' blob:; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {frames}"
    )
