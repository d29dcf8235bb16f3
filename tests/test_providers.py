"""Services by name: what is built, and what is said when one cannot be."""

import importlib.util
import inspect

import pytest
from pipecat.services.tts_service import TextAggregationMode
from pydantic import SecretStr

from services.provider_table import ACCESS_NAMES, PROVIDERS
from services.providers import ProviderAccess, ProviderError, Providers

KEY = SecretStr("local")
ACCESS = {
    "deepgram": ProviderAccess(KEY, "ws://127.0.0.1:9"),
    "openai": ProviderAccess(KEY, "http://127.0.0.1:9/v1"),
    "cartesia": ProviderAccess(KEY, "ws://127.0.0.1:9/tts/websocket"),
    "openai_compatible": ProviderAccess(url="http://127.0.0.1:9/v1"),
    "groq": ProviderAccess(KEY),
    "elevenlabs": ProviderAccess(KEY),
    "assemblyai": ProviderAccess(KEY),
    "azure": ProviderAccess(KEY, "https://127.0.0.1:9/openai/v1"),
}
ENTRIES = [(kind, name) for kind, entries in PROVIDERS.items() for name in entries]


@pytest.fixture
def providers() -> Providers:
    return Providers(ACCESS)


async def test_the_demos_services_are_built_for_their_urls(providers):
    stt = providers.stt("deepgram/nova-3-general", language="en-US")
    llm = providers.llm("openai/gpt-4.1-mini", "Be brief.")
    tts = providers.tts("cartesia/sonic-3", voice="katie", language="en-US")
    assert (stt._settings.model, stt._settings.language) == ("nova-3-general", "en-US")
    assert stt._settings.interim_results is True
    environment = stt._client._client_wrapper.get_environment()
    assert environment.production == "ws://127.0.0.1:9"
    assert (llm._settings.model, llm._settings.system_instruction) == ("gpt-4.1-mini", "Be brief.")
    assert str(llm._client.base_url) == "http://127.0.0.1:9/v1/"
    assert (tts._settings.model, tts._settings.voice) == ("sonic-3", "katie")
    assert tts._url == "ws://127.0.0.1:9/tts/websocket"
    assert tts._text_aggregation_mode == TextAggregationMode.SENTENCE


@pytest.mark.parametrize(
    "kind, spec",
    [
        ("llm", "groq/llama-3.3-70b-versatile"),
        ("llm", "azure/my-deployment"),
        ("llm", "openai-compatible/meta/llama-3"),
        ("stt", "groq/whisper-large-v3"),
        ("stt", "openai/gpt-4o-transcribe"),
        ("stt", "elevenlabs/scribe_v2_realtime"),
        ("stt", "assemblyai/u3-rt-pro"),
        ("tts", "elevenlabs/eleven_flash_v2_5"),
        ("tts", "openai/gpt-4o-mini-tts"),
        ("tts", "deepgram/aura-2"),
    ],
)
async def test_a_service_is_built_from_its_name_without_a_branch(providers, kind, spec):
    build = {"stt": providers.stt, "llm": providers.llm, "tts": providers.tts}[kind]
    extra = {"voice": "v"} if kind == "tts" else {}
    assert providers.problems(kind, spec) == []
    assert build(spec, **extra)._settings.model == spec.partition("/")[2]


@pytest.mark.parametrize(
    "kind, spec, code, text",
    [
        (
            "llm",
            "nope/x",
            "unknown_provider",
            "'nope' is not one of anthropic, azure",
        ),
        ("stt", "deepgram", "bad_spec", "Write stt: deepgram/MODEL"),
        ("llm", "google/gemini-2.5-flash", "missing_key", "Set GOOGLE_API_KEY"),
    ],
)
async def test_what_is_missing_is_named_with_its_remedy(providers, kind, spec, code, text):
    with pytest.raises(ProviderError, match=text) as error:
        {"stt": providers.stt, "llm": providers.llm}[kind](spec)
    assert error.value.code == code
    assert providers.problems(kind, spec)[0].message in str(error.value)


async def test_all_problems_of_a_service_come_at_once(providers):
    if importlib.util.find_spec("anthropic"):
        pytest.skip("the anthropic package is installed")
    bare = Providers({"anthropic": ProviderAccess(url="http://127.0.0.1:9")})
    problems = bare.problems("llm", "anthropic/claude-sonnet-4-5")
    assert [(p.where, p.key) for p in problems] == [
        ("environment", "ANTHROPIC_API_KEY"),
        ("environment", "ANTHROPIC_BASE_URL"),
        ("bot", "llm"),
    ]
    assert problems[-1].remedy == "Run pip install 'pipecat-ai[anthropic]'"


def test_a_language_nobody_speaks_is_a_problem(providers):
    (problem,) = providers.problems("stt", "deepgram/nova-3", language="klingon")
    assert problem.key == "language" and "'klingon'" in problem.message


@pytest.mark.parametrize("kind, name", ENTRIES)
def test_every_entry_of_the_table_fits_the_installed_class(kind, name):
    entry = PROVIDERS[kind][name]
    module, _, class_name = entry.path.partition(":")
    try:
        service = getattr(importlib.import_module(module), class_name)
    except ImportError:
        assert entry.extra, f"{name} needs an extra that the table does not name"
        return
    taken = set()
    for base in service.__mro__:
        if "__init__" in vars(base):
            taken |= set(inspect.signature(base.__init__).parameters)
    assert {entry.key_argument, "settings", *entry.arguments} <= taken
    assert entry.url_argument is None or entry.url_argument in taken


def test_every_provider_has_a_name_for_its_key():
    assert {"deepgram", "openai", "cartesia", "openai_compatible"} <= set(ACCESS_NAMES)
    assert all("-" not in name for name in ACCESS_NAMES)


def test_a_key_is_not_shown():
    assert "local" not in repr(ACCESS["deepgram"])
