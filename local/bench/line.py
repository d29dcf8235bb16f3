"""The line everything is measured on: one stack, one phone socket, and plain Pipecat beside it."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from livekit.api import LiveKitAPI
from livekit.protocol import sip as sip_proto

from local.bench.plain_bot import LONG_STORY
from local.sip.endpoint import SipEndpoint
from local.stack.api import Api
from local.stack.plan import LiveKitAccess, child_environments
from local.stack.ports import Ports
from local.stack.stack import Stack, StackConfig

ECHO, RECEPTIONIST, TALKER = "+15550199", "+15550100", "+15550197"
PLAIN_ECHO, PLAIN_TALKER = "+15550195", "+15550196"
_ROOMS = {"echo": PLAIN_ECHO, "talk": PLAIN_TALKER}
_READY_SECS = 30.0

_TALKER = f"""# Talks on and on: somebody to interrupt.
name: talker
numbers: ["{TALKER}"]
stt: deepgram/nova-3-general
llm: openai/gpt-4.1-mini
tts: {{use: cartesia/sonic-3, voice: joe}}
greeting: "{LONG_STORY}"
prompt: talker.md
"""


@dataclass(frozen=True)
class Line:
    """What a measurement needs.

    Parameters:
        stack: Exchange, providers and server.
        endpoint: The phone's signalling socket.
        api: The server's API.
        environment: Addresses and keys, as the server has them.
    """

    stack: Stack
    endpoint: SipEndpoint
    api: Api
    environment: Mapping[str, str]

    @asynccontextmanager
    async def plain_bot(self, kind: str) -> AsyncIterator[None]:
        """Plain Pipecat waiting in its room, in a process of its own.

        Args:
            kind: ``echo`` or ``talk``.
        """
        bot = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "local.bench.plain_bot",
            kind,
            kind,
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_READY_SECS):
                assert bot.stdout
                await bot.stdout.readuntil(b"ready\n")
            yield
        finally:
            if bot.returncode is None:
                bot.terminate()
            await bot.wait()

    def uri(self, number: str) -> str:
        """Where a number is dialled."""
        return f"sip:{number}@{self.stack.address.sip}"


@asynccontextmanager
async def open_line(environ: Mapping[str, str], data_dir: Path) -> AsyncIterator[Line]:
    """Bring everything up; take it down at the end.

    Args:
        environ: What the processes inherit.
        data_dir: Where logs and records go.
    """
    with tempfile.TemporaryDirectory(prefix="switchboard-bench-") as folder:
        bots = Path(folder) / "bots"
        await asyncio.to_thread(_write_bots, bots)
        ports = Ports.free()
        config = StackConfig(
            environ=environ,
            ports=ports,
            data_dir=data_dir,
            settings={"SWITCHBOARD_BOTS": str(bots), "SWITCHBOARD_MAX_CALLS": "16"},
        )
        async with Stack(config, on_progress=print) as stack:
            await _plain_rules(stack.livekit)
            every = child_environments(environ, ports, stack.livekit, "", data_dir)
            endpoint = await SipEndpoint.open(user_agent="switchboard-bench")
            try:
                async with Api(stack.address.api, stack.address.api_key) as api:
                    yield Line(stack, endpoint, api, every["server"])
            finally:
                await endpoint.close()


def _write_bots(folder: Path) -> None:
    shutil.copytree("bots", folder, ignore=shutil.ignore_patterns("__pycache__"))
    # Callers who only cost something stay on the line for as long as it takes to measure that.
    with (folder / "receptionist.yaml").open("a") as receptionist:
        receptionist.write("idle: {after_secs: 0}\n")
    (folder / "talker.yaml").write_text(_TALKER)
    (folder / "talker.md").write_text("You tell stories.\n")


async def _plain_rules(livekit: LiveKitAccess) -> None:
    """A number each for the plain bots, leading into rooms where they already wait."""
    api = LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret)
    try:
        for room, number in _ROOMS.items():
            trunk = sip_proto.SIPInboundTrunkInfo(
                name=f"plain-{room}", numbers=[number], allowed_addresses=["127.0.0.0/8"]
            )
            made = await api.sip.create_inbound_trunk(
                sip_proto.CreateSIPInboundTrunkRequest(trunk=trunk)
            )
            rule = sip_proto.SIPDispatchRule(
                dispatch_rule_direct=sip_proto.SIPDispatchRuleDirect(room_name=room)
            )
            info = sip_proto.SIPDispatchRuleInfo(
                name=f"plain-{room}", rule=rule, trunk_ids=[made.sip_trunk_id]
            )
            await api.sip.create_dispatch_rule(
                sip_proto.CreateSIPDispatchRuleRequest(dispatch_rule=info)
            )
    finally:
        await api.aclose()
