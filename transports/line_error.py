"""What went wrong on the line, for who has to decide what happens to the call."""


class LineError(Exception):
    """The line to the caller could not be opened or used.

    ``code`` is one of ``cannot_connect``, ``no_caller``, ``caller_left``, ``room_closed``,
    ``not_joined``, ``cannot_publish``, ``no_audio_extra``, ``no_audio_device``,
    ``audio_device_lost``, ``no_trunk``, ``livekit_unreachable``, ``livekit_refused``.

    Parameters:
        code: The kind of failure, stable for programs.
        message: One sentence with what to do about it.
        retryable: Whether the same attempt may work later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False):
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
