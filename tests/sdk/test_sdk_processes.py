"""Do clients cross process borders, without their token, and their errors too?"""

from __future__ import annotations

import multiprocessing
import pickle  # noqa: TID251 - the law is that users can pickle their clients
from typing import Any

import pytest

import labgate
from labgate.errors import RemoteError, Unauthenticated
from tests.sdk.conftest import TOKEN, Gate, ScriptedError


def test_a_client_comes_back_from_a_pickle_with_its_options_and_without_its_token(gate: Gate) -> None:
    lab = labgate.connect(gate.url, headers={"X-One": "1"}, retries=4)(timeout=7, fresh=True)
    data = pickle.dumps(lab)
    assert TOKEN.encode() not in data
    back = pickle.loads(data)
    assert back.jobs.list_lanes() == ["a", "b"]
    options = back._session.options
    assert (options.timeout, options.retries, options.fresh, options.headers) == (7, 4, True, {"X-One": "1"})


def test_namespaces_and_methods_come_back_from_a_pickle(gate: Gate) -> None:
    gate.add("deep.er.thing", 5)
    lab = labgate.connect(gate.url)
    for way in range(2, 6):
        assert pickle.loads(pickle.dumps(lab.deep.er, way)).thing() == 5
        assert pickle.loads(pickle.dumps(lab.jobs.list_lanes, way))() == ["a", "b"]
        assert pickle.loads(pickle.dumps(lab["jobs.list_lanes"], way))() == ["a", "b"]


def test_a_token_that_was_an_argument_is_found_anew_or_missed_clearly(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABGATE_TOKEN")
    data = pickle.dumps(labgate.connect(gate.url, token=TOKEN))
    with pytest.raises(Unauthenticated, match="LABGATE_TOKEN"):
        pickle.loads(data)
    monkeypatch.setenv("LABGATE_TOKEN", TOKEN)
    assert pickle.loads(data).jobs.list_lanes() == ["a", "b"]


@pytest.mark.parametrize("way", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_methods_run_in_other_processes_and_their_errors_come_back(gate: Gate, way: str) -> None:
    def broken(_: Any) -> Any:
        raise ScriptedError(-7, "it broke", data={"why": "x"})

    gate.answers["jobs.list_lanes"] = broken
    lab = labgate.connect(gate.url)
    lab.jobs.enqueue_job("J0")
    pool = multiprocessing.get_context(way).Pool(2)
    try:
        assert pool.map(lab.jobs.enqueue_job, ["J1", "J2"]) == [{"job_uid": "J1"}, {"job_uid": "J2"}]
        with pytest.raises(RemoteError, match="it broke") as caught:
            pool.apply(lab.jobs.list_lanes)
        assert (caught.value.code, caught.value.data, caught.value.method) == (
            -7,
            {"why": "x"},
            "jobs.list_lanes",
        )
    finally:
        pool.close()
        pool.join()
