"""Notices audio that stands in a queue and will never get through by itself."""

from collections import deque

WINDOW_CHUNKS = 50
KEEP_SECS = 0.005


class StandingAudio:
    """Says when to drop a chunk, so that a live source keeps up with the present.

    What comes in as fast as it goes out keeps whatever a stall or the jitter of the start left in
    the queue. The shortest queue of the last second is what nobody needs.
    """

    def __init__(self):
        self._queued: deque[float] = deque(maxlen=WINDOW_CHUNKS)
        self._surplus_secs = 0.0

    def is_surplus(self, queued_secs: float, chunk_secs: float) -> bool:
        """Whether to drop the next chunk.

        Args:
            queued_secs: What is queued before it.
            chunk_secs: How long it is.
        """
        self._queued.append(queued_secs)
        if len(self._queued) == WINDOW_CHUNKS:
            self._surplus_secs = min(self._queued) - KEEP_SECS
            self._queued.clear()
        if self._surplus_secs < chunk_secs:
            return False
        self._surplus_secs -= chunk_secs
        return True
