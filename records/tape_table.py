"""Shows a tape's report: as text for people, as JSON for programs."""

from collections.abc import Iterator

from records.percentiles import Percentiles
from records.tape_report import TapeReport


def to_text(report: TapeReport) -> list[str]:
    """Lay the report out in lines: the call from top to bottom, then the figures."""
    lines = [f"{'from':>9} {'to':>9}  who"]
    lines += [f"{start:9.3f} {end:9.3f}  {what}" for start, end, what in sorted(_rows(report))]
    lines += [""]
    lines += [_figures("heard", report.heard, "turn", "answered")]
    lines += [_figures("fell silent", report.fell_silent, "interruption", "")]
    dead = sum(span.end - span.start for span in report.dead_air)
    return [
        *lines,
        f"{'dead air':<12} {dead:.3f} s in {len(report.dead_air)}",
        f"{'both spoke':<12} {report.overlap_secs:.3f} s",
        f"{'recording':<12} {report.duration_secs:.3f} s at {report.rate_hz} Hz{_noise(report)}",
    ]


def to_json(report: TapeReport) -> str:
    """The whole report, indented."""
    return report.model_dump_json(indent=2)


def _rows(report: TapeReport) -> Iterator[tuple[float, float, str]]:
    heard = {turn.bot_started_at: turn.heard_secs for turn in report.turns}
    silenced = {i.caller_started_at: i.secs for i in report.interruptions}
    ignored = {span.start for span in report.talked_over}
    for span in report.bot_spans:
        note = f", heard after {heard[span.start]:.3f} s" if span.start in heard else ""
        yield span.start, span.end, f"bot{note}"
    for span in report.caller_spans:
        note = ", the bot talked on" if span.start in ignored else ""
        if span.start in silenced:
            note = f", bot silent after {silenced[span.start]:.3f} s"
        yield span.start, span.end, f"caller{note}"
    for span in report.dead_air:
        yield span.start, span.end, f"dead air, {span.end - span.start:.3f} s"


def _figures(name: str, secs: Percentiles | None, one: str, done: str) -> str:
    if secs is None:
        return f"{name:<12} no {one}{' ' + done if done else ''}"
    count = f"{secs.count} {one}{'s' if secs.count > 1 else ''}"
    return f"{name:<12} median {secs.p50:.3f}  p95 {secs.p95:.3f}  max {secs.max:.3f} s  ({count})"


def _noise(report: TapeReport) -> str:
    sides = (("caller", report.caller_noise_dbfs), ("bot", report.bot_noise_dbfs))
    return "".join(
        f", noise of the {who} {dbfs:.0f} dBFS" for who, dbfs in sides if dbfs is not None
    )
