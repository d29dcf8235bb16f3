"""``GET`` and ``POST /control/faults``: which faults are in force, and what they did."""

import json

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from local.providers.fault_rules import KINDS, FaultRule
from local.providers.faults import Faults

_RULES = TypeAdapter(list[FaultRule])


class FaultControl:
    """The control API; it listens wherever the providers do, so keep them on loopback."""

    def __init__(self, faults: Faults):
        """Initialize with the faults to control."""
        self._faults = faults

    async def show(self, request: web.Request) -> web.Response:
        """Rules, kinds, counters, and the last delays in ms."""
        faults = self._faults
        return web.json_response(
            {
                "rules": [rule.model_dump() for rule in faults.rules],
                "kinds": KINDS,
                "served": faults.served,
                "fired": faults.fired,
                "delays_ms": list(faults.delays_ms),
            }
        )

    async def replace(self, request: web.Request) -> web.Response:
        """Put the posted list in force; an empty list ends all faults. Counters start again."""
        try:
            rules = _RULES.validate_json(await request.read())
        except ValidationError as error:
            problems = json.loads(error.json(include_url=False, include_context=False))
            return web.json_response({"problems": problems, "kinds": KINDS}, status=400)
        self._faults.replace(rules)
        return web.json_response({"rules": len(rules)})
