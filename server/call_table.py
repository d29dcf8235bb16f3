"""Calls as text for people."""

from collections.abc import Iterable, Iterator, Sequence

from records.call_record import CallRecord
from records.dial import Dial
from records.percentiles import Percentiles


def calls_table(records: Sequence[CallRecord]) -> Iterator[str]:
    """A line a call."""
    if not records:
        yield "no calls yet"
        return
    yield f"{'id':<18}{'started':<21}{'bot':<14}{'caller':<16}{'secs':>6}  {'turns':>5}  outcome"
    for record in records:
        secs = "" if record.duration_secs is None else f"{record.duration_secs:.0f}"
        turns = sum(turn.number > 0 for turn in record.turns)
        yield (
            f"{record.call_id:<18}{record.started_at.astimezone():%Y-%m-%d %H:%M:%S}  "
            f"{record.bot or '-':<14}{record.caller or '-':<16}{secs:>6}  {turns:>5}  "
            f"{record.outcome or 'running'}"
        )


def call_text(record: CallRecord) -> Iterator[str]:
    """Everything a person asks of one call."""
    yield f"call       {record.call_id}, {record.direction}, room {record.room}"
    if record.direction == "outbound":
        yield f"who        {record.bot or 'no bot'} called {record.dialled or '?'}"
    else:
        who = f"{record.caller or '?'} dialled {record.dialled or '?'}"
        yield f"who        {who}: {record.bot or 'no bot'}"
    yield f"started    {record.started_at.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    if record.duration_secs is not None:
        yield f"lasted     {record.duration_secs:.1f} s"
    reason = f" ({record.reason})" if record.reason else ""
    yield f"outcome    {record.outcome or 'running'}{reason}"
    if record.dial:
        yield f"dialled    {', '.join(_dialled(record.dial))}"
    for name, value in record.results.items():
        yield f"result     {name}: {value}"
    yield f"traced     {_figures(record.latency_traced)}"
    yield f"heard      {_figures(record.latency_heard)}"
    yield f"recording  {record.recording or 'none'}"
    for error in record.errors:
        yield f"error      at {error.at_secs:.1f} s, {error.source}: {error.message}"
    for tool in record.tools:
        secs = "" if tool.secs is None else f", {tool.secs:.2f} s"
        yield f"tool       at {tool.at_secs:.1f} s, {tool.name}{secs}{_failed(tool.error)}"
    if record.keys:
        yield f"keys       {record.keys}"
    yield ""
    for turn in record.turns:
        if turn.caller_text:
            yield f"{turn.at_secs:7.1f}  caller  {turn.caller_text}"
        if turn.bot_text:
            cut = " [interrupted]" if turn.interrupted else ""
            yield f"{_heard(turn.heard_secs):>7}  bot     {turn.bot_text}{cut}"


def print_lines(lines: Iterable[str]) -> None:
    """Prints them."""
    for line in lines:
        print(line)


def _dialled(dial: Dial) -> Iterator[str]:
    yield (dial.outcome or "ringing").replace("_", " ")
    if dial.sip_code:
        yield f"{dial.sip_code} {dial.sip_status}".strip()
    if dial.rang_after_secs is not None:
        yield f"rang after {dial.rang_after_secs:.1f} s"
    if dial.attempt > 1:
        yield f"attempt {dial.attempt}"
    if dial.retry_after_secs:
        yield f"worth another in {dial.retry_after_secs} s"


def _figures(secs: Percentiles | None) -> str:
    if secs is None:
        return "no turn measured"
    return f"median {secs.p50:.3f}, p95 {secs.p95:.3f}, p99 {secs.p99:.3f} s ({secs.count} turns)"


def _failed(error: str | None) -> str:
    return f", failed: {error}" if error else ""


def _heard(secs: float | None) -> str:
    return "" if secs is None else f"+{secs:.2f}"
