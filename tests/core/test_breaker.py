"""Laws of the breaker: it opens when too much fails, lets one request see, and never counts what a caller did wrong."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.breaker import (
    LONGEST,
    NEVER,
    BreakerRule,
    Closed,
    HalfOpen,
    Open,
    abandoned,
    enter,
    failed,
    name,
    pause,
    says_down,
    seconds_shut,
    succeeded,
)

RULE = BreakerRule(failures=3, ratio=0.5, window=10.0, open=2.0)


def after(*outcomes, rule=RULE, breaker=NEVER):
    """The breaker after outcomes at one second each: `-` failed, `+` succeeded."""
    for now, outcome in enumerate(outcomes):
        breaker = (failed if outcome == "-" else succeeded)(breaker, rule, float(now))
    return breaker


def test_it_opens_when_so_many_fail_and_lets_nobody_pass_until_its_time_is_over():
    assert isinstance(after(*"--"), Closed)
    shut = after(*"---")
    assert shut == Open(4.0)
    assert enter(shut, RULE, 3.9) is None
    assert seconds_shut(shut, RULE, 3.0) == 1.0
    assert enter(shut, RULE, 4.0) == HalfOpen(4.0, 1)


def test_successes_keep_it_closed_as_long_as_less_than_the_ratio_fails():
    assert isinstance(after(*"-++-++-++-++"), Closed)
    assert isinstance(after(*"-+-+-"), Open)


def test_failures_that_are_farther_apart_than_the_window_never_open_it():
    breaker = NEVER
    for now in range(0, 200, 6):
        breaker = failed(breaker, RULE, float(now))
        assert isinstance(breaker, Closed)


def test_one_probe_goes_at_a_time_and_what_becomes_of_it_decides():
    probing = enter(Open(4.0), RULE, 5.0)
    assert enter(probing, RULE, 5.1) is None
    assert succeeded(probing, RULE, 5.2) == NEVER
    assert failed(probing, RULE, 5.2) == Open(5.2 + 2 * RULE.open, 2)
    assert enter(probing, RULE, 7.0) == HalfOpen(7.0, 1), "a probe that says nothing blocks nobody for ever"


def test_a_probe_whose_caller_leaves_makes_room_for_the_next():
    assert enter(abandoned(HalfOpen(5.0, 3), 6.0), RULE, 6.0) == HalfOpen(6.0, 3)
    assert abandoned(Open(9.0), 6.0) == Open(9.0)
    assert abandoned(Closed(1.0, 2), 6.0) == Closed(1.0, 2)


def test_what_left_before_it_opened_changes_nothing_when_it_comes_back():
    for late in (failed, succeeded):
        assert late(Open(4.0, 2), RULE, 3.0) == Open(4.0, 2)


def test_a_service_that_stays_down_is_asked_more_rarely_up_to_a_limit():
    pauses = [pause(RULE, times) for times in (1, 2, 3, 4, 5, 1000)]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 16.0, 16.0]
    assert max(pauses) == RULE.open * LONGEST


def test_only_502_503_504_without_a_json_rpc_answer_say_that_a_service_is_down():
    down = [status for status in range(100, 600) if says_down(status, b"<html>Bad Gateway</html>")]
    assert down == [502, 503, 504]
    error = b'{"jsonrpc": "2.0", "error": {"code": -32602, "message": "no such lane"}, "id": 1}'
    assert not any(says_down(status, error) for status in down)


def test_its_states_have_the_fields_usual_names():
    assert [name(one) for one in (NEVER, Open(1.0), HalfOpen(1.0, 1))] == ["closed", "open", "half-open"]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("-+?~"), st.floats(0, 8)), max_size=60), st.integers(1, 6))
def test_it_is_never_shut_without_failures_and_never_shut_for_ever(steps, failures):
    rule = BreakerRule(failures=failures, ratio=0.5, window=10.0, open=2.0)
    breaker, now, failing = NEVER, 0.0, 0
    for step, later in steps:
        now += later
        if step == "-":
            breaker, failing = failed(breaker, rule, now), failing + 1
        elif step == "+":
            breaker = succeeded(breaker, rule, now)
        elif step == "?":
            entered = enter(breaker, rule, now)
            assert (entered is None) == (seconds_shut(breaker, rule, now) > 0)
            breaker = entered or breaker
        else:
            breaker = abandoned(breaker, now)
        if not isinstance(breaker, Closed):
            assert failing >= failures
            assert seconds_shut(breaker, rule, now) <= LONGEST * rule.open
            assert enter(breaker, rule, now + seconds_shut(breaker, rule, now)) is not None
