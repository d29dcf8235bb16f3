"""Reads ``bots/`` and collects everything that is wrong with it."""

import hashlib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from pipecat.flows import Flow
from pydantic import ValidationError

from bots.ambience import ambience_problems, with_ambience_of
from bots.bot import Bot, Bots
from bots.bot_services import build_services
from bots.config import BotConfig
from bots.desks import FILE as DESKS_FILE
from bots.desks import Desks, load_desks
from bots.escalation import escalation_problems
from bots.key_menu import key_problems
from bots.problems import read_yaml, validation_problems
from bots.variables import problems_of
from flows.code_file import CodeFileError, load_code_file
from flows.flow_file import flow_files, flow_names, load_flow
from services.problem import Problem
from services.provider_table import Kind
from services.providers import ProviderError, Providers


def load_bots(
    bots_dir: Path | str, flows_dir: Path | str, providers: Providers | None = None
) -> Bots:
    """Load every bot of a folder.

    Args:
        bots_dir: Folder of ``NAME.yaml`` and ``NAME.py``.
        flows_dir: Folder of the flows.
        providers: Asked for the problems of each ``provider/model``, without connecting; None
            leaves that out.

    Returns:
        The sound bots, and the problems of all the others together.
    """
    return BotLoader(Path(bots_dir), Path(flows_dir), providers).load()


class BotLoader:
    """Loads all bots of one folder, once."""

    def __init__(self, bots_dir: Path, flows_dir: Path, providers: Providers | None = None):
        """Initialize the loader; nothing is read yet."""
        self._bots_dir = bots_dir
        self._flows_dir = flows_dir
        self._providers = providers
        self._problems: list[Problem] = []
        self._flows: dict[str, Flow | None] = {}
        self._desks = Desks()

    def load(self) -> Bots:
        """Read every ``*.yaml``, then check what they claim together."""
        self._desks, problems = load_desks(self._bots_dir)
        self._problems += problems
        paths = sorted(p for p in self._bots_dir.glob("*.yaml") if p.name != DESKS_FILE)
        if not paths:
            remedy = "write one with `switchboard new NAME`"
            self._add(self._bots_dir, "", "holds no bot", remedy)
        bots = [bot for path in paths if (bot := self._load_bot(path))]
        self._check_numbers(bots)
        for name in flow_names(self._flows_dir):
            self._flow(name)  # a flow that no bot uses yet is checked as well
        return Bots({bot.name: bot for bot in bots}, tuple(self._problems), self._desks)

    def _load_bot(self, path: Path) -> Bot | None:
        data, problems = read_yaml(path)
        if problems:
            self._problems += problems
            return None
        try:
            config = BotConfig.model_validate(data)
        except ValidationError as error:
            self._problems += validation_problems(path, BotConfig, error)
            return None
        before = len(self._problems)
        code = self._code(path.with_suffix(".py"))
        prompt = self._prompt(path, config)
        flow = self._flow(config.flow, path) if config.flow else None
        self._check_name(path, config)
        for key, message, remedy in (
            *problems_of(config, prompt),
            *ambience_problems(path, config),
        ):
            self._add(path, key, message, remedy)
        self._check_services(path, config, code)
        self._problems += escalation_problems(path, config, self._desks)
        self._problems += key_problems(path, config, self._desks)
        if len(self._problems) == before:
            self._build_once(path, config)
        if len(self._problems) > before or (config.flow and flow is None):
            return None
        return Bot(
            config=with_ambience_of(path, config),
            bot_hash=self._hash(path, config),
            flow=flow,
            prompt=prompt,
            processors=getattr(code, "processors", None),
            on_event=getattr(code, "on_event", None),
        )

    def _code(self, path: Path) -> ModuleType | None:
        if not path.is_file():
            return None
        try:
            return load_code_file(path)
        except CodeFileError as error:
            self._add(path, "", str(error), "mend the Python file")
            return None

    def _prompt(self, path: Path, config: BotConfig) -> str:
        if config.prompt is None:
            return ""
        prompt = path.parent / config.prompt
        if prompt.parent != path.parent or not prompt.is_file():
            self._add(path, "prompt", f"there is no file {prompt}", "write it beside the bot")
            return ""
        return prompt.read_text(encoding="utf-8")

    def _flow(self, name: str, user: Path | None = None) -> Flow | None:
        if name not in self._flows:
            known = flow_names(self._flows_dir)
            if user and name not in known:
                message = f"'{name}' is not one of {', '.join(known) or 'the flows (none yet)'}"
                close = get_close_matches(name, known, n=1)
                remedy = f"did you mean '{close[0]}'?" if close else f"write flows/{name}.yaml"
                self._add(user, "flow", message, remedy)
                return None
            self._flows[name], problems = load_flow(name, self._flows_dir)
            self._problems += problems
        return self._flows[name]

    def _check_name(self, path: Path, config: BotConfig) -> None:
        if config.name != path.stem:
            message = f"'{config.name}' is not the file's name"
            self._add(path, "name", message, f"write `name: {path.stem}` or rename the file")

    def _check_services(self, path: Path, config: BotConfig, code: ModuleType | None) -> None:
        missing = [key for key in ("stt", "llm", "tts") if getattr(config, key) is None]
        if len(missing) == 3:
            if not hasattr(code, "processors"):
                remedy = f"add them, or define processors() in {path.with_suffix('.py').name}"
                self._add(path, "stt", "neither stt, llm nor tts is given", remedy)
            for key in ("greeting", "flow", "prompt"):
                if getattr(config, key):
                    self._add(path, key, "needs stt, llm and tts", "add them or remove it")
            return
        for key in missing:
            self._add(path, key, "is missing beside the other two", f"add `{key}: provider/model`")
        if bool(config.flow) == bool(config.prompt):
            message = "a bot needs one of flow and prompt, and not both"
            self._add(path, "flow", message, "name a flow, or a prompt file beside the bot")
        specs: dict[Kind, str | None] = {
            "stt": config.stt,
            "llm": config.llm,
            "tts": config.tts.use if config.tts else None,
        }
        for kind, spec in specs.items():
            for problem in self._provider_problems(kind, spec, config.language):
                self._add(path, kind, problem.message, problem.remedy)

    def _build_once(self, path: Path, config: BotConfig) -> None:
        """Import what calls would otherwise import while their callers wait."""
        if self._providers is None or config.llm is None:
            return
        try:
            build_services(config, self._providers)
        except ProviderError as error:
            self._add(path, error.key, error.message, error.remedy)

    def _provider_problems(self, kind: Kind, spec: str | None, language: str) -> list[Problem]:
        if not spec or not self._providers:
            return []
        spoken = None if kind == "llm" else language
        return self._providers.problems(kind, spec, language=spoken)

    def _check_numbers(self, bots: list[Bot]) -> None:
        claimed: dict[str, str] = {}
        for bot in bots:
            for number in bot.numbers:
                first = claimed.setdefault(number, bot.name)
                if first != bot.name or bot.numbers.count(number) > 1:
                    path = self._bots_dir / f"{bot.name}.yaml"
                    message = f"{number} is claimed twice: by {first} and by {bot.name}"
                    self._add(path, "numbers", message, "leave it to one of them")

    def _hash(self, path: Path, config: BotConfig) -> str:
        digest = hashlib.sha256()
        for part in self._files(path, config):
            digest.update(part.name.encode() + b"\0" + part.read_bytes() + b"\0")
        return digest.hexdigest()[:12]

    def _files(self, path: Path, config: BotConfig) -> Iterator[Path]:
        yield path
        if path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")
        if config.prompt:
            yield path.parent / config.prompt
        if config.flow:
            yield from flow_files(config.flow, self._flows_dir)

    def _add(self, path: Path, key: str, message: str, remedy: str) -> None:
        self._problems.append(Problem(str(path), key, message, remedy))
