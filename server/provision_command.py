"""``switchboard provision``: LiveKit gets the trunks and rules of a file."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from server.livekit_access import LiveKitAccess
from server.provision_checks import telephony_problems
from server.provision_file import read_telephony
from server.provision_livekit import ProvisionError, TelephonyOf
from server.provision_plan import Plan, make_plan
from server.provision_text import plan_json, print_plan
from server.provision_wanted import Wanted, wanted_of
from server.setting_problems import invalid_settings, missing_settings
from server.settings import Settings, load_settings, referable_values
from services.problem import Problem

DONE, FAILED, PROBLEMS, PENDING = 0, 1, 2, 3
"""Exit states: nothing (left) to do; LiveKit failed; the file is wrong; --dry-run found changes."""


def provision(files: Sequence[Path], *, dry_run: bool, prune: bool, as_json: bool) -> int:
    """Shows what has to change in every LiveKit of the settings, and changes it."""
    try:
        settings = load_settings()
    except ValidationError as error:
        return _refuse(list(invalid_settings(error)), as_json)
    found = read_telephony(files, referable_values())
    absent = [p for p in missing_settings(settings) if p.key.startswith("LIVEKIT_")]
    problems = [*absent, *found.problems, *telephony_problems(found.telephony)]
    if problems:
        return _refuse(problems, as_json)
    wanted = wanted_of(found.telephony, agent_name=settings.livekit_agent_name)
    return asyncio.run(_provision_all(settings, wanted, dry_run, prune, as_json))


async def _provision_all(
    settings: Settings, wanted: Wanted, dry_run: bool, prune: bool, as_json: bool
) -> int:
    console = Console(highlight=False)
    states: list[int] = []
    shown: list[object] = []
    for access in LiveKitAccess.all_of(settings):
        try:
            plan = await provision_one(access, wanted, dry_run=dry_run, prune=prune)
        except ProvisionError as error:
            states.append(FAILED)
            shown.append({"livekit": access.url, "error": str(error)})
            print(f"switchboard: {access.url}: {error}", file=sys.stderr)
            continue
        shown.append(plan_json(access.url, plan))
        if not as_json:
            print_plan(console, access.url, plan)
            if plan.changes and not plan.problems:
                console.print("  nothing was changed: --dry-run" if dry_run else "  done")
        if plan.problems:
            states.append(FAILED)
        else:
            states.append(PENDING if dry_run and plan.changes else DONE)
    if as_json:
        print(json.dumps({"dry_run": dry_run, "livekits": shown}, indent=2))
    return FAILED if FAILED in states else max(states)


async def provision_one(
    access: LiveKitAccess, wanted: Wanted, *, dry_run: bool, prune: bool
) -> Plan:
    """Compare one LiveKit with the file and, unless it is a dry run, change it.

    Raises:
        ProvisionError: LiveKit does not answer, or refused a change.
    """
    async with TelephonyOf(access) as telephony:
        existing = await telephony.existing()
        plan = make_plan(wanted, existing, prune=prune)
        if not dry_run and not plan.problems:
            await telephony.apply(plan.changes, existing)
    return plan


def _refuse(problems: Sequence[Problem], as_json: bool) -> int:
    if as_json:
        print(json.dumps({"problems": [asdict(problem) for problem in problems]}, indent=2))
    else:
        for problem in problems:
            place = f"{problem.where}: {problem.key}" if problem.key else problem.where
            print(f"{place}: {problem.message}\n    {problem.remedy}", file=sys.stderr)
        print(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", file=sys.stderr)
    return PROBLEMS
