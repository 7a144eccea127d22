"""Who may open entries of the catalog server, and what do its callers meet when it is slow, fails, restarts or changes?"""

from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from types import ModuleType

import numpy as np
import pytest

from gateway.demo.catalog.contents import contents


def test_whoever_lacks_the_secret_may_read_and_search_but_not_list_or_open(intake_lab: ModuleType) -> None:
    with intake_lab.running(secret="sesame") as lab:
        knows, lacks = lab.caller(intake_secret="sesame"), lab.caller(intake_secret="other")
        for path in ("/v1/info", "/v1/source?name=frames", "/v1/source?name=nothing"):
            response, _ = lacks.ask("GET", path)
            assert (response.status, response.reason) == (403, "Access forbidden")
        assert lacks.refused({"action": "open", "name": "notes"}) == (403, "Access forbidden")
        assert lacks.refused({"action": "open", "name": "nothing"})[0] == 404
        source = knows.open("notes")
        assert lacks.read(source)["format"] == "msgpack"
        assert lacks.post("search", query=[["beam"], {}])["source_id"].startswith("root-")
        assert knows.get("/v1/info")["length"] == 8


def test_every_server_has_the_same_data() -> None:
    for name in ("frames", "detectors.front", "detectors.back", "calibration"):
        one, other = (contents().find(name).made() for _ in range(2))
        assert np.array_equal(one.whole(), other.whole())


def test_what_was_asked_is_counted_by_its_name(intake_lab: ModuleType) -> None:
    with intake_lab.running() as lab:
        caller = lab.caller()
        caller.get("/v1/info")
        caller.read(caller.open("frames"), [0, 1, 0])
        inner = caller.open("detectors")["source_id"]
        caller.read(caller.post("open", inner, name="back"), 2)
        assert dict(lab.service.asked) == {
            "list": 1,
            "open frames": 1,
            "read frames [0, 1, 0]": 1,
            "open detectors": 1,
            "open detectors.back": 1,
            "read detectors.back 2": 1,
        }
        assert (lab.opens(), lab.opens("frames"), lab.reads("detectors.back")) == (3, 1, 1)
        lab.forget()
        assert lab.opens() == 0


def test_one_slow_read_holds_up_everybody(intake_lab: ModuleType) -> None:
    with intake_lab.running() as lab, ThreadPoolExecutor(2) as pool:
        caller = lab.caller()
        source = caller.open("notes")
        with lab.slow("^read notes") as held:
            reading = pool.submit(caller.read, source)
            assert held.arrived.wait(30)
            listing = pool.submit(caller.get, "/v1/info")
            with pytest.raises(TimeoutError):
                listing.result(0.2)
            held.release()
            assert reading.result()["format"] == "msgpack"
            assert listing.result()["length"] == 8


def test_requests_fail_or_end_without_an_answer_only_as_long_as_that_is_wanted(
    intake_lab: ModuleType,
) -> None:
    with intake_lab.running() as lab:
        caller = lab.caller()
        source = caller.open("notes")
        read = {"action": "read", "source_id": source["source_id"], "accepted_formats": ["msgpack"]}
        with lab.failing("^read"):
            assert caller.refused(read) == (500, "Internal Server Error")
        with lab.dying("^read"), pytest.raises(RemoteDisconnected):
            caller.read(source)
        assert caller.read(source)["container"] == "python"


def test_no_id_survives_a_restart(intake_lab: ModuleType) -> None:
    with intake_lab.running() as lab:
        caller, url = lab.caller(), lab.url
        read = {
            "action": "read",
            "source_id": caller.open("notes")["source_id"],
            "accepted_formats": ["msgpack"],
        }
        lab.restart()
        assert caller.refused(read) == (500, "Internal Server Error")
        read["source_id"] = caller.open("notes")["source_id"]
        with lab.down(), pytest.raises(ConnectionRefusedError):
            caller.get("/v1/info")
        assert lab.url == url
        assert caller.refused(read) == (500, "Internal Server Error")
        assert lab.reads("?") == 2


def test_data_that_change_are_seen_by_whoever_opens_them_anew(intake_lab: ModuleType) -> None:
    with intake_lab.running() as lab:
        caller = lab.caller()
        before = caller.open("frames")
        first = caller.array(before, [0, 0, 0])
        lab.change_values("frames")
        changed = caller.open("frames")
        assert {**changed, "source_id": ""} == {**before, "source_id": ""}
        assert np.array_equal(caller.array(changed, [0, 0, 0]), first + 1)
        lab.drift("frames")
        drifted = caller.open("frames")
        assert (drifted["dtype"], drifted["shape"]) == ("float64", [6, 96, 128])
        assert np.array_equal(caller.array(before, [0, 0, 0]), first)
