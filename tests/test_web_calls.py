"""Calls from a browser by HTTP: who may begin one, how often, and with which rights."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr, ValidationError

from server.address_limit import MAX_ADDRESSES, AddressLimit
from server.known_bots import KnownBots
from server.livekit_access import LiveKitAccess
from server.placement import Placement, PlacementError
from server.problem_details import ApiProblem
from server.settings import Settings
from server.web import web_calls_of, web_routes_of
from server.web_calls import WebCalls
from server.web_origins import WebOrigins, parse_origins
from server.web_page import FILES, FOLDER, LIBRARY, WebPage, content_policy
from server.web_routes import WebRoutes

SECRET = "secret-of-at-least-32-characters!"
ACCESS = LiveKitAccess("ws://10.0.0.5:7880", "devkey", SecretStr(SECRET))
BOTS = KnownBots(names=frozenset({"echo", "shy"}), web=frozenset({"echo"}))
SHOP = "https://shop.example"


@dataclass
class FakeCalls:
    """Takes every placement, or refuses as it is told."""

    refuse: PlacementError | None = None
    placed: list[Placement] = field(default_factory=list)

    async def place(self, placement: Placement, access: LiveKitAccess) -> None:
        if self.refuse:
            raise self.refuse
        self.placed.append(placement)

    def get(self, call_id: str) -> Any:
        for placement in self.placed:
            if placement.call_id == call_id:
                return SimpleNamespace(job=placement.job(ACCESS, "", ""), ended=False)
        return None


@dataclass
class Site:
    """The routes on a port."""

    client: TestClient
    calls: FakeCalls
    clock: list[float]

    async def call(self, bot: str = "echo", origin: str | None = SHOP) -> tuple[int, Any, Any]:
        headers = {"Origin": origin} if origin else {}
        async with self.client.post(f"/call/{bot}", headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers


@web.middleware
async def problems(request: web.Request, handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiProblem as problem:
        return problem.response(request.path)


@pytest.fixture
async def site():
    calls, clock = FakeCalls(), [0.0]
    routes = WebRoutes(
        WebPage(["wss://livekit.example"], framed_by=[SHOP]),
        WebCalls(calls, lambda: ACCESS),  # pyright: ignore[reportArgumentType]
        BOTS,
        origins=WebOrigins([SHOP]),
        limit=AddressLimit(3, now=lambda: clock[0]),
    )
    app = web.Application(middlewares=[problems])
    app.add_routes(routes.routes())
    async with TestClient(TestServer(app)) as client:
        yield Site(client, calls, clock)


async def test_a_page_of_the_list_gets_a_call_and_a_token_for_it(site: Site):
    status, call, headers = await site.call()
    assert status == 201 and headers["Cache-Control"] == "no-store"
    assert headers["Access-Control-Allow-Origin"] == SHOP
    (placed,) = site.calls.placed
    assert (placed.bot, placed.call_type, placed.dial) == ("echo", "webrtc", None)
    assert (call["call_id"], call["room"]) == (placed.call_id, placed.room)
    assert call["identity"] == placed.caller and call["url"] == "ws://10.0.0.5:7880"


async def test_the_token_joins_one_room_with_a_microphone_for_a_minute(site: Site):
    _, call, _ = await site.call()
    claims = jwt.decode(call["token"], SECRET, algorithms=["HS256"])
    assert claims["sub"] == call["identity"]
    assert 50 <= claims["exp"] - claims["nbf"] <= 70
    assert claims["video"] == {
        "roomJoin": True,
        "room": call["room"],
        "canPublish": True,
        "canPublishSources": ["microphone"],
        "canPublishData": True,
        "canSubscribe": True,
        "canUpdateOwnMetadata": False,
    }
    assert "sip" not in claims and claims.get("kind", "") in ("", "standard")


async def test_a_token_is_never_shown_in_a_log(site: Site):
    call = await WebCalls(site.calls, lambda: ACCESS).begin(Placement("echo"))  # pyright: ignore
    assert call.token not in repr(call)


@pytest.mark.parametrize(
    "origin", [None, "https://elsewhere.example", "null", "https://shop.example.evil"]
)
async def test_any_other_page_is_refused(site: Site, origin: str | None):
    status, problem, headers = await site.call(origin=origin)
    assert status == 403 and not site.calls.placed
    assert "Access-Control-Allow-Origin" not in headers
    assert "origin" in problem["detail"]


async def test_the_servers_own_page_may_call_on_loopback(site: Site):
    own = f"http://{site.client.host}:{site.client.port}"
    assert (await site.call(origin=own))[0] == 201


@pytest.mark.parametrize("bot", ["shy", "nobody"])
async def test_a_bot_that_does_not_say_so_takes_no_call_from_a_browser(site: Site, bot: str):
    status, _, headers = await site.call(bot)
    assert status == 404 and headers["Access-Control-Allow-Origin"] == SHOP
    page = await site.client.get(f"/call/{bot}")
    assert page.status == 404 and 'data-phase="unknown"' in await page.text()


async def test_too_many_calls_from_one_address_must_wait(site: Site):
    assert [(await site.call())[0] for _ in range(4)] == [201, 201, 201, 429]
    _, _, headers = await site.call()
    assert headers["Retry-After"] == "20"
    site.clock[0] += 20
    assert (await site.call())[0] == 201


@pytest.mark.parametrize("code, wait", [("server_full", 15), ("server_stopping", None)])
async def test_a_server_that_takes_no_call_says_so(site: Site, code: str, wait: int | None):
    site.calls.refuse = PlacementError(code, "not now", retry_after_secs=wait)
    status, problem, headers = await site.call()
    assert (status, problem["detail"]) == (503, "not now")
    assert headers.get("Retry-After") == (str(wait) if wait else None)


async def test_a_call_that_is_joined_by_a_link_keeps_its_token_out_of_requests(site: Site):
    web_calls = WebCalls(site.calls, lambda: ACCESS)  # pyright: ignore[reportArgumentType]
    call = await web_calls.begin(Placement("front_desk"))
    path, _, fragment = call.page("front_desk").partition("#")
    assert path == "/call/front_desk" and call.token not in path
    assert parse_qs(fragment) == {"url": [call.url], "token": [call.token]}


async def test_a_call_that_runs_can_be_joined_again_and_one_that_is_over_cannot(site: Site):
    web_calls = WebCalls(site.calls, lambda: ACCESS)  # pyright: ignore[reportArgumentType]
    call = await web_calls.begin(Placement("echo"))
    again = web_calls.again(call.call_id)
    assert again and (again.room, again.identity, again.url) == (call.room, call.identity, call.url)
    assert web_calls.again("other") is None


async def test_no_livekit_no_call():
    with pytest.raises(PlacementError) as refused:
        await WebCalls(FakeCalls(), lambda: None).begin(Placement("echo"))  # pyright: ignore
    assert refused.value.code == "livekit_unreachable"


async def test_the_page_may_load_and_reach_only_what_it_needs(site: Site):
    page = await site.client.get("/call/echo")
    assert page.status == 200 and 'data-phase="idle"' in await page.text()
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert "connect-src 'self' wss://livekit.example https://livekit.example" in policy
    assert f"frame-ancestors 'self' {SHOP}" in policy
    assert "camera=()" in page.headers["Permissions-Policy"]


@pytest.mark.parametrize("name", sorted(set(FILES) - {LIBRARY}))
async def test_every_file_of_the_page_is_served(site: Site, name: str):
    answer = await site.client.get(f"/web/{name}")
    assert answer.status == 200 and answer.content_type == FILES[name]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_asks_for_no_file_that_is_not_served():
    for path in FOLDER.glob("*.*"):
        text = path.read_text()
        asked = [
            word for word in text.replace("'", '"').split('"') if word.startswith(("/web/", "./"))
        ]
        for word in asked:
            assert word.removeprefix("/web/").removeprefix("./").partition("#")[0] in FILES, word
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "") or path.suffix == ".json"


@pytest.mark.parametrize(
    "name", ["package.json", "../README.md", "..%2FREADME.md", "vendor/", "x.js"]
)
async def test_nothing_else_is_served(site: Site, name: str):
    assert (await site.client.get(f"/web/{name}")).status == 404


async def test_a_missing_library_names_its_remedy(tmp_path: Path):
    page = WebPage(["ws://127.0.0.1:7880"], folder=tmp_path)
    app = web.Application(middlewares=[problems])
    app.add_routes([web.get("/web/{name:.+}", page.file)])
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(f"/web/{LIBRARY}")
        assert answer.status == 404 and "make web" in (await answer.json())["detail"]


def test_a_cloud_may_send_the_page_to_another_region():
    assert "wss://*.livekit.cloud" in content_policy(["wss://x.livekit.cloud"])


@pytest.mark.parametrize(
    "origin, host, allowed",
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://localhost:8080", "localhost:8080", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://localhost:8080", "localhost:9090", False),
        ("http://rebound.example:8080", "rebound.example:8080", False),
        ("HTTPS://SHOP.EXAMPLE", "bots.example", True),
    ],
)
def test_origins_are_judged_by_the_list_and_on_loopback_by_the_host(origin, host, allowed):
    assert (WebOrigins([SHOP]).why_not(origin, host) == "") is allowed


def test_origins_are_read_from_one_line():
    assert parse_origins("https://a.example, http://b.example:8080") == (
        "https://a.example",
        "http://b.example:8080",
    )


@pytest.mark.parametrize(
    "text", ["shop.example", "https://shop.example/", "*", "https://*.example"]
)
def test_what_is_no_origin_is_refused_by_the_settings(text: str):
    with pytest.raises(ValidationError, match="is no origin"):
        Settings(_env_file=None, web_origins=text)  # pyright: ignore[reportCallIssue]


async def test_a_browser_is_told_the_address_it_can_reach():
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        livekit_url="ws://10.0.0.5:7880",
        livekit_api_key="devkey",
        livekit_api_secret=SecretStr(SECRET),
        web_livekit_url="wss://livekit.example",
    )
    calls = web_calls_of(settings, FakeCalls(), lambda: ACCESS)  # pyright: ignore
    assert (await calls.begin(Placement("echo"))).url == "wss://livekit.example"
    assert len(web_routes_of(settings, calls, BOTS).routes()) == 3


def test_a_forgotten_address_makes_room_for_others():
    limit = AddressLimit(1, now=lambda: 0.0)
    for n in range(MAX_ADDRESSES + 1):
        assert limit.take(str(n)) == 0
    assert limit.take("0") == 0 and limit.take(str(MAX_ADDRESSES)) > 0


def test_bots_for_browsers_are_known_from_their_files(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("name: a\nweb: true\n")
    (tmp_path / "b.yaml").write_text("name: b\nweb: 'yes'\n")
    (tmp_path / "c.yaml").write_text("name: [c\n")
    known = KnownBots.read(tmp_path)
    assert known.web == {"a"} and {"a", "b"} <= known.names
