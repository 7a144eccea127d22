"""Are logins of async clients renewed as those of others are? The tests are those of the clients that wait."""

from __future__ import annotations

from typing import Any

import labgate
from tests.sdk.awaiting import Awaiting, awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one
from tests.sdk.test_sdk_renewal import old, refreshes

globals().update(
    laws_of(
        "test_sdk_renewal",
        # `map` works on threads, and refuses async clients: see below for `gather`.
        "test_many_calls_at_once_cost_one_renewal_and_none_of_them",
        # A loop's client is neither another thread's nor a forked child's.
        "test_many_threads_share_one_renewal",
        "test_a_forked_child_renews_although_a_thread_of_its_parent_was_renewing",
    )
)


def test_calls_that_are_gathered_cost_one_renewal_and_none_of_them(
    gate: str,
    issuer: Any,
    awaited: Awaiting,  # noqa: F811
) -> None:
    lab = old(gate, issuer).target
    found = awaited.run(lambda: labgate.gather(*(lab.jobs.hello(q=at) for at in range(200))))
    assert found == ["hello"] * 200
    assert len(refreshes(issuer)) == 1
