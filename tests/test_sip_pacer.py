"""Speech leaves on a 20 ms grid, and its sender knows when it was heard."""

import asyncio
import threading

import numpy as np
import pytest

from local.sip.pacer import PacedSender, Playback


class Ear:
    """Stands where the session stands: keeps what is sent."""

    def __init__(self):
        self.frames: list[np.ndarray] = []
        self.sent = threading.Event()

    def send(self, pcm: np.ndarray) -> None:
        self.frames.append(pcm)
        self.sent.set()


def tone(frames: float) -> np.ndarray:
    return np.full(int(frames * 160), 1000, np.int16)


def sender_of(ear: Ear, source=None) -> PacedSender:
    return PacedSender(ear, source)  # pyright: ignore[reportArgumentType]


def test_the_audible_span_is_told_to_the_sample():
    pcm = np.concatenate([np.zeros(240, np.int16), tone(1), np.zeros(100, np.int16)])
    playback = Playback(pcm)
    frames = [playback.next_frame(10.0 + i * 0.02) for i in range(5)]
    assert [f is not None for f in frames] == [True, True, True, True, False]
    assert playback.first_audible_at == pytest.approx(10.0 + 240 / 8000)
    assert playback.last_audible_at == pytest.approx(10.0 + 399 / 8000)


def test_what_cannot_be_heard_has_no_span():
    playback = Playback(np.zeros(160, np.int16))
    playback.next_frame(1.0)
    assert (playback.first_audible_at, playback.last_audible_at) == (None, None)


def test_the_grid_is_absolute_whatever_the_lateness():
    ear = Ear()
    sender = sender_of(ear)
    sender._due = 100.0
    assert sender.tick(100.015) == pytest.approx(100.02)
    assert sender.tick(100.07) == pytest.approx(100.04)
    assert list(sender.lateness) == pytest.approx([0.015, 0.05])
    assert all(not frame.any() for frame in ear.frames)


def test_one_utterance_follows_the_other_and_then_the_source_speaks():
    ear = Ear()
    sender = sender_of(ear, source=lambda: np.full(160, 7, np.int16))
    first, second = sender.play(tone(1.5)), sender.play(tone(1) * 2)
    for i in range(5):
        sender.tick(i * 0.02)
    assert [int(frame[0]) for frame in ear.frames] == [1000, 1000, 2000, 7, 7]
    assert not ear.frames[1][80:].any()
    assert first.done and second.done and not second.interrupted


def test_a_flush_cuts_what_is_said_and_forgets_what_waits():
    ear = Ear()
    sender = sender_of(ear)
    said, waiting = sender.play(tone(10)), sender.play(tone(10))
    sender.tick(0.0)
    sender.flush()
    sender.tick(0.02)
    assert said.interrupted and waiting.interrupted and said.done and waiting.done
    assert said.last_audible_at is not None and said.first_audible_at == 0.0
    assert waiting.first_audible_at is None and not ear.frames[1].any()


def test_an_utterance_is_over_once_its_last_frame_has_left():
    done_at_send: list[bool] = []
    ear = Ear()
    ear.send = lambda pcm: done_at_send.append(playback.done)
    sender = sender_of(ear)
    playback = sender.play(tone(2))
    sender.tick(0.0)
    sender.tick(0.02)
    assert done_at_send == [False, False] and playback.done


async def test_an_utterance_is_awaited_until_its_last_frame_has_left():
    ear = Ear()
    sender = sender_of(ear)
    sender.start()
    sender.start()
    playback = sender.play(tone(3))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await playback
    async with asyncio.timeout(2):
        assert await playback is playback
    sender.stop()
    assert sum(bool(frame.any()) for frame in ear.frames) == 3


async def test_the_thread_lives_no_longer_than_its_senders():
    def pacers() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name == "rtp-pacer"]

    ear = Ear()
    sender = sender_of(ear)
    sender.start()
    (thread,) = pacers()
    sender.stop()
    await asyncio.to_thread(thread.join, 1.0)
    assert pacers() == []
    again = sender_of(ear)
    again.start()
    ear.sent.clear()
    assert await asyncio.to_thread(ear.sent.wait, 1.0)
    again.stop()


async def test_a_broken_source_silences_its_own_call_only():
    def broken() -> np.ndarray:
        raise RuntimeError("no audio")

    good, bad = Ear(), Ear()
    senders = [sender_of(bad, broken), sender_of(good)]
    lost = senders[0].play(tone(1))
    for sender in senders:
        sender.start()
    async with asyncio.timeout(2):
        await lost
        await senders[1].play(tone(3))
    for sender in senders:
        sender.stop()
    assert len(bad.frames) == 1 and len(good.frames) >= 3
