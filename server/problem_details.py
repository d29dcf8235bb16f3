"""Errors of the HTTP API.

Source: RFC 9457 (``application/problem+json``).
"""

import json
from collections.abc import Mapping

from aiohttp import web


class ApiProblem(Exception):
    """Ends a request with an error."""

    def __init__(
        self, status: int, title: str, detail: str = "", *, headers: Mapping[str, str] | None = None
    ):
        """Initialize the problem.

        Args:
            status: The HTTP status.
            title: The kind of problem.
            detail: What is wrong with this request, and what to do.
            headers: Further headers of the answer.
        """
        super().__init__(f"{status} {title}: {detail}")
        self.status, self.title, self.detail = status, title, detail
        self.headers = dict(headers or {})

    def response(self, path: str) -> web.Response:
        """The answer to a request for ``path``."""
        body = {"type": "about:blank", "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        return web.Response(
            text=json.dumps({**body, "instance": path}),
            status=self.status,
            content_type="application/problem+json",
            headers=self.headers,
        )


def no_such_call(call_id: str) -> ApiProblem:
    """There is no call of this id."""
    return ApiProblem(404, "Not Found", f"there is no call {call_id!r}")
