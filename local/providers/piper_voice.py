"""The Piper voice, spoken in windows: the first sound after a fraction of the sentence.

piper-tts is GPL-3.0. It is imported here only, and this runs in a process of its own.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from local.providers.onnx_split import split_voice
from local.providers.speech_edges import Mark, to_pcm, trim_lead, trim_tail, word_times
from local.providers.voice_pool import Piece, SynthesisError

# A frame is 256 samples, 11.6 ms. With these frames on each side a window gives what all would.
_FLOW_MARGIN, _SOUND_MARGIN = 32, 12
_FIRST_FRAMES, _MOST_FRAMES = 40, 160
_LENGTH_SCALE = 1.1
# One gain for all: the package normalises each piece, which makes every sentence another loudness.
_GAIN = 1.3


class PiperVoice:
    """One voice; its onnxruntime sessions may be used from several threads, one thread a run."""

    name = "piper"

    def __init__(self, model: Path):
        """Load the voice.

        Raises:
            ImportError: If piper-tts is not installed.
            OSError: If the voice's files are not there.
        """
        import onnxruntime
        from piper import PiperVoice as Phonemizer
        from piper.config import PiperConfig

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        voice = split_voice(model.read_bytes())
        providers = ["CPUExecutionProvider"]
        self._front = onnxruntime.InferenceSession(voice.front, options, providers)
        self._flow = onnxruntime.InferenceSession(voice.flow, options, providers)
        self._back = onnxruntime.InferenceSession(voice.back, options, providers)
        self._parts = voice
        self._config = PiperConfig.from_dict(json.loads(Path(f"{model}.json").read_text()))
        self._phonemizer = Phonemizer(config=self._config, session=self._front)

    def pieces(self, text: str, rate_hz: int, speed: float, *, last: bool) -> Iterator[Piece]:
        """Audio of a sentence, first a short piece, then growing ones."""
        try:
            for phonemes in self._phonemizer.phonemize(text):
                if phonemes:
                    yield from self._sentence(text, phonemes, rate_hz, speed, last)
        except (RuntimeError, ValueError) as error:
            raise SynthesisError(f"Piper cannot speak this text: {error}") from error

    def _sentence(
        self, text: str, phonemes: list[str], rate_hz: int, speed: float, last: bool
    ) -> Iterator[Piece]:
        source_hz, hop = self._config.sample_rate, self._config.hop_length
        prior, marks = self._text_to_prior(phonemes, speed)
        latent = prior[:, :, :0]
        frames = prior.shape[2]
        resampler = soxr.ResampleStream(source_hz, rate_hz, 1, dtype="float32")
        at, width = 0, _FIRST_FRAMES
        offset_secs: float | None = None
        while at < frames:
            until = min(frames, at + width)
            needed = min(frames, until + _SOUND_MARGIN)
            if latent.shape[2] < needed:  # only so much before the first sound, then all the rest
                latent = self._more_latent(prior, latent, needed if at == 0 else frames)
            sound = self._latent_to_sound(latent, at, until)
            at, width = until, min(_MOST_FRAMES, width * 2)
            words, starts, ends = [], [], []
            if offset_secs is None:
                sound, offset_secs = trim_lead(sound, source_hz)
                if offset_secs is None:
                    continue
                words = text.split()
                total_secs = frames * hop / source_hz - offset_secs
                starts, ends = word_times(words, marks, offset_secs, total_secs)
            if at == frames:
                sound = trim_tail(sound, source_hz, last=last)
            sound = np.clip(sound, -1, 1).astype(np.float32)
            if rate_hz != source_hz:
                sound = resampler.resample_chunk(sound, last=at == frames)
            yield Piece(to_pcm(sound), len(sound) / rate_hz, words, starts, ends)

    def _text_to_prior(self, phonemes: list[str], speed: float) -> tuple[np.ndarray, list[Mark]]:
        config = self._config
        ids = self._phonemizer.phonemes_to_ids(phonemes)
        # Without noise the same words sound the same on every call, so that a call can be repeated.
        scales = [0.0, _LENGTH_SCALE / speed, 0.0]
        feed = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        wanted = [self._parts.prior, self._parts.durations]
        prior, durations = self._front.run(wanted, feed)
        seconds = np.asarray(durations).reshape(-1) * config.hop_length / config.sample_rate
        return np.asarray(prior), self._marks(phonemes, seconds)

    def _more_latent(self, prior: np.ndarray, latent: np.ndarray, until: int) -> np.ndarray:
        """``latent`` continued up to the frame ``until``."""
        at = latent.shape[2]
        low, high = max(0, at - _FLOW_MARGIN), min(prior.shape[2], until + _FLOW_MARGIN)
        window = np.ascontiguousarray(prior[:, :, low:high])
        mask = np.ones((1, 1, high - low), np.float32)
        feed = {self._parts.prior: window, self._parts.mask: mask}
        more = np.asarray(self._flow.run(None, feed)[0])[:, :, at - low : until - low]
        return np.concatenate([latent, more], axis=2)

    def _latent_to_sound(self, latent: np.ndarray, at: int, until: int) -> np.ndarray:
        hop = self._config.hop_length
        low, high = max(0, at - _SOUND_MARGIN), min(latent.shape[2], until + _SOUND_MARGIN)
        window = np.ascontiguousarray(latent[:, :, low:high])
        sound = np.asarray(self._back.run(None, {self._parts.latent: window})[0]).reshape(-1)
        return sound[(at - low) * hop : (until - low) * hop] * _GAIN

    def _marks(self, phonemes: list[str], seconds: np.ndarray) -> list[Mark]:
        """When each phoneme sounds; nothing when the counts do not match."""
        table = self._config.phoneme_id_map
        padding = len(table["_"])
        marks: list[Mark] = []
        index, at = 0, 0.0
        for phoneme in ["^", *phonemes, "$"]:
            if phoneme in table:
                count = len(table[phoneme]) + (padding if phoneme != "$" else 0)
                length = float(seconds[index : index + count].sum())
                marks.append(Mark(phoneme, at, at + length))
                index, at = index + count, at + length
        return marks if index == len(seconds) else []
