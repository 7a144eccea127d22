"""What of a reply is stored, and under which keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.call import Demand
from gateway.core.http_freshness import Heuristic
from gateway.core.http_storing import BY_THE_REPLY, Exchange, Place, Storing, entries, head_of, storing
from gateway.core.method import CacheRule
from gateway.core.vary import PRINCIPAL
from gateway.core.verdict import Miss

NOW = 1_700_000_000.0
ASKED = Exchange(Demand(), credential=False, special=False, requested=NOW, received=NOW)
RULE = CacheRule(fresh=30, stale=5, share="everyone")
CC = b"Cache-Control"


def how(*fields, status=200, rule=BY_THE_REPLY, exchange=ASKED):
    return storing(rule, exchange, status, fields, Heuristic())


def fresh_for(found):
    assert isinstance(found, Storing), found
    return found.fresh_until - NOW


def test_a_rule_overrides_what_the_reply_says_of_its_freshness_but_not_what_it_forbids():
    for said in (b"max-age=0", b"no-cache", b"max-age=1000", b"must-revalidate"):
        assert fresh_for(how((CC, said), rule=RULE)) == 30
    assert how((CC, b"no-store"), rule=RULE) == "no-store"
    assert how((CC, b"private"), rule=RULE) == "private"
    mine = CacheRule(fresh=30)
    assert fresh_for(how((CC, b"private"), rule=mine)) == 30
    forced = CacheRule(fresh=30, share="everyone", force=True)
    for said in (b"no-store", b"private"):
        assert fresh_for(how((CC, said), rule=forced)) == 30


def test_force_goes_neither_past_a_cookie_nor_past_vary():
    forced = CacheRule(fresh=30, force=True)
    assert how((b"Set-Cookie", b"a=1"), rule=forced) == "it sets a cookie"
    assert how((b"Vary", b"*"), rule=forced) == "it varies by more than a request says"


def test_a_rule_serves_nothing_stale_past_must_revalidate():
    assert how(rule=RULE).stale_until == NOW + 35
    for word in (b"must-revalidate", b"proxy-revalidate"):
        found = how((CC, word), rule=RULE)
        assert (found.stale_until, found.strict) == (NOW + 30, True)


def test_a_rule_speaks_of_200_alone_and_other_statuses_for_themselves():
    assert how(status=404, rule=RULE) == "no rule"
    assert fresh_for(how((CC, b"max-age=7"), status=404, rule=RULE)) == 7


@pytest.mark.parametrize("status", [100, 103, 206, 304, 412, 416])
def test_what_is_no_final_answer_or_stands_for_a_condition_is_not_stored(status):
    assert how((CC, b"max-age=7, public"), status=status) == f"status {status}"


def test_what_came_to_a_special_request_is_the_whole_only_as_a_200():
    special = Exchange(Demand(), False, True, NOW, NOW)
    assert fresh_for(how((CC, b"max-age=7"), exchange=special)) == 7
    assert how((CC, b"max-age=7"), exchange=special, status=404) == "status 404"


def test_what_is_for_one_principal_says_so():
    assert how((CC, b"max-age=7")).private
    for word in (b"public", b"s-maxage=7"):
        assert not how((CC, b"max-age=7, " + word)).private
    assert not how(rule=RULE).private


def test_a_stored_head_has_a_date_and_nothing_of_its_connection():
    found = how(
        (CC, b'max-age=7, no-cache="X-Own"'),
        (b"Connection", b"X-Hop"),
        (b"X-Hop", b"1"),
        (b"X-Own", b"1"),
        (b"Age", b"3"),
        (b"Content-Length", b"5"),
    )
    names = [name for name, _ in found.fields]
    assert names == [CC, b"Date"]
    assert found.aged == 3


def test_lines_are_made_ready_where_every_caller_gets_the_same():
    assert head_of(200, b"Fine", ((b"A", b"1"),)).ready == b"HTTP/1.1 200 Fine\r\nA: 1\r\n"
    for name in (b"Location", b"set-cookie", b"Alt-Svc", b"Access-Control-Allow-Origin"):
        assert head_of(200, b"", ((name, b"/x"),)).ready == b""
    assert head_of(204, b"", ()).ready == b""


def test_names_that_come_together_over_time_are_not_more_than_a_key_can_hold():
    known = None
    for turn in range(20):
        vary = frozenset(b"x-%d-%d" % (turn, at) for at in range(30))
        found = Storing((), 0, NOW + 7, NOW + 7, NOW + 7, False, False, vary, False)
        place = Place(b"root", b"me", (), known)
        known, reply = entries(found, place, MISS, head_of(200, b"", ()), b"x", NOW)
        assert vary <= set(known.vary)
        assert len(known.vary) <= 64
        assert reply.body == b"x"


MISS = Miss(b"root", (1, 2), 3, BY_THE_REPLY, "not stored")
names = st.sets(st.sampled_from([b"x-a", b"x-b", b"accept"])).map(frozenset)


@given(names, names, st.booleans())
def test_a_signpost_stands_wherever_a_key_depends_on_more_and_loses_no_name(before, now, private):
    chosen = frozenset((b"accept",))
    asked = ((b"X-A", b"1"),)
    found = Storing((), 0, NOW + 7, NOW + 7, NOW + 7, False, False, now, private)
    known = None
    place = Place(b"root", b"me", asked, None, chosen)
    if before - chosen:
        first = Storing((), 0, NOW + 7, NOW + 7, NOW + 7, False, False, before, False)
        known = entries(first, place, MISS, head_of(200, b"", ()), b"x", NOW)[0]
    place = Place(b"root", b"me", asked, known, chosen)
    made = entries(found, place, MISS, head_of(200, b"", ()), b"x", NOW)
    wanted = (now | before) - chosen | ({PRINCIPAL} if private else set())
    assert made[-1].body == b"x"
    assert (made[-1].epoch, made[-1].generations) == (3, (1, 2))
    if not wanted:
        assert len(made) == 1
        assert made[0].key == b"root"
    else:
        signpost, reply = made
        assert (signpost.key, set(signpost.vary), signpost.head) == (b"root", wanted, None)
        assert reply.key != b"root"
        assert signpost.generations == (1, 2)
