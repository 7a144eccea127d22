"""What does each answer of an authorization server mean for a login by code? RFC 8628, without sockets and clocks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgate._device import Granted, Offer, judged, poll
from labgate._issuer import addresses, endpoints_of
from labgate._outside import NotAsked, Told, ask, is_safe
from labgate.errors import LoginError

HOST = "login.lab.org"
ISSUER = "https://login.lab.org/realms/lab"
TOKENS = Told(200, {"access_token": "a", "token_type": "Bearer"})
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def error(name: str, status: int = 400) -> Told:
    return Told(status, {"error": name})


def offer(**members: Any) -> Offer:
    said = {
        "device_code": "d",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://login.lab.org/type",
        "expires_in": 600,
        **members,
    }
    return Offer(Told(200, said), HOST)


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def tell(self) -> float:
        return self.now


def polled(told: list[Told | Exception], **members: Any) -> tuple[Any, list[float]]:
    """What comes of these answers, and how long was waited before each poll; the last is given over and over."""
    clock, left = Clock(), list(told)

    def once() -> Told:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    try:
        return poll(offer(**members), once, HOST, wait=clock.wait, clock=clock.tell), clock.waits
    except LoginError as caught:
        return caught, clock.waits


def test_without_an_interval_five_seconds_are_waited() -> None:
    found, waits = polled([error("authorization_pending"), TOKENS])
    assert isinstance(found, Granted)
    assert waits == [5, 5]


def test_slow_down_adds_five_seconds_for_all_polls_that_follow() -> None:
    told = [error("slow_down"), error("authorization_pending"), error("slow_down"), TOKENS]
    assert polled(told, interval=1)[1] == [1, 6, 6, 11]


def test_who_does_not_answer_is_asked_less_and_less_often_and_then_as_before() -> None:
    away = NotAsked("away")
    told = [away, away, error("authorization_pending"), error("authorization_pending"), TOKENS]
    assert polled(told, interval=2)[1] == [2, 4, 8, 2, 2]
    assert polled([NotAsked("away", retry_after=30), TOKENS], interval=2)[1] == [2, 30]


def test_nobody_polls_longer_than_the_code_holds() -> None:
    found, waits = polled([error("authorization_pending")], interval=5, expires_in=22)
    assert isinstance(found, LoginError)
    assert "expired" in found.message
    assert waits == [5, 5, 5, 5]
    found, waits = polled([NotAsked("away")], interval=5, expires_in=22)
    assert "expired" in found.message
    assert sum(waits) < 22


def test_an_hour_and_a_minute_are_the_most_that_a_server_can_ask_for() -> None:
    one = offer(expires_in=10**9, interval=10**9)
    assert (one.expires_in, one.interval) == (3600, 60)
    assert offer(interval=0).interval > 0
    assert offer(interval="7").interval == 7
    assert offer(interval=float("nan")).interval == 5


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (error("access_denied"), "refused"),
        (error("expired_token"), "expired"),
        (error("unsupported_grant_type"), "unsupported_grant_type"),
        (Told(400, {"error": "x\x1b[31m", "error_description": "y" * 999}), "x"),
        (Told(404, {}), "answered 404"),
        (Told(400, {"error": ["authorization_pending"]}), "answered 400"),
    ],
)
def test_every_other_answer_ends_the_login_in_words_that_steer_no_terminal(told: Told, words: str) -> None:
    with pytest.raises(LoginError) as caught:
        judged(told, 5, HOST)
    assert words in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(("error", "access_token", "token_type", "expires_in", "refresh_token", "interval")),
        JSON,
    ),
)
def test_no_answer_is_anything_but_tokens_a_pause_or_an_error(status: int, said: dict[str, Any]) -> None:
    try:
        found = judged(Told(status, said), 5, HOST)
    except LoginError:
        return
    assert isinstance(found, Granted) or 5 <= found <= 60


@given(
    st.dictionaries(
        st.sampled_from(
            (
                "device_code",
                "user_code",
                "verification_uri",
                "verification_uri_complete",
                "expires_in",
                "interval",
            )
        ),
        JSON | st.just("https://a.org/"),
    )
)
def test_no_offer_is_anything_but_usable_or_an_error(said: dict[str, Any]) -> None:
    try:
        found = Offer(Told(200, said), HOST)
    except LoginError:
        return
    assert 0 < found.interval <= 60
    assert found.code.isprintable()
    assert is_safe(found.uri)


def test_the_life_of_a_token_is_told_or_unknown() -> None:
    for said, life in (
        (3600, 3600),
        ("3600", 3600),
        (0, None),
        (-5, None),
        (True, None),
        ("x", None),
        (None, None),
    ):
        told = Told(200, {**TOKENS.members, "expires_in": said})
        assert Granted(told, HOST).expires_in == life


def test_metadata_is_looked_for_where_either_specification_puts_it() -> None:
    assert addresses(ISSUER) == (
        "https://login.lab.org/.well-known/oauth-authorization-server/realms/lab",
        "https://login.lab.org/realms/lab/.well-known/openid-configuration",
        "https://login.lab.org/.well-known/openid-configuration/realms/lab",
    )
    asked: list[str] = []

    def nothing(url: str) -> Told:
        asked.append(url)
        return Told(404, {})

    with pytest.raises(LoginError, match="no metadata"):
        endpoints_of(ISSUER, nothing)
    assert tuple(asked) == addresses(ISSUER)


def test_a_host_that_was_allowed_may_have_the_endpoints_over_https_only() -> None:
    said = {
        "issuer": ISSUER,
        "device_authorization_endpoint": "https://oauth2.lab.org/device",
        "token_endpoint": "https://login.lab.org/token",
        "revocation_endpoint": "https://elsewhere.org/revoke",
    }
    with pytest.raises(LoginError, match="another host") as caught:
        endpoints_of(ISSUER, lambda _: Told(200, said))
    assert "--also-at oauth2.lab.org" in caught.value.hint
    ends = endpoints_of(ISSUER, lambda _: Told(200, said), {"oauth2.lab.org"})
    assert (ends.device, ends.revocation) == ("https://oauth2.lab.org/device", "")


@pytest.mark.parametrize(
    "url",
    [
        *("http://lab.org/", "ftp://lab.org/", "file:///etc/passwd", "//lab.org", "lab.org", "https://", ""),
        *("https://a:b@lab.org/", "https://lab.org/#x", "https://lab.org:99999/", "https://lab.org/ x"),
        *("https://lab.org/\n", "https://[::1", "http://127.0.0.1.evil.org/", "http://localhost.evil.org/"),
        "https://lab.org/" + "x" * 3000,
    ],
)
def test_only_https_or_this_machine_is_asked(url: str) -> None:
    assert not is_safe(url)
    with pytest.raises(LoginError, match="nothing is sent there"):
        ask(url, timeout=1)


def test_this_machine_and_https_are_safe() -> None:
    for url in (
        "https://lab.org",
        "https://lab.org:8443/a?b=c",
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://localhost/",
    ):
        assert is_safe(url)


def test_a_server_that_is_not_there_is_not_asked_in_vain() -> None:
    with pytest.raises(NotAsked, match="cannot be reached"):
        ask("http://127.0.0.1:9/", timeout=5)
