"""Which tokens operators may have made."""

import pytest

from gateway.core.claims import LOCAL
from gateway.core.faults import BadRequest, Forbidden
from gateway.core.policy import Policy
from gateway.core.principal import Principal
from gateway.core.token_wishes import TTL, TokenWish, check_maker, wish_of

POLICIES = (
    Policy(("group:admins",), ("*", "/**"), operate=True),
    Policy(("group:operators",), ("jobs.*",), operate=True),
    Policy(("group:lab",), ("*",)),
    Policy(("subject:root",), ("files.*",)),
)


def maker(subject: str, *groups: str, issuer: str = LOCAL) -> Principal:
    return Principal(subject=subject, issuer=issuer, groups=groups)


def test_a_wish_says_whom_the_token_speaks_for_and_the_rest_has_usual_values() -> None:
    assert wish_of({"subject": "ada"}) == TokenWish("ada", (), (), TTL, False)
    said = {"subject": "ada", "groups": ["lab", "lab"], "scopes": ["em"], "ttl": 60, "opaque": True}
    assert wish_of(said) == TokenWish("ada", ("lab",), ("em",), 60.0, True)


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"subject": ""},
        {"subject": 1},
        {"subject": "ada", "groups": "lab"},
        {"subject": "ada", "groups": [1]},
        {"subject": "ada", "scopes": [""]},
        {"subject": "ada", "ttl": "1d"},
        {"subject": "ada", "ttl": True},
        {"subject": "ada", "opaque": 1},
        {"subject": "ada", "admin": True},
    ],
)
def test_a_wish_that_cannot_be_meant_is_refused(said) -> None:
    with pytest.raises(BadRequest):
        wish_of(said)


def test_whoever_may_do_everything_has_any_token_made() -> None:
    check_maker(POLICIES, maker("ada", "admins"), TokenWish("eve", ("admins", "lab"), ("any",)))


def test_whoever_may_call_everything_has_tokens_made_for_others_but_none_for_paths_that_they_may_not_ask() -> (
    None
):
    zoe = maker("zoe", "lab")
    check_maker(POLICIES, zoe, TokenWish("eve", ("operators", "lab")))
    check_maker(POLICIES, zoe, TokenWish("root"))
    with pytest.raises(Forbidden, match="policy 1 speaks of it, and allows /"):
        check_maker(POLICIES, zoe, TokenWish("eve", ("admins",)))


def test_nobody_else_has_a_token_made_for_another_or_that_may_do_more_than_they() -> None:
    tom = maker("tom", "operators")
    check_maker(POLICIES, tom, TokenWish("tom", ("operators",)))
    check_maker(POLICIES, tom, TokenWish("tom", ("unheard_of",)))
    for wish in (
        TokenWish("eve", ("operators",)),
        TokenWish("tom", ("lab",)),
        TokenWish("tom", ("admins",)),
        TokenWish("root"),
    ):
        with pytest.raises(Forbidden):
            check_maker(POLICIES, tom, wish)


def test_the_same_name_of_another_issuer_is_somebody_else() -> None:
    with pytest.raises(Forbidden):
        check_maker(
            POLICIES,
            maker("tom", "operators", issuer="https://login.lab.org/"),
            TokenWish("tom", ("operators",)),
        )
