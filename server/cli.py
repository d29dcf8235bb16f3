"""``switchboard``: the command line."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Command = Callable[[argparse.Namespace, list[str]], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in PASSED_ON:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    command: Command = options.run
    try:
        return command(options, rest)
    except KeyboardInterrupt:
        return 130


class _WideHelp(argparse.HelpFormatter):
    """Help with room for the longest command; argparse would break its line."""

    def add_argument(self, action: argparse.Action) -> None:
        """Count a command with the room that it really takes."""
        super().add_argument(action)
        self._action_max_length += 2


PASSED_ON = frozenset({"demo", "up"})
"""Commands whose further arguments are those of the program they start."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="switchboard",
        description="Telephone bots as Pipecat pipelines on LiveKit SIP.",
        formatter_class=_WideHelp,
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    _add_local(commands)
    _add_serving(commands)
    _add_calling(commands)
    _add_reading(commands)
    _add_bots(commands)
    return parser


def _add_local(commands) -> None:
    for name, text, module in (
        ("demo", "place one simulated call to the receptionist and judge it", "local.demo"),
        ("up", "run everything on this machine: dial it with a softphone", "local.stack"),
    ):
        command = commands.add_parser(name, help=text, add_help=False)
        command.set_defaults(run=_local, module=module)


def _add_serving(commands) -> None:
    serve = commands.add_parser(
        "serve",
        help="take calls from LiveKit",
        description="Takes calls from LiveKit and serves the HTTP API. Settings come from the "
        "environment and .env: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, the providers' "
        "keys and SWITCHBOARD_*. SIGTERM waits for running calls, Ctrl-C ends them politely; "
        "a second signal does not wait.",
    )
    serve.set_defaults(run=_serve)
    check = commands.add_parser(
        "check", help="name every problem of settings, bots, models and ports, with its remedy"
    )
    check.add_argument("--json", action="store_true", help="as a JSON list")
    check.set_defaults(run=_check)
    provision = commands.add_parser(
        "provision",
        help="give LiveKit the trunks and rules of a file",
        description="Compares LiveKit's trunks and dispatch rules with a file and makes the "
        "difference. Exit status: 0 nothing left to do, 1 LiveKit failed, 2 problems in the file, "
        "3 a dry run found changes.",
    )
    provision.add_argument(
        "--file",
        action="append",
        type=Path,
        metavar="FILE",
        help="docker/telephony.yaml unless given; several files count as one",
    )
    provision.add_argument("--dry-run", action="store_true", help="show the difference alone")
    provision.add_argument(
        "--prune", action="store_true", help="delete what this file made and no longer names"
    )
    provision.add_argument("--json", action="store_true", help="as JSON")
    provision.set_defaults(run=_provision)


def _add_calling(commands) -> None:
    call = commands.add_parser(
        "call",
        help="let a bot call a telephone, and follow the call",
        description="Places a call by the running server and follows it to its end. Exit status: "
        "0 answered, 1 failed or not placed, 3 busy, 4 no answer, 5 rejected, 6 invalid number, "
        "7 voicemail, 130 hung up. Ctrl-C hangs up politely, a second one at once.",
    )
    call.add_argument("number", help="whom to call: +, country code and number")
    call.add_argument("--bot", required=True, help="who calls: name of a file in bots/")
    call.add_argument(
        "--var",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the bot's {{ NAME }} stands for; may be repeated",
    )
    call.add_argument("--metadata", help="text or JSON to find in the record")
    call.add_argument("--trunk", help="LiveKit's outbound trunk, by name or id")
    call.add_argument("--caller-id", metavar="NUMBER", help="number to show, one of the trunk's")
    call.add_argument("--ring-secs", type=float, metavar="SECS", help="how long it may ring (30)")
    call.add_argument("--idempotency-key", metavar="KEY", help="repeated, it is the same call")
    call.add_argument("--detach", action="store_true", help="print the call's id and leave")
    call.add_argument("--json", action="store_true", help="print the record as JSON at the end")
    call.set_defaults(run=_call)


def _add_reading(commands) -> None:
    calls = commands.add_parser("calls", help="list calls, or show one")
    calls.add_argument("id", nargs="?", help="a call's id; its first characters are enough")
    calls.add_argument("--limit", type=int, default=20, help="how many (20)")
    calls.add_argument("--json", action="store_true", help="as JSON")
    calls.set_defaults(run=_calls)
    opt_outs = commands.add_parser(
        "opt-outs",
        help="list the numbers that no bot calls, or change the list",
        description="Lists the numbers whose owners do not want to be called, newest first. "
        "A server that runs follows a change at its next call.",
    )
    for option, text in (
        ("--add", "do not call this number; may be repeated"),
        ("--remove", "this number may be called again; may be repeated"),
    ):
        opt_outs.add_argument(option, action="append", default=[], metavar="NUMBER", help=text)
    opt_outs.add_argument("--json", action="store_true", help="as JSON")
    opt_outs.set_defaults(run=_opt_outs)
    tape = commands.add_parser(
        "tape", help="measure a stereo recording: left the caller, right the bot"
    )
    tape.add_argument("file", type=Path, help="a WAV file")
    tape.add_argument("--json", action="store_true", help="as JSON")
    tape.set_defaults(run=_tape)


def _add_bots(commands) -> None:
    talk = commands.add_parser("talk", help="talk to a bot by microphone and speaker")
    talk.add_argument("bot", help="name of a file in bots/")
    talk.add_argument("--phone", action="store_true", help="sound like a telephone: 8 kHz, µ-law")
    talk.set_defaults(run=_talk)
    new = commands.add_parser("new", help="write a bot, its flow, rules and test")
    new.add_argument("bot", help="its name: a-z, 0-9 and _")
    new.set_defaults(run=_new)


# A command imports what it needs itself: `--help` and `calls` must not load the speech models.


def _local(options: argparse.Namespace, rest: list[str]) -> int:
    from server.local_programs import run_local

    return run_local(options.module, rest)


def _serve(_: argparse.Namespace, __: list[str]) -> int:
    from server.serve import serve

    return serve()


def _check(options: argparse.Namespace, _: list[str]) -> int:
    from server.check import check

    return check(as_json=options.json)


def _provision(options: argparse.Namespace, _: list[str]) -> int:
    from server.provision_command import provision

    files = options.file or [Path("docker/telephony.yaml")]
    return provision(files, dry_run=options.dry_run, prune=options.prune, as_json=options.json)


def _call(options: argparse.Namespace, _: list[str]) -> int:
    from server.call_command import call_number

    return call_number(options)


def _calls(options: argparse.Namespace, _: list[str]) -> int:
    from server.call_list import calls

    return calls(options.id, limit=options.limit, as_json=options.json)


def _opt_outs(options: argparse.Namespace, _: list[str]) -> int:
    from server.opt_out_command import opt_outs

    return opt_outs(add=options.add, remove=options.remove, as_json=options.json)


def _tape(options: argparse.Namespace, _: list[str]) -> int:
    from server.tape_command import tape

    return tape(options.file, as_json=options.json)


def _talk(options: argparse.Namespace, _: list[str]) -> int:
    from server.bot_commands import talk_to

    return talk_to(options.bot, phone=options.phone)


def _new(options: argparse.Namespace, _: list[str]) -> int:
    from server.bot_commands import write_new

    return write_new(options.bot)


if __name__ == "__main__":
    sys.exit(main())
