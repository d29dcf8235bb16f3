"""LiveKit's webhooks are believed when they are signed, and counted once."""

import base64
import hashlib
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from livekit.api import AccessToken
from pydantic import SecretStr

from records.store import CallStore
from server.livekit_access import LiveKitAccess
from server.metrics import Metrics
from server.problem_details import ApiProblem
from server.webhooks import WebhookRoutes

SECRET = "secret-of-at-least-32-characters!"
BODY = json.dumps(
    {
        "event": "room_finished",
        "room": {"name": "call-ü", "creationTime": "1795248233", "aFieldOfTomorrow": 1},
        "id": "EV_1",
    },
    ensure_ascii=False,
).encode()


def signed(body: bytes, *, key: str = "devkey", secret: str = SECRET) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    token = AccessToken(key, secret).with_sha256(digest).to_jwt()
    return {"Authorization": token, "Content-Type": "application/webhook+json"}


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
async def client(metrics, tmp_path):
    @web.middleware
    async def problems(request, handler):
        try:
            return await handler(request)
        except ApiProblem as problem:
            return problem.response(request.path)

    store = await CallStore.open(f"sqlite:///{tmp_path}/calls.db")
    accesses = [
        LiveKitAccess("ws://127.0.0.1:9", "devkey", SecretStr(SECRET)),
        LiveKitAccess("ws://127.0.0.1:10", "fallback", SecretStr(SECRET[::-1])),
    ]
    app = web.Application(middlewares=[problems])
    app.add_routes(WebhookRoutes(accesses, store, metrics).routes())
    async with TestClient(TestServer(app)) as client:
        yield client
    await store.close()


async def post(client, body: bytes, headers: dict[str, str]):
    return await client.post("/webhooks/livekit", data=body, headers=headers)


async def test_a_signed_webhook_is_taken_once(client, metrics):
    first, second = [await post(client, BODY, signed(BODY)) for _ in range(2)]
    assert (await first.json(), await second.json()) == ({"taken": True}, {"taken": False})
    text = metrics.text().decode()
    assert 'switchboard_webhooks_total{result="taken"} 1.0' in text
    assert 'switchboard_webhooks_total{result="repeated"} 1.0' in text


async def test_a_webhook_of_the_second_livekit_is_believed_too(client):
    headers = signed(BODY, key="fallback", secret=SECRET[::-1])
    assert await (await post(client, BODY, headers)).json() == {"taken": True}


async def test_the_signature_covers_the_bytes_as_they_came(client):
    assert (await post(client, BODY + b" ", signed(BODY))).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "nonsense"},
        signed(BODY, secret="another-secret-of-32-characters!!!"),
        signed(BODY, key="another"),
        {"Authorization": AccessToken("devkey", SECRET).to_jwt()},
    ],
)
async def test_an_unsigned_webhook_is_refused(client, metrics, headers):
    assert (await post(client, BODY, headers)).status == 401
    assert 'switchboard_webhooks_total{result="refused"} 1.0' in metrics.text().decode()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b'{"event": "room_started"}'])
async def test_a_signed_body_that_is_no_event_is_refused(client, body):
    assert (await post(client, body, signed(body))).status == 401
