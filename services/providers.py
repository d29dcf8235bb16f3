"""Speech recognition, language model and voice, by the names that a bot uses."""

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transcriptions.language import Language
from pydantic import SecretStr

from services.problem import Problem
from services.provider_table import PROVIDERS, Entry, Kind


@dataclass(frozen=True)
class ProviderAccess:
    """A provider's key and, if it is not the provider's own, URL."""

    api_key: SecretStr | None = None
    url: str | None = None


class ProviderError(Exception):
    """A service cannot be built.

    Parameters:
        code: ``bad_spec``, ``unknown_provider``, ``missing_extra``, ``missing_key``,
            ``missing_url``, ``no_url`` or ``unknown_language``.
        message: What is wrong, naming the value and the allowed ones.
        remedy: What to do.
        key: The configuration key or environment variable to change.
    """

    retryable = False

    def __init__(self, code: str, message: str, remedy: str, *, key: str = ""):
        super().__init__(f"{message}. {remedy}")
        self.code = code
        self.message = message
        self.remedy = remedy
        self.key = key


class Providers:
    """Builds the services of a call from ``provider/model``; nothing connects before a pipeline.

    The model may itself contain slashes: ``openai-compatible/meta/llama-3``.
    """

    def __init__(self, access: Mapping[str, ProviderAccess]):
        """Initialize with the keys and URLs there are.

        Args:
            access: By name of ``services.provider_table.ACCESS_NAMES``.
        """
        self._access = access

    def stt(self, spec: str, *, language: str | None = None) -> STTService:
        """Builds a speech recogniser, e.g. ``deepgram/nova-3-general``.

        Raises:
            ProviderError: If it cannot be built.
        """
        return cast(STTService, self._build("stt", spec, language=_language(language)))

    def llm(self, spec: str, system_instruction: str | None = None) -> LLMService:
        """Builds a language model, e.g. ``openai/gpt-4.1-mini``.

        Raises:
            ProviderError: If it cannot be built.
        """
        return cast(LLMService, self._build("llm", spec, system_instruction=system_instruction))

    def tts(
        self, spec: str, *, voice: str | None = None, language: str | None = None
    ) -> TTSService:
        """Builds a voice, e.g. ``cartesia/sonic-3``.

        Raises:
            ProviderError: If it cannot be built.
        """
        return cast(TTSService, self._build("tts", spec, voice=voice, language=_language(language)))

    def problems(self, kind: Kind, spec: str, *, language: str | None = None) -> list[Problem]:
        """Everything that keeps ``spec`` from being built, without building or connecting.

        ``where`` is ``environment`` for a variable and ``bot`` for a key of the bot.
        """
        errors = list(self._errors(kind, spec))
        try:
            _language(language)
        except ProviderError as e:
            errors.append(e)
        return [
            Problem("environment" if e.key.isupper() else "bot", e.key, e.message, e.remedy)
            for e in errors
        ]

    def _build(self, kind: Kind, spec: str, **settings: Any) -> Any:
        for error in self._errors(kind, spec):
            raise error
        name, _, model = spec.partition("/")
        entry = PROVIDERS[kind][name]
        access = self._access_of(name, entry)
        module, _, class_name = entry.path.partition(":")
        service = getattr(importlib.import_module(module), class_name)
        arguments = dict(entry.arguments)
        # A server that asks for no key gets a word: the SDKs refuse to send none.
        arguments[entry.key_argument] = (
            access.api_key.get_secret_value() if access.api_key else "none"
        )
        if access.url and entry.url_argument:
            arguments[entry.url_argument] = access.url
        given = {"model": model, **entry.settings, **settings}
        return service(
            settings=service.Settings(**{k: v for k, v in given.items() if v is not None}),
            **arguments,
        )

    def _errors(self, kind: Kind, spec: str) -> Iterator[ProviderError]:
        name, _, model = spec.partition("/")
        entry = PROVIDERS[kind].get(name)
        if not entry:
            allowed = ", ".join(sorted(PROVIDERS[kind]))
            yield ProviderError(
                "unknown_provider",
                f"{name!r} is not one of {allowed}",
                f"Write {kind}: PROVIDER/MODEL with one of them",
                key=kind,
            )
            return
        if not model:
            yield ProviderError(
                "bad_spec",
                f"{spec!r} names no model",
                f"Write {kind}: {name}/MODEL",
                key=kind,
            )
        yield from self._access_errors(name, entry)
        missing = [module for module in entry.modules if not _importable(module)]
        if missing:
            yield ProviderError(
                "missing_extra",
                f"{spec} needs {', '.join(missing)}, which is not installed",
                f"Run pip install 'pipecat-ai[{entry.extra}]'",
                key=kind,
            )

    def _access_errors(self, name: str, entry: Entry) -> Iterator[ProviderError]:
        access = self._access_of(name, entry)
        variable = (entry.access or name).upper().replace("-", "_")
        if entry.key_required and not access.api_key:
            key = f"{variable}_API_KEY"
            yield ProviderError(
                "missing_key",
                f"{name} needs a key",
                f"Set {key} in the environment or in .env",
                key=key,
            )
        if entry.url_required and not access.url:
            key = f"{variable}_BASE_URL"
            yield ProviderError(
                "missing_url", f"{name} has no URL of its own", f"Set {key}", key=key
            )
        if access.url and not entry.url_argument:
            key = f"{variable}_BASE_URL"
            yield ProviderError(
                "no_url",
                f"{name} cannot be reached at another URL",
                f"Unset {key}",
                key=key,
            )

    def _access_of(self, name: str, entry: Entry) -> ProviderAccess:
        return self._access.get(entry.access or name, ProviderAccess())


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _language(code: str | None) -> Language | None:
    if code is None:
        return None
    try:
        return Language(code)
    except ValueError as e:
        raise ProviderError(
            "unknown_language",
            f"{code!r} is no language that Pipecat knows",
            "Write a code such as en, en-US or de-DE",
            key="language",
        ) from e
