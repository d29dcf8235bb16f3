"""One process, three protocols: Deepgram, Cartesia and OpenAI on one port."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from local.providers.access import Access
from local.providers.cartesia import CartesiaHandler
from local.providers.deepgram import DeepgramHandler
from local.providers.engines import Engines, SttEngine, TtsEngine
from local.providers.fault_control import FaultControl
from local.providers.faults import Faults
from local.providers.openai_chat import OpenAIHandler
from local.providers.responder import Responder
from local.providers.upstream import Upstream

_SHUTDOWN_SECS = 1.0
_LONGEST_BODY = 16 << 20


@dataclass(frozen=True)
class ProviderOptions:
    """How the providers behave.

    Parameters:
        keys: Prefixes of the keys that are let in.
        endpointing: Deepgram's own end of speech in ms, for clients that name none; ``150``
            imitates the cloud.
        clauses: Speak long sentences clause by clause.
        token_secs: Pause between two words of the LLM.
        openai_url: Another OpenAI-compatible server that answers instead of the responder.
        openai_key: The key for it.
    """

    keys: tuple[str, ...] = ("local",)
    endpointing: str = ""
    clauses: bool = False
    token_secs: float = 0.0
    openai_url: str | None = None
    openai_key: str | None = None


class Providers:
    """The running providers; ``port`` says where."""

    def __init__(
        self, responder: Responder, engines: Engines, options: ProviderOptions | None = None
    ):
        """Wire the handlers; `start` does it all."""
        options = options or ProviderOptions()
        self.faults = Faults()
        self.port = 0
        self._engines = engines
        self._upstream = (
            Upstream(options.openai_url, options.openai_key) if options.openai_url else None
        )
        self._runner: web.AppRunner | None = None
        access = Access(options.keys)
        self._deepgram = DeepgramHandler(
            engines.recognizers, access, self.faults, endpointing=options.endpointing
        )
        self._cartesia = CartesiaHandler(
            engines.voices, access, self.faults, clauses=options.clauses
        )
        self._openai = OpenAIHandler(
            responder,
            access,
            self.faults,
            upstream=self._upstream,
            token_secs=options.token_secs,
        )
        self._control = FaultControl(self.faults)

    @classmethod
    async def start(
        cls,
        *,
        rules: Path,
        models: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        stt: SttEngine = "moonshine",
        tts: TtsEngine = "piper",
        options: ProviderOptions | None = None,
    ) -> "Providers":
        """Load models and rules, then listen; ready when this returns.

        Args:
            rules: Folder with ``NAME.rules.yaml`` files.
            models: Folder of the speech models.
            host: Where to listen; loopback, since the control API asks for no key.
            port: 0 chooses a free one.
            stt: Which recognizer.
            tts: Which voice.
            options: How they behave.

        Raises:
            EngineError: If a model cannot be used.
            RulesError: If a rules file is wrong.
            OSError: If the port is taken.
        """
        responder = Responder.load(rules)
        engines = await asyncio.to_thread(Engines.load, models, stt=stt, tts=tts)
        providers = cls(responder, engines, options)
        try:
            await providers.listen(host, port)
        except OSError:
            await providers.close()
            raise
        return providers

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Open the port; raises OSError if it is taken."""
        app = web.Application(client_max_size=_LONGEST_BODY)
        app.add_routes(
            [
                web.get("/v1/listen", self._deepgram.listen),
                web.get("/tts/websocket", self._cartesia.speak),
                web.post("/v1/chat/completions", self._openai.chat),
                web.get("/v1/models", self._openai.models),
                web.get("/health", self._health),
                web.get("/control/faults", self._control.show),
                web.post("/control/faults", self._control.replace),
            ]
        )
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_SHUTDOWN_SECS, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Close all connections and end the workers."""
        if self._runner:
            await self._runner.cleanup()
        if self._upstream:
            await self._upstream.close()
        await asyncio.to_thread(self._engines.close)

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "ok": True,
                "stt": self._engines.recognizers.name,
                "tts": self._engines.voices.name,
                "stt_backlog": self._engines.recognizers.backlog,
            }
        )
