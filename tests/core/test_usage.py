"""Who uses what: sums that add up by whatever is asked for, bounded whoever calls."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.method import Method, RpcBinding
from gateway.core.principal import Principal
from gateway.core.usage import BYS, NO_GROUP, OTHERS, Person, Sums, Use, Uses, person_of, told

GET = Method("jobs.get", "jobs", RpcBinding("get"))
READ = Method("files.read", "files", RpcBinding("read"))
ADA = person_of(Principal("ada", "labgate", ("lab", "em")))
BOB = person_of(Principal("bob", "labgate"))


def test_calls_of_an_hour_are_one_row_for_each_person_and_method():
    uses = Uses()
    uses.called(ADA, GET, "miss", 2.0, 100)
    uses.called(ADA, GET, "error", 1.0, 10)
    uses.called(ADA, GET, "stale", 0.0, 100)
    uses.hits(ADA, "jobs", "jobs.get", 3, 300)
    uses.called(BOB, READ, "Forbidden", 0.0, 0)
    taken = uses.take(7205.0)
    assert taken == [
        Use(7200, ADA, "jobs", "jobs.get", Sums(6, 4, 1, 510, 400, 2, 3.0)),
        Use(7200, BOB, "files", "files.read", Sums(1, 0, 1, 0, 0, 1, 0.0)),
    ]
    assert uses.take(7205.0) == []
    uses.give_back(taken)
    uses.called(ADA, GET, "miss", 1.0, 1)
    assert uses.take(7205.0)[0].sums == Sums(7, 4, 1, 511, 400, 3, 4.0)


def test_those_who_are_too_many_are_others():
    uses = Uses(most=2)
    for name in ("a", "b", "c", "d"):
        uses.called(Person(name, "labgate"), GET, "miss", 1.0, 1)
    rows = told(uses.take(0.0), "user")
    assert {row["user"]: row["calls"] for row in rows} == {"a": 1, "b": 1, OTHERS: 2}


def test_rows_are_of_what_is_asked_for_and_time_saved_is_what_hits_would_have_taken():
    uses = [
        Use(0, ADA, "jobs", "jobs.get", Sums(10, 8, 0, 1000, 800, 2, 6.0)),
        Use(3600, BOB, "jobs", "jobs.get", Sums(2, 1, 0, 200, 100, 1, 0.0)),
        Use(0, BOB, "files", "files.read", Sums(3, 3, 0, 30, 30)),
    ]
    by_method = told(uses, "method")
    assert [(row["method"], row["calls"], row["users"]) for row in by_method] == [
        ("jobs.get", 12, 2),
        ("files.read", 3, 1),
    ]
    assert (by_method[0]["seconds"], by_method[0]["seconds_saved"]) == (6.0, 9 * 2.0)
    assert by_method[1]["seconds_saved"] == 0.0, "nobody knows what a trip for it takes"
    assert [row["user"] for row in told(uses, "user")] == ["ada", "bob"]
    assert [(row["service"], row["calls"]) for row in told(uses, "service")] == [("jobs", 12), ("files", 3)]
    groups = {row["group"]: row["calls"] for row in told(uses, "group")}
    assert groups == {"lab": 10, "em": 10, NO_GROUP: 5}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ADA, BOB]),
            st.sampled_from([GET, READ]),
            st.sampled_from(["hit", "miss", "error"]),
        )
    )
)
def test_whatever_is_asked_for_nothing_is_lost(calls):
    uses = Uses()
    for person, method, outcome in calls:
        uses.called(person, method, outcome, 1.0, 7)
    taken = uses.take(0.0)
    for by in BYS:
        if by != "group":
            rows = told(taken, by)
            assert sum(row["calls"] for row in rows) == len(calls)
            assert sum(row["bytes"] for row in rows) == 7 * len(calls)
