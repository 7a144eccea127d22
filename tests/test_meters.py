"""The table of what everybody has had: of fixed size, shared by workers, and no place to lose a debt in."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meters import ROWS, Meters

NOW = 1_800_000_000 * 10**9


def crowd(table: Meters, key: int, size: int) -> list[int]:
    """Others whose rows are where this one's is."""
    step = ROWS // 8 if key < 1 << 63 else -(ROWS // 8)
    return [key + n * step for n in range(1, size + 1)]


def test_a_row_stays_whose_it_is_while_there_is_room():
    table = Meters()
    key = table.key("issuer", "ada")
    row = table.row(key)
    table.calls[row] = NOW
    assert table.row(key) == row
    assert table.keys[row] == key
    for other in crowd(table, key, 7):
        table.calls[table.row(other)] = NOW
    assert table.row(key) == row
    assert table.calls[row] == NOW


@given(st.integers(1, 2**62), st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10**10)), max_size=60))
@settings(max_examples=40)
def test_nobody_owes_less_than_they_did_because_others_came(key, others):
    table = TABLE
    table.calls[:] = memoryview(bytes(8 * ROWS)).cast("Q")
    table.keys[:] = memoryview(bytes(8 * ROWS)).cast("Q")
    owed = NOW + 10**9
    table.calls[table.row(key)] = owed
    names = crowd(table, key, 21)
    for which, more in others:
        row = table.row(names[which])
        table.calls[row] = max(table.calls[row], NOW) + more
    assert table.calls[table.row(key)] >= owed


TABLE = Meters()


def test_whoever_has_calls_under_way_keeps_their_row():
    table = Meters()
    key = table.key("ada")
    row = table.row(key)
    table.enter(row)
    for more, other in enumerate(crowd(table, key, 40)):
        table.calls[table.row(other)] = NOW + more
    assert table.row(key) == row
    assert table.under_way(row) == 1
    table.leave(row)
    assert table.under_way(row) == 0


def test_where_everybody_nearby_has_calls_under_way_a_row_is_shared_for_a_while():
    table = Meters()
    key = table.key("ada")
    rows = {table.row(one) for one in [key, *crowd(table, key, 7)] if table.enter(table.row(one)) is None}
    assert len(rows) == 8
    late = crowd(table, key, 8)[-1]
    assert table.row(late) in rows
    assert table.keys[table.row(late)] != late


def test_workers_share_the_table_and_each_counts_what_goes_through_it(tmp_path):
    one, two = (Meters(tmp_path / "limits", (number, 2)) for number in (1, 2))
    key = one.key("ada")
    assert key == two.key("ada")
    row = one.row(key)
    assert two.row(key) == row
    one.calls[row] = NOW
    assert two.calls[row] == NOW
    one.enter(row)
    two.enter(row)
    assert one.under_way(row) == two.under_way(row) == 2


def test_what_was_under_way_through_a_worker_that_was_killed_is_forgotten_when_another_takes_its_place(
    tmp_path,
):
    one, two = (Meters(tmp_path / "limits", (number, 2)) for number in (1, 2))
    row = one.row(one.key("ada"))
    one.calls[row] = NOW
    one.enter(row)
    two.enter(row)
    again = Meters(tmp_path / "limits", (2, 2))
    assert again.under_way(row) == 1
    assert again.calls[row] == NOW


def test_what_everybody_has_had_outlives_a_restart_and_a_file_that_is_none_is_made_anew(tmp_path):
    file = tmp_path / "limits"
    file.write_bytes(b"no table")
    table = Meters(file)
    row = table.row(table.key("ada"))
    table.sizes[row] = NOW
    table.enter(row)
    after = Meters(file)
    assert after.row(after.key("ada")) == row
    assert after.sizes[row] == NOW
    assert after.under_way(row) == 0
