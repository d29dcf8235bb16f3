"""Observers that share a task see what they would see alone."""

from loguru import logger
from pipecat.frames.frames import Frame, TextFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.tests.utils import run_test

from processors.observer_group import ObserverGroup, grouped


class Watcher(BaseObserver):
    def __init__(self, *, fails: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.seen: list[str] = []
        self.is_set_up = self.is_over = False
        self._fails = fails

    async def setup(self, task_manager):
        await super().setup(task_manager)
        self.is_set_up = True

    async def on_push_frame(self, data: FramePushed):
        if isinstance(data.frame, TextFrame):
            self.seen.append(data.frame.text)
            if self._fails:
                raise RuntimeError("no eyes")

    async def cleanup(self):
        await super().cleanup()
        self.is_over = True
        if self._fails:
            raise RuntimeError("no end")


async def watched(*watchers: BaseObserver) -> None:
    frames: list[Frame] = [TextFrame("one"), TextFrame("two")]
    await run_test(IdentityFilter(), frames_to_send=frames, observers=grouped(watchers))


async def test_each_sees_a_frame_once_from_setup_to_cleanup():
    watchers = [Watcher(observe_every_push=False) for _ in range(2)]
    await watched(*watchers)
    for watcher in watchers:
        assert (watcher.is_set_up, watcher.seen, watcher.is_over) == (True, ["one", "two"], True)


async def test_one_that_fails_is_logged_and_the_others_see_everything():
    said: list[str] = []
    sink = logger.add(said.append, level="ERROR", diagnose=False)
    failing, other = (
        Watcher(fails=True, observe_every_push=False),
        Watcher(observe_every_push=False),
    )
    await watched(failing, other)
    logger.remove(sink)
    assert other.seen == failing.seen == ["one", "two"]
    assert other.is_over
    log = "".join(said)
    assert "no eyes" in log and "no end" in log
    assert "one" not in log.split("Traceback")[0], "a frame's text may be a secret"


async def test_who_wants_every_push_stays_alone():
    eager, patient = Watcher(), Watcher(observe_every_push=False)
    await watched(eager, patient)
    assert eager.seen.count("one") > 1 and patient.seen == ["one", "two"]
    assert [type(o) for o in grouped([eager, patient])] == [ObserverGroup, Watcher]
