"""Errors of the HTTP API.

Source: RFC 9457 (``application/problem+json``).
"""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

KIND_PREFIX = "urn:switchboard:problem:"


class ApiProblem(Exception):
    """Ends a request with an error."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        code: str = "",
        retry_after_secs: int | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ):
        """Initialize the problem.

        Args:
            status: The HTTP status.
            title: The kind of problem.
            detail: What is wrong with this request, and what to do.
            code: The kind of problem for programs, where there are several of one status.
            retry_after_secs: When the same request may succeed; also a header.
            headers: Further headers of the answer.
            more: Further members of the answer.
        """
        super().__init__(f"{status} {title}: {detail}")
        self.status, self.title, self.detail = status, title, detail
        self.code, self.retry_after_secs = code, retry_after_secs
        self.headers, self.more = dict(headers or {}), dict(more or {})
        if retry_after_secs is not None:
            self.headers["Retry-After"] = str(retry_after_secs)

    def response(self, path: str) -> web.Response:
        """The answer to a request for ``path``."""
        kind = f"{KIND_PREFIX}{self.code}" if self.code else "about:blank"
        body = {"type": kind, "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.code:
            body["code"] = self.code
        if self.retry_after_secs is not None:
            body["retry_after_secs"] = self.retry_after_secs
        return web.Response(
            text=json.dumps({**body, **self.more, "instance": path}),
            status=self.status,
            content_type="application/problem+json",
            headers=self.headers,
        )


def no_such_call(call_id: str) -> ApiProblem:
    """There is no call of this id."""
    return ApiProblem(404, "Not Found", f"there is no call {call_id!r}")
