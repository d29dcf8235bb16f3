"""What a call came to: turns, times, outcome, and where everything lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from local.callers.report import CallReport


@dataclass(frozen=True)
class Verdict:
    """Whether the call was right, and what was not.

    Parameters:
        failures: Sentences; empty if all was right.
    """

    failures: Sequence[str]

    @property
    def passed(self) -> bool:
        """Whether the demo may end with 0."""
        return not self.failures


def judge(
    reports: Sequence[CallReport], records: Sequence[dict[str, Any]], outcome: str | None
) -> Verdict:
    """What everybody heard, the outcome, and exactly one record."""
    failures = [f"{report.scenario}: {text}" for report in reports for text in report.failures]
    if len(records) != 1:
        failures.append(f"{len(records)} records of the call instead of one")
    for record in records:
        if outcome and record["outcome"] != outcome:
            failures.append(f"outcome {record['outcome']} instead of {outcome}")
        failures += [f"error in {e['source']}: {e['message']}" for e in record["errors"]]
        if not record["recording"]:
            failures.append("the call has no recording")
    return Verdict(failures)


def show_summary(
    console: Console,
    reports: Sequence[CallReport],
    record: dict[str, Any] | None,
    verdict: Verdict,
) -> None:
    """Print turns, times and places.

    Args:
        console: Where to.
        reports: Of the caller and, if there was one, of the human at the desk.
        record: The call's record, if it was found.
        verdict: Whether all was right.
    """
    if record:
        console.print(_turns(record))
    for sentence in [*_figures(reports[0], record), *_at_the_desk(reports)]:
        console.print(f"  {sentence}", highlight=False, markup=False)
    for failure in verdict.failures:
        console.print(f"  ✗ {failure}", style="red", highlight=False, markup=False)
    if verdict.passed:
        counts = [sum(finding.passed for finding in report.findings) for report in reports]
        human = f", the human all {counts[1]}" if len(counts) > 1 else ""
        text = f"✓ the caller heard all {counts[0]} things it expected{human}; "
        text += "one record, outcome as expected"
        console.print(f"  {text}", style="bold green", highlight=False)


def _turns(record: dict[str, Any]) -> Table:
    table = Table(title="turns", title_justify="left", box=None, padding=(0, 1), expand=True)
    table.add_column("#", justify="right", style="dim")
    table.add_column("caller, as recognised", ratio=4, no_wrap=True, overflow="ellipsis")
    table.add_column("bot, as played", ratio=5, no_wrap=True, overflow="ellipsis")
    table.add_column("tools", ratio=2, style="magenta", no_wrap=True, overflow="ellipsis")
    table.add_column("heard", justify="right", style="bold yellow")
    table.add_column("traced", justify="right", style="yellow")
    for turn in record["turns"]:
        table.add_row(
            str(turn["number"] or ""),
            turn["caller_text"],
            turn["bot_text"] + (" …" if turn["interrupted"] else ""),
            ", ".join(turn["tools"]),
            _secs(turn["heard_secs"]),
            _secs(turn["traced_secs"]),
        )
    return table


def _figures(report: CallReport, record: dict[str, Any] | None) -> list[str]:
    sentences: list[str] = []
    if report.answer_secs is not None:
        greeting = report.first_audio_secs
        sentences.append(
            f"answered {report.answer_secs * 1000:.0f} ms after the INVITE"
            + (f", greeting {greeting * 1000:.0f} ms later" if greeting is not None else "")
            + f"; {report.secs:.1f} s, {report.lost_packets} packets lost"
        )
    if report.tape:
        heard = sorted(turn.heard_secs for turn in report.tape.turns)
        if heard:
            sentences.append(
                f"answers heard on the caller's tape: median {heard[len(heard) // 2]:.2f} s, "
                f"longest {heard[-1]:.2f} s"
            )
        for stop in report.tape.interruptions:
            sentences.append(
                f"interrupted at {stop.caller_started_at:.1f} s: "
                f"the bot was silent {stop.secs * 1000:.0f} ms later"
            )
    if record:
        sentences.append(f"outcome   {record['outcome']} ({record['reason'] or 'no reason given'})")
        sentences.append(f"record    {record['call_id']}")
        sentences.append(f"recording {record['recording']}")
    if report.tape_path:
        sentences.append(f"caller's own tape {report.tape_path}")
    return sentences


def _at_the_desk(reports: Sequence[CallReport]) -> list[str]:
    sentences: list[str] = []
    for caller, human in zip(reports, reports[1:], strict=False):
        if caller.music:
            began, ended = caller.music[0][0], caller.music[-1][1]
            sentences.append(f"hold music from {began:.1f} s to {ended:.1f} s")
        spoken = " · ".join(line.text for line in human.lines if line.who == "line")
        sentences.append(f"the human heard: {spoken}")
        if human.tape_path:
            sentences.append(f"human's own tape {human.tape_path}")
    return sentences


def _secs(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"
