"""What is to be told to the other gates: each bit of it once, and never what came back while nobody could be told."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.rates import SECOND
from gateway.core.tally import LONGEST, MOST_UNTOLD, Book, Tally

NOW = 1_800_000_000 * SECOND
SOME = st.integers(1, SECOND)


class Kept:
    """What one host keeps of somebody."""

    def __init__(self):
        self.due = 0

    def owed(self, now, heard):
        self.due = max(self.due, now + heard)
        return max(0, self.due - now)


def tally_of(book, kept=None, key="k"):
    return Tally(book, key, 100 * SECOND, (kept or Kept()).owed)


@given(st.lists(st.one_of(SOME, st.sampled_from(["told", "lost"])), max_size=30))
def test_everything_that_was_spent_is_told_once_however_often_nobody_hears(steps):
    book, spent, heard = Book(b""), 0, 0
    tally = tally_of(book)
    for step in [*steps, "told"]:
        if isinstance(step, int):
            tally.note(step, NOW)
            spent += step
            continue
        for one in book.take():
            share = one.take(NOW)
            if step == "told":
                heard += share.spent
            else:
                one.give_back(share, NOW)
    assert heard == spent
    assert book.waiting == []


def test_it_is_told_since_when_it_was_spent_also_when_nobody_heard_it_the_first_time():
    book = Book(b"")
    tally = tally_of(book)
    tally.note(5, NOW)
    tally.note(5, NOW + 100)
    assert book.take() == [tally]
    share = tally.take(NOW + 1000)
    assert (share.age, share.spent) == (1000, 10)
    tally.note(7, NOW + 1500)
    tally.give_back(share, NOW + 1000)
    share = tally.take(NOW + 2000)
    assert (share.age, share.spent) == (2000, 17)
    assert len(book.waiting) == 1, "it waits once"


@given(st.lists(SOME, min_size=1, max_size=50), st.integers(1, 10**6))
def test_what_came_back_while_nobody_could_be_told_is_nobodys_matter(spent, seconds):
    kept, book = Kept(), Book(b"")
    tally = tally_of(book, kept)
    for one in spent:
        tally.note(one, NOW)
        kept.due = max(kept.due, NOW) + one
    later = NOW + LONGEST + seconds * SECOND
    assert tally.take(later).spent == max(0, kept.due - later)


def test_what_was_spent_since_it_was_told_is_owed_beside_what_is_heard():
    kept, book = Kept(), Book(b"")
    tally = tally_of(book, kept)
    tally.note(10, NOW)
    tally.take(NOW)
    tally.note(5, NOW)
    tally.hear(100, NOW)
    assert kept.due == NOW + 105
    tally.hear(20, NOW)
    assert kept.due == NOW + 105, "nobody owes less because of what is heard late"


def test_whose_it_is_is_told_by_nothing_but_what_the_gates_have_in_common():
    assert Book(b"a").key("x", "ada") == Book(b"a").key("x", "ada")
    assert len({Book(b"a").key("x", "ada"), Book(b"b").key("x", "ada"), Book(b"a").key("xada")}) == 3
    assert "ada" not in Book(b"a").key("x", "ada")


def test_calls_that_take_no_time_to_come_back_are_nothing_to_tell():
    book = Book(b"")
    tally = tally_of(book)
    for _ in range(3):
        tally.note(0, NOW)
    assert book.waiting == []


def test_a_book_that_nobody_takes_forgets_and_goes_on():
    book, woken = Book(b""), []
    book.wake = lambda: woken.append(1)
    first = tally_of(book)
    first.note(1, NOW)
    for _ in range(MOST_UNTOLD):
        tally_of(book).note(1, NOW)
    assert len(book.waiting) == 1
    first.note(1, NOW)
    assert first in book.waiting
    assert len(woken) == MOST_UNTOLD + 2
