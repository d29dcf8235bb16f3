"""Which class speaks to which provider, and what it needs. Data only: no branch asks for a name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipecat.services.tts_service import TextAggregationMode

Kind = Literal["stt", "llm", "tts"]


@dataclass(frozen=True)
class Entry:
    """How to build one provider's service.

    Parameters:
        path: ``module:Class`` of Pipecat's service.
        extra: The ``pipecat-ai`` extra that brings ``modules``; empty if always installed.
        modules: What must be importable besides Pipecat.
        access: Whose key and URL; empty means the provider's own name.
        key_argument: Constructor argument that takes the key.
        key_required: Whether the service is useless without a key.
        url_argument: Constructor argument that takes the URL; None if the URL is fixed.
        url_required: Whether there is no URL of its own.
        arguments: Further constructor arguments.
        settings: Further fields of the service's ``Settings``.
    """

    path: str
    extra: str = ""
    modules: tuple[str, ...] = ()
    access: str = ""
    key_argument: str = "api_key"
    key_required: bool = True
    url_argument: str | None = None
    url_required: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


_SERVICES = "pipecat.services"
_AZURE_SPEECH = ("azure.cognitiveservices.speech",)
# A sentence at a time: word by word is slower with every model but the quickest, and the melody of
# a sentence is better when its end is known.
_BY_SENTENCE = {"text_aggregation_mode": TextAggregationMode.SENTENCE}

PROVIDERS: Mapping[Kind, Mapping[str, Entry]] = {
    "stt": {
        "assemblyai": Entry(
            f"{_SERVICES}.assemblyai.stt:AssemblyAISTTService",
            url_argument="api_endpoint_base_url",
        ),
        "azure": Entry(
            f"{_SERVICES}.azure.stt:AzureSTTService",
            extra="azure",
            modules=_AZURE_SPEECH,
            access="azure_speech",
            url_argument="private_endpoint",
            url_required=True,
        ),
        "deepgram": Entry(
            f"{_SERVICES}.deepgram.stt:DeepgramSTTService",
            extra="deepgram",
            modules=("deepgram",),
            url_argument="base_url",
            settings={"interim_results": True},
        ),
        "elevenlabs": Entry(
            f"{_SERVICES}.elevenlabs.stt:ElevenLabsRealtimeSTTService", url_argument="base_url"
        ),
        "google": Entry(
            f"{_SERVICES}.google.stt:GoogleSTTService",
            extra="google",
            modules=("google.cloud.speech_v2",),
            access="google_speech",
            key_argument="credentials",
        ),
        "groq": Entry(f"{_SERVICES}.groq.stt:GroqSTTService", url_argument="base_url"),
        "openai": Entry(f"{_SERVICES}.openai.stt:OpenAISTTService", url_argument="base_url"),
    },
    "llm": {
        "anthropic": Entry(
            f"{_SERVICES}.anthropic.llm:AnthropicLLMService",
            extra="anthropic",
            modules=("anthropic",),
        ),
        "azure": Entry(
            f"{_SERVICES}.azure.llm:AzureLLMService", url_argument="endpoint", url_required=True
        ),
        "google": Entry(
            f"{_SERVICES}.google.llm:GoogleLLMService", extra="google", modules=("google.genai",)
        ),
        "groq": Entry(f"{_SERVICES}.groq.llm:GroqLLMService", url_argument="base_url"),
        "openai": Entry(f"{_SERVICES}.openai.llm:OpenAILLMService", url_argument="base_url"),
        "openai-compatible": Entry(
            f"{_SERVICES}.openai.llm:OpenAILLMService",
            access="openai_compatible",
            key_required=False,
            url_argument="base_url",
            url_required=True,
        ),
    },
    "tts": {
        "azure": Entry(
            f"{_SERVICES}.azure.tts:AzureTTSService",
            extra="azure",
            modules=_AZURE_SPEECH,
            access="azure_speech",
            url_argument="private_endpoint",
            url_required=True,
        ),
        "cartesia": Entry(
            f"{_SERVICES}.cartesia.tts:CartesiaTTSService",
            url_argument="url",
            arguments=_BY_SENTENCE,
        ),
        "deepgram": Entry(f"{_SERVICES}.deepgram.tts:DeepgramTTSService", url_argument="base_url"),
        "elevenlabs": Entry(
            f"{_SERVICES}.elevenlabs.tts:ElevenLabsTTSService",
            url_argument="url",
            arguments=_BY_SENTENCE,
        ),
        "google": Entry(
            f"{_SERVICES}.google.tts:GoogleTTSService",
            extra="google",
            modules=("google.cloud.texttospeech_v1", "google.genai"),
            access="google_speech",
            key_argument="credentials",
        ),
        "openai": Entry(f"{_SERVICES}.openai.tts:OpenAITTSService", url_argument="base_url"),
    },
}

ACCESS_NAMES: tuple[str, ...] = tuple(
    sorted({e.access or name for kind in PROVIDERS.values() for name, e in kind.items()})
)
"""Whose keys and URLs there are: ``NAME_API_KEY`` and ``NAME_BASE_URL`` in the environment."""
