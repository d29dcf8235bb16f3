"""What a simulated caller made of its call: passed or not, what was heard, how fast."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from records.tape import TapeReport

Who = Literal["caller", "bot", "human", "line"]


@dataclass(frozen=True)
class Finding:
    """One thing the caller looked at.

    Parameters:
        step: Number of the scenario's step, from 1; 0 is the call itself.
        passed: Whether it was as it should be.
        text: What, in a sentence.
    """

    step: int
    passed: bool
    text: str


@dataclass(frozen=True)
class Line:
    """Something said on the call, by the caller's own clock.

    Parameters:
        who: Who spoke; to a person at a desk the far end, bot and caller, is the ``line``.
        began_secs: First audible sample, seconds since the answer.
        ended_secs: Last audible sample, seconds since the answer.
        text: What the person said, or what it recognised.
    """

    who: Who
    began_secs: float
    ended_secs: float
    text: str


@dataclass
class CallReport:
    """One simulated call.

    Parameters:
        scenario: Its name.
        sip_call_id: Call-ID of the INVITE; leads to the call's record.
        answer_secs: INVITE to 200; None if it was never answered.
        first_audio_secs: 200 to the bot's first audible sample.
        ended_by: ``local`` (the caller), ``remote`` or ``timeout``.
        end_status: SIP status of a refused call.
        secs: Answer to end.
        lost_packets: RTP packets that never came.
        findings: Everything looked at, in order.
        lines: Everything said, in order of its beginning.
        tape: What the caller's own recording shows; None without an answer.
        tape_path: Where that recording lies.
        music: Stretches of music heard: begin and end, seconds since the answer.
    """

    scenario: str
    sip_call_id: str = ""
    answer_secs: float | None = None
    first_audio_secs: float | None = None
    ended_by: str = ""
    end_status: int | None = None
    secs: float = 0.0
    lost_packets: int = 0
    findings: list[Finding] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    tape: TapeReport | None = None
    tape_path: str | None = None
    music: list[tuple[float, float]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the call was as the scenario wants it."""
        return all(finding.passed for finding in self.findings)

    @property
    def failures(self) -> list[str]:
        """Sentences of what was not."""
        return [f"step {f.step}: {f.text}" for f in self.findings if not f.passed]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        tape = self.tape.model_dump(mode="json") if self.tape else None
        plain = {key: value for key, value in self.__dict__.items() if key != "tape"}
        plain["findings"] = [asdict(finding) for finding in self.findings]
        plain["lines"] = [asdict(line) for line in self.lines]
        return {"passed": self.passed, **plain, "tape": tape}
