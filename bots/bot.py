"""A bot, whole: its YAML, its Python, its flow, and the table of all bots by number."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipecat.flows import Flow
from pipecat.processors.frame_processor import FrameProcessor

from bots.config import BotConfig
from bots.desks import Desks
from records.event import Event
from services.problem import Problem
from transports.call_info import CallInfo

ProcessorsHook = Callable[[list[FrameProcessor], CallInfo], list[FrameProcessor]]
EventHook = Callable[[Event], None]


@dataclass(frozen=True)
class Bot:
    """One loaded bot.

    Parameters:
        config: The keys of ``bots/NAME.yaml``.
        bot_hash: Twelve hex digits over all the files the bot is made of.
        flow: Its conversation, with tools; None for a bot with a prompt or without words.
        prompt: System prompt of a bot without a flow.
        processors: ``processors(default, call)`` of ``bots/NAME.py``.
        on_event: ``on_event(event)`` of ``bots/NAME.py``.
        variables: What this call is about; empty in a bot that is not on a call.
    """

    config: BotConfig
    bot_hash: str = ""
    flow: Flow | None = None
    prompt: str = ""
    processors: ProcessorsHook | None = None
    on_event: EventHook | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.config.name

    @property
    def numbers(self) -> tuple[str, ...]:
        """Called numbers that reach it."""
        return self.config.numbers

    @property
    def tools(self) -> frozenset[str]:
        """Names of the tools that its flow names."""
        if self.flow is None:
            return frozenset()
        nodes = self.flow.config.nodes.values()
        named = [f.name for node in nodes for f in node.functions]
        return frozenset(named) | {f.name for f in self.flow.config.global_functions}

    @property
    def talks(self) -> bool:
        """Whether it hears, thinks and speaks by providers."""
        return self.config.llm is not None


@dataclass(frozen=True)
class Bots:
    """All bots.

    Parameters:
        by_name: The bots that could be loaded.
        desks: To whom they may hand a caller.
        problems: Everything that is wrong with any of them or their flows.
    """

    by_name: dict[str, Bot] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    desks: Desks = field(default_factory=Desks)

    def for_number(self, dialled: str) -> Bot | None:
        """The bot that answers a called number; None where nobody claims it."""
        wanted = "".join(c for c in dialled if c.isdigit())
        return next(
            (b for b in self.by_name.values() if any(n.lstrip("+") == wanted for n in b.numbers)),
            None,
        )

    def named(self, name: str) -> Bot | None:
        """The bot of this name."""
        return self.by_name.get(name)
