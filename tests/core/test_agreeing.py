"""Laws of agreeing: all advertise the latest description, and one that was given up does not come back soon."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.agreeing import FIRST_HOLD, LONGEST_HOLD, MOST_PAST, Agreed, proposed


def after(*heard, force=False):
    """What is agreed after these were heard, each at its time; and how often it changed."""
    agreed, changes = None, 0
    for digest, now in heard:
        wanted = proposed(agreed, digest, now, force=force)
        if wanted is not None:
            agreed, changes = wanted, changes + 1
    return agreed, changes


def test_what_is_heard_first_is_agreed_on_and_what_is_new_takes_its_place():
    assert after(("old", 0))[0] == Agreed("old")
    assert after(("old", 0), ("new", 1))[0].digest == "new"
    assert after(("old", 0), ("old", 1)) == (Agreed("old"), 1)


def test_a_service_whose_replicas_are_upgraded_one_by_one_changes_once():
    turns = [("new" if i % 2 else "old", float(i)) for i in range(int(FIRST_HOLD))]
    agreed, changes = after(*turns)
    assert (agreed.digest, changes) == ("new", 2), "the first of all, and the new one"


def test_what_was_given_up_comes_back_if_the_service_says_so_for_long():
    turns = [("old", 0.0), ("new", 1.0), ("old", 2.0)]
    assert after(*turns)[0].digest == "new"
    assert after(*turns, ("old", 2.0 + FIRST_HOLD))[0].digest == "old"


def test_what_an_operator_asks_for_is_taken_at_once():
    assert after(("old", 0.0), ("new", 1.0), ("old", 2.0), force=True)[0].digest == "old"


def test_a_service_that_never_makes_up_its_mind_changes_ever_more_seldom():
    day = [("new" if i % 2 else "old", 10.0 * i) for i in range(8640)]
    changes = after(*day)[1]
    assert changes < 2 * 86400 / LONGEST_HOLD + 2 * 10


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.floats(0, 1e5)), max_size=60))
def test_what_is_remembered_is_bounded_and_no_description_is_both_held_and_past(heard):
    agreed, _ = after(*sorted(heard, key=lambda one: one[1]))
    if agreed is not None:
        assert len(agreed.past) <= MOST_PAST
        past = [one.digest for one in agreed.past]
        assert len(set(past)) == len(past)
        assert all(FIRST_HOLD <= one.hold <= LONGEST_HOLD for one in agreed.past)
