"""Digest authentication, with the examples of the RFCs."""

import re

import pytest

from local.sip.digest import Credentials, DigestClient, DigestServer, parse_digest
from local.sip.headers import Headers
from local.sip.message import Response

# RFC 7616 §3.9.1.
FIELDS = {
    "realm": "http-auth@example.org",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "uri": "/dir/index.html",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
}
RESPONSES = {
    "MD5": "8ca523f5e9506fed4657c9700eebdbec",
    "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
}


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_server_accepts_the_example_of_the_rfc(algorithm, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda _: FIELDS["nonce"])
    users = {"Mufasa": "Circle of Life"}
    server = DigestServer(users, realm=FIELDS["realm"], algorithms=(algorithm,))
    server.challenges(0.0)
    answer = (
        'Digest username="Mufasa", ' + ", ".join(f'{k}="{v}"' for k, v in FIELDS.items()) + ", "
        f'qop=auth, nc=00000001, algorithm={algorithm}, response="{RESPONSES[algorithm]}"'
    )
    assert server.check(answer, "GET", FIELDS["uri"], 1.0) == "accepted"
    assert server.check(answer, "GET", FIELDS["uri"], 1.0) == "stale"
    assert server.check(answer, "PUT", FIELDS["uri"], 1.0) == "refused"
    assert server.check(answer, "GET", "/other", 1.0) == "refused"


def challenge(server: DigestServer, now: float = 0.0, **kwargs) -> Response:
    values = server.challenges(now, **kwargs)
    return Response(407, "", headers=Headers([("Proxy-Authenticate", v) for v in values]))


def answer_of(client: DigestClient, method="INVITE", uri="sip:a@b") -> str:
    pair = client.authorization(method, uri)
    assert pair and pair[0] == "Proxy-Authorization"
    return pair[1]


@pytest.mark.parametrize("qop", [True, False])
@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256", "MD5")])
def test_a_caller_with_the_password_gets_in_once_for_each_count(qop, algorithms):
    server = DigestServer({"ann": 'p"w\\'}, realm='r"x', algorithms=algorithms, qop=qop)
    client = DigestClient(Credentials("ann", 'p"w\\'))
    assert client.accept_challenge(challenge(server))
    first = answer_of(client)
    assert f"algorithm={algorithms[0]}" in first
    assert server.check(first, "INVITE", "sip:a@b", 1.0) == "accepted"
    assert server.check(first, "INVITE", "sip:a@b", 1.0) == "stale"
    second = "accepted" if qop else "stale"
    assert server.check(answer_of(client), "INVITE", "sip:a@b", 2.0) == second


def test_a_wrong_user_and_a_wrong_password_look_the_same():
    server = DigestServer({"ann": "pw"})
    for user, password in [("ann", "no"), ("bob", "pw")]:
        client = DigestClient(Credentials(user, password))
        client.accept_challenge(challenge(server))
        assert server.check(answer_of(client), "INVITE", "sip:a@b", 1.0) == "refused"
    assert server.check("", "INVITE", "sip:a@b", 1.0) == "missing"
    assert server.check("Basic YQ==", "INVITE", "sip:a@b", 1.0) == "refused"


def test_a_nonce_that_was_never_given_or_is_old_is_stale():
    server = DigestServer({"ann": "pw"}, nonce_secs=10)
    client = DigestClient(Credentials("ann", "pw"))
    client.accept_challenge(challenge(server))
    assert server.check(answer_of(client), "INVITE", "sip:a@b", 11.0) == "stale"
    forger = DigestClient(Credentials("ann", "pw"))
    forger.accept_challenge(challenge(DigestServer({"ann": "pw"})))
    assert server.check(answer_of(forger), "INVITE", "sip:a@b", 1.0) == "stale"


def test_one_try_a_challenge_and_a_second_only_for_a_stale_nonce():
    server = DigestServer({"ann": "pw"})
    client = DigestClient(Credentials("ann", "pw"))
    assert client.accept_challenge(challenge(server))
    assert not client.accept_challenge(challenge(server))
    assert client.accept_challenge(challenge(server, stale=True))
    assert not client.accept_challenge(challenge(server, stale=True))


def test_an_unknown_algorithm_or_protection_is_not_answered():
    client = DigestClient(Credentials("ann", "pw"))
    for tail in ("algorithm=SHA-512-256", 'qop="auth-int"'):
        value = f'Digest realm="r", nonce="n", {tail}'
        assert not client.accept_challenge(
            Response(401, "", headers=Headers({"WWW-Authenticate": value}))
        )


def test_opaque_comes_back_and_the_password_never_shows():
    client = DigestClient(Credentials("ann", "pw-secret"))
    value = 'Digest realm="r", nonce="n", opaque="o,p"'
    assert client.accept_challenge(Response(401, "", headers=Headers({"WWW-Authenticate": value})))
    name, answer = client.authorization("BYE", "sip:a@b") or ("", "")
    assert name == "Authorization"
    assert parse_digest(answer)["opaque"] == "o,p"
    assert re.search(r"\bnc=", answer) is None
    assert "pw-secret" not in repr(Credentials("ann", "pw-secret"))
