"""Laws of retries: they are few, they come at different times, and who asks to wait is waited for."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.retrying import FLOOR, RECENT, Budget, asks_to_wait, delay, refilled, spent, wait_for

moves = st.lists(st.tuples(st.integers(0, 500), st.floats(0, 30)), max_size=80)


@settings(max_examples=200)
@given(moves, st.sampled_from((0.0, 0.1, 0.2, 1.0)))
def test_retries_are_never_more_than_their_share_of_the_requests_and_a_small_floor(steps, share):
    budget, requests, now, granted = Budget(), 0, 0.0, 0
    for more, later in steps:
        requests, now = requests + more, now + later
        budget, may = spent(budget, share, requests, now)
        granted += may
        assert granted <= share * requests + FLOOR * now + RECENT * FLOOR + 1e-6


@settings(max_examples=100)
@given(moves)
def test_of_old_traffic_nothing_is_saved_up(steps):
    budget, requests, now = Budget(), 0, 0.0
    for more, later in steps:
        requests, now = requests + more, now + later
        budget = refilled(budget, 0.2, requests, now)
    later = refilled(budget, 0.2, requests, now + RECENT)
    assert later.tokens <= FLOOR * RECENT + 1e-9


def test_a_service_that_is_rarely_asked_gets_a_retry_too():
    budget, may = spent(Budget(), 0.2, 1, 0.0)
    assert may
    for _ in range(20):
        budget, may = spent(budget, 0.2, 1, 0.0)
    assert not may
    assert spent(budget, 0.2, 1, 2.0 / FLOOR)[1]


@given(st.integers(1, 1000), st.floats(0, 1), st.floats(0, 1))
def test_the_pauses_grow_are_bounded_and_differ(attempt, one, other):
    assert 0 < delay(attempt, one) <= 1.5
    assert delay(attempt + 1, 0.5) >= delay(attempt, 0.5)
    assert (delay(attempt, one) == delay(attempt, other)) == (0.5 + one == 0.5 + other)


def test_retry_after_is_waited_for_where_there_is_time_and_else_told_to_the_caller():
    def wait(said, left=60.0):
        return wait_for(((b"retry-AFTER", said),), left)

    assert wait(b" 2 ") == 2.0
    assert wait(b"0") == 0.0
    assert wait(b"2", left=3.0) is None, "half of the time that is left is for the next attempt"
    assert wait(b"60", left=600.0) is None
    for odd in (b"", b"-1", b"1.5", b"soon", b"Thu, 01 Jan 2026 00:00:00 GMT", b"9" * 40, "²".encode()):
        assert wait(odd) is None


def test_only_429_and_503_ask_to_wait_and_no_json_rpc_error_does():
    field = ((b"Retry-After", b"2"),)
    assert [status for status in range(200, 600) if asks_to_wait(status, field, b"busy")] == [429, 503]
    assert not asks_to_wait(503, (), b"busy")
    assert not asks_to_wait(503, field, b'{"jsonrpc":"2.0","error":{"code":1,"message":"full"},"id":1}')
