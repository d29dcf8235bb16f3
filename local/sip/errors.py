"""What can go wrong on the line."""


class SipParseError(ValueError):
    """A datagram, header, URI or SDP body that is not what its RFC says."""


class SipCallError(Exception):
    """A call or a request in it failed.

    Parameters:
        status: SIP status code; 408 when nobody answered in time, 0 when the call ended before.
        phrase: Reason phrase of the far end, or what happened.
    """

    def __init__(self, status: int, phrase: str):
        super().__init__(f"{status} {phrase}".strip())
        self.status = status
        self.phrase = phrase

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later: 408, 480, 486, 491, 503 and the like."""
        return self.status in (408, 480, 486, 491, 500, 503, 504, 600)
