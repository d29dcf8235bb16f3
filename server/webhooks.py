"""Takes LiveKit's webhooks: a second witness of what happens in the rooms, written to the log."""

from collections.abc import Sequence

from aiohttp import web
from google.protobuf.json_format import ParseError
from jwt import PyJWTError
from livekit.api import TokenVerifier, WebhookReceiver
from livekit.protocol.webhook import WebhookEvent
from loguru import logger

from records.store import CallStore
from server.livekit_access import LiveKitAccess
from server.metrics import Metrics
from server.problem_details import ApiProblem


class WebhookRoutes:
    """``/webhooks/livekit``: verified on the raw body, each event once.

    Source: livekit ``protocol/webhook``; the signature's ``sha256`` claim is that of the body.
    """

    def __init__(self, accesses: Sequence[LiveKitAccess], store: CallStore, metrics: Metrics):
        """Initialize with the keys that may sign."""
        self._receivers = [
            WebhookReceiver(TokenVerifier(access.api_key, access.api_secret.get_secret_value()))
            for access in accesses
        ]
        self._store, self._metrics = store, metrics

    def routes(self) -> list[web.RouteDef]:
        """The route."""
        return [web.post("/webhooks/livekit", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        event = self._verified(await request.read(), request.headers.get("Authorization", ""))
        if not await self._store.claim_webhook(event.id):
            self._metrics.webhook("repeated")
            return web.json_response({"taken": False})
        self._metrics.webhook("taken")
        logger.debug(f"LiveKit says {event.event} in {event.room.name or 'no room'}")
        return web.json_response({"taken": True})

    def _verified(self, body: bytes, authorization: str) -> WebhookEvent:
        token = authorization.removeprefix("Bearer ")
        refusals: list[str] = []
        for receiver in self._receivers:
            event, refusal = _receive(receiver, body, token)
            if event:
                return event
            refusals.append(refusal)
        self._metrics.webhook("refused")
        logger.warning(f"Webhook refused: {'; '.join(dict.fromkeys(refusals))}")
        raise ApiProblem(401, "Unauthorized", "the webhook is not signed with LiveKit's key")


def _receive(receiver: WebhookReceiver, body: bytes, token: str) -> tuple[WebhookEvent | None, str]:
    try:
        event = receiver.receive(body.decode(), token)
    except (PyJWTError, ParseError, ValueError) as error:
        return None, type(error).__name__
    except Exception as error:  # the border of the webhook loop; the SDK raises bare ones
        return None, str(error) if type(error) is Exception else type(error).__name__
    return (event, "") if event.id else (None, "no event id")
