"""Laws of starting again: at once after a long life, ever later after short ones, and not for ever."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.restarts import Again, GiveUp, Life, Rule, decide

RULE = Rule(settled=10.0, first=0.1, longest=10.0, most=5, within=120.0)


def short(*ends):
    return [Life(end - 1.0, end) for end in ends]


def test_who_lived_long_is_followed_at_once():
    assert decide([Life(0.0, 10.0)], 10.0, RULE) == Again(0.0)
    assert decide([*short(5.0), Life(6.0, 60.0)], 60.0, RULE) == Again(0.0)


def test_each_short_life_in_a_row_doubles_the_pause_up_to_the_longest():
    rule = Rule(most=100)
    pauses = [decide(short(*range(count)), 0.0, rule).after for count in range(1, 12)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0, 10.0]


def test_so_many_short_lives_within_the_time_are_too_many():
    ends = [float(at) for at in range(0, 100, 20)]
    assert decide(short(*ends[:4]), ends[3], RULE) == Again(0.8)
    assert decide(short(*ends), ends[-1], RULE) == GiveUp(5)


def test_short_lives_of_long_ago_do_not_count():
    ends = [0.0, 1.0, 2.0, 3.0, 200.0]
    assert isinstance(decide(short(*ends), 200.0, RULE), Again)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 100)), min_size=1))
def test_the_pause_is_never_longer_than_the_rule_says(lives):
    found = decide([Life(began, began + lived) for began, lived in lives], 1e6, RULE)
    assert isinstance(found, GiveUp) or 0.0 <= found.after <= RULE.longest
