"""The gateway's registrar: phones with a password can be called by their number (RFC 3261 §10)."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from loguru import logger

from local.exchange.masking import masked
from local.sip.bindings import Bindings, Outcome
from local.sip.digest import DigestServer, parse_digest
from local.sip.errors import SipParseError
from local.sip.message import Request, build_response
from local.sip.transaction_layer import ServerTransaction
from local.sip.uri import user_of

_REALM = "switchboard"


@dataclass(frozen=True)
class PhoneAccount:
    """A phone that may register.

    Parameters:
        number: What it is called by, E.164.
        user: How it logs in; its address of record is this or the number.
        password: Its secret.
    """

    number: str
    user: str
    password: str = field(repr=False)


class Registrar:
    """Knows where the phones are, each only with its password."""

    def __init__(
        self,
        phones: Iterable[PhoneAccount],
        *,
        new_tag: Callable[[], str],
        now: Callable[[], float] = time.monotonic,
    ):
        """Initialize; no phone is registered.

        Args:
            phones: Who may register.
            new_tag: Makes the To-tags of answers.
            now: The clock in seconds.
        """
        self._phones = {phone.user: phone for phone in phones}
        passwords = {user: phone.password for user, phone in self._phones.items()}
        self._digest = DigestServer(passwords, realm=_REALM)
        self._bindings = Bindings()
        self._new_tag, self._now = new_tag, now

    def knows(self, number: str) -> bool:
        """Whether a number belongs to one of the phones, registered or not."""
        return any(phone.number == number for phone in self._phones.values())

    def contact(self, number: str) -> str | None:
        """Where the phone of a number is, as a SIP URI; None if it has not registered."""
        contacts = self._bindings.contacts(number, self._now())
        return contacts[0].target if contacts else None

    def on_register(self, request: Request, transaction: ServerTransaction) -> None:
        """Answer a REGISTER: challenge it, refuse it, or carry it out."""
        outcome = self._judge(request, transaction)
        response = build_response(
            request, outcome.status, outcome.phrase, to_tag=self._new_tag(), headers=outcome.headers
        )
        transaction.respond(response)

    def _judge(self, request: Request, transaction: ServerTransaction) -> Outcome:
        if unsupported := request.headers.all("Require"):
            return Outcome(420, "Bad Extension", (("Unsupported", ", ".join(unsupported)),))
        authorization = request.headers.get("Authorization")
        verdict = self._digest.check(authorization, "REGISTER", request.uri, self._now())
        if verdict in ("missing", "stale"):
            values = self._digest.challenges(self._now(), stale=verdict == "stale")
            return Outcome(401, "Unauthorized", _challenge(values))
        if verdict == "refused":
            logger.warning(f"a phone at {transaction.source[0]} gave a wrong user or password")
            return Outcome(403, "Forbidden")
        phone = self._phones[parse_digest(authorization)["username"]]
        try:
            record = user_of(request.headers.get("To"))
        except SipParseError:
            return Outcome(400, "Bad Request")
        if record not in (phone.user, phone.number):
            # A phone registers itself and nobody else (RFC 3261 §10.3 step 4).
            return Outcome(403, "Forbidden")
        outcome = self._bindings.update(phone.number, request, transaction.source, self._now())
        if outcome.status == 200:
            where = self.contact(phone.number)
            logger.info(f"phone {masked(phone.number)}: {'registered' if where else 'gone'}")
        return outcome


def _challenge(values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(("WWW-Authenticate", value) for value in values)
