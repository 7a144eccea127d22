"""Does a client show only what the gate advertises, and follow when that changes?"""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - the law is that users can pickle what this package raises
import subprocess
import sys
import threading
from typing import Any

import pytest

import labgate
from labgate.errors import Error, Forbidden, InvalidParams, NeedsDatastack, NotFound, RemoteError, SetupError
from tests.sdk.conftest import TOKEN, Gate, ScriptedError


def later(lab: Any) -> None:
    """Let the next look at the gate be due, as it is after 30 s."""
    lab._session.link._next_look = 0.0
    lab._session.link._tried.clear()


def test_a_client_shows_only_what_the_gate_advertises(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    assert dir(lab) == ["jobs"]
    assert dir(lab.jobs) == ["anything", "enqueue_job", "get_job", "list_lanes"]
    own = {name for name in dir(type(lab)) if not name.startswith("_")}
    assert own == {"jobs"}


def test_dots_nest(gate: Gate) -> None:
    gate.add("deep.er.thing", 3)
    gate.add("deep.thing", 2)
    lab = labgate.connect(gate.url)
    assert dir(lab.deep) == ["er", "thing"]
    assert (lab.deep.er.thing(), lab.deep.thing(), lab["deep.er.thing"](), lab["deep"]["er.thing"]()) == (
        3,
        2,
        3,
        3,
    )
    assert lab["deep.er"] is lab.deep.er


def test_a_wrong_name_is_an_attribute_error_that_says_what_was_meant(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    with pytest.raises(AttributeError, match=r"no 'jobs.get_jbo'; did you mean get_job\?"):
        _ = lab.jobs.get_jbo
    with pytest.raises(AttributeError, match=r"did you mean jobs\?"):
        _ = lab.job
    with pytest.raises(AttributeError, match=r"did you mean jobs.get_job\?"):
        _ = lab.get_job
    assert not hasattr(lab.jobs, "zzz")
    assert getattr(lab.jobs, "zzz", 5) == 5


def test_a_name_of_a_service_that_is_down_says_that_it_is(gate: Gate) -> None:
    gate.about["namespaces"] = {"tiles": {"down": True}, "jobs": {"down": False}}
    gate.add("tiles.get_tile")
    lab = labgate.connect(gate.url)
    with pytest.raises(AttributeError, match=r"the service tiles is down, .* see labgate\.status\(lab\)"):
        _ = lab.tiles.nothing_like_it
    with pytest.raises(
        NotFound, match=r"'tiles.nothing_like_it'\nThe service tiles is down, .*status\(lab\)\."
    ):
        _ = lab["tiles.nothing_like_it"]
    with pytest.raises(AttributeError) as caught:
        _ = lab.jobs.nothing_like_it
    assert "down" not in str(caught.value)


def test_python_does_not_say_did_you_mean_twice(gate: Gate) -> None:
    code = f"import labgate; labgate.connect({gate.url!r}).jobs.get_jbo"
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ended.stderr.lower().count("did you mean") == 1


def test_a_wrong_name_asks_the_gate_once_and_then_not_for_30_seconds(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    later(lab)
    for _ in range(5):
        assert not hasattr(lab.jobs, "nothing")
    assert gate.documents() == 2
    assert gate.requests[-1][2]["if-none-match"] == f'"{gate.version}"'


def test_names_with_an_underscore_in_front_never_ask_the_gate(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    later(lab)
    for name in ("_repr_png_", "_ipython_display_", "__wrapped__", "_x"):
        assert not hasattr(lab, name)
        assert not hasattr(lab.jobs, name)
    assert gate.documents() == 1


def test_a_new_method_is_found_by_its_first_use(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    gate.add("jobs.brand_new", "new")
    gate.add("other.one", "one")
    later(lab)
    assert lab.jobs.brand_new() == "new"
    assert lab.other.one() == "one"
    gate.add("jobs.newer", "newer")
    later(lab)
    assert lab["jobs.newer"]() == "newer"


def test_a_reply_that_names_another_version_brings_the_news_without_polling(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    call = lab.jobs.list_lanes
    call()
    gate.methods["jobs.list_lanes"]["params"] = [{"name": "project", "required": True}]
    del gate.methods["jobs.anything"]
    gate.add("jobs.added", 1)
    for _ in range(3):
        call()
    assert gate.documents() == 1  # no call waits for the news
    with pytest.raises(TypeError, match="project"):
        lab.jobs.list_lanes()
    assert gate.documents() == 2
    assert dir(lab.jobs) == ["added", "enqueue_job", "get_job", "list_lanes"]
    with pytest.raises(AttributeError):
        _ = lab.jobs.anything
    assert gate.documents() == 2


def test_two_gates_that_disagree_behind_one_address_do_not_make_every_access_a_request(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    gate.reply_headers["Labgate-Catalog"] = "another"
    for _ in range(10):
        lab.jobs.list_lanes()
    assert gate.documents() == 2


def test_a_namespace_that_vanishes_is_gone_and_one_that_is_held_is_empty(gate: Gate) -> None:
    gate.add("brief.one", 1)
    lab = labgate.connect(gate.url)
    held = lab.brief
    one = held.one
    del gate.methods["brief.one"]
    assert labgate.refresh(lab).removed == ("brief.one",)
    assert dir(lab) == ["jobs"]
    assert dir(held) == []
    for name in ("brief",):
        with pytest.raises(AttributeError):
            getattr(lab, name)
    with pytest.raises(AttributeError):
        _ = held.one
    assert one() == 1  # a function in hand still asks: the gate decides
    gate.add("brief.one", 1)
    labgate.refresh(lab)
    assert lab.brief.one() == 1


def test_a_method_that_becomes_a_namespace_and_back_follows(gate: Gate) -> None:
    gate.add("turn", "method")
    lab = labgate.connect(gate.url)
    assert lab.turn() == "method"
    del gate.methods["turn"]
    gate.add("turn.around", "inner")
    labgate.refresh(lab)
    assert lab.turn.around() == "inner"
    gate.add("turn", "method")
    labgate.refresh(lab)
    assert lab.turn() == "method"
    assert lab["turn.around"]() == "inner"


def test_views_and_second_clients_share_the_catalog_and_follow_it(gate: Gate) -> None:
    lab, twin = labgate.connect(gate.url), labgate.connect(gate.url)
    view = lab(timeout=5)
    assert gate.documents() == 1
    assert type(twin) is type(lab) is type(view)
    gate.add("jobs.added", 1)
    labgate.refresh(twin)
    assert lab.jobs.added() == view.jobs.added() == 1
    assert lab._session.link.pool is view._session.link.pool


def test_options_of_a_view_reach_the_gate_and_leave_the_client_alone(gate: Gate) -> None:
    lab = labgate.connect(gate.url, timeout=9, headers={"X-One": "1", "X-Two": "2"})
    lab(timeout=5, headers={"x-two": "two", "Idempotency-Key": "k"}, fresh=True)(max_age=60).jobs.list_lanes()
    lab(max_age=60).jobs.list_lanes()
    lab(fresh=True)(fresh=False).jobs.list_lanes()
    first, second, third = (headers for verb, _, headers, _ in gate.requests if verb == "POST")
    assert (first["labgate-timeout"], first["x-one"], first["x-two"], first["idempotency-key"]) == (
        "5",
        "1",
        "two",
        "k",
    )
    assert first["cache-control"] == "no-cache"
    assert second["cache-control"] == "max-age=60"
    assert (third["labgate-timeout"], third["x-two"], third.get("cache-control")) == ("9", "2", None)
    with pytest.raises(TypeError, match="timeot"):
        lab(timeot=5)
    with pytest.raises(SetupError):
        lab(timeout=-5)


def test_a_name_that_there_is_not_raises_not_found_in_brackets(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    with pytest.raises(NotFound, match=r"Did you mean jobs\.get_job\?") as caught:
        _ = lab["jobs.get_jbo"]
    assert isinstance(caught.value, LookupError)
    with pytest.raises(NotFound):
        _ = lab.jobs["nothing"]
    for key in (0, None, b"jobs.get_job"):
        with pytest.raises(TypeError, match="named by a str"):
            _ = lab[key]
    with pytest.raises(TypeError, match="not iterable"):
        list(lab)
    with pytest.raises(TypeError):
        _ = "jobs" in lab


def test_the_gates_own_describe_methods_are_reached_though_no_list_has_them(gate: Gate) -> None:
    gate.answers["rpc.discover"] = lambda params: {"openrpc": "1.3.2", "params": params}
    lab = labgate.connect(gate.url)
    assert lab["rpc.discover"]()["openrpc"] == "1.3.2"
    assert lab["rpc.discover"](datastack="d")["params"] == {"datastack": "d"}


def test_brackets_of_a_namespace_call_its_one_method_for_items(gate: Gate) -> None:
    gate.add(
        "data.open",
        lambda params: params,
        params=[{"name": "key", "required": True}],
        **{"x-labgate": {"item": True}},
    )
    gate.add("data.list", [])
    lab = labgate.connect(gate.url)
    with pytest.raises(AttributeError, match=r"""has no 'data.runs'; an entry is in brackets: \["runs"\]"""):
        _ = lab.data.runs
    assert lab.data["a.b"] == {"key": "a.b"}
    assert lab.jobs["get_job"] == lab.jobs.get_job
    gate.add("data.second", **{"x-labgate": {"item": True}})
    labgate.refresh(lab)
    with pytest.raises(NotFound):
        _ = lab.data["a.b"]


def test_a_local_namespace_without_a_datastack_names_those_there_are(gate: Gate) -> None:
    gate.about["local"] = {"chunkedgraph": ["minnie65", "fly1"]}
    lab = labgate.connect(gate.url)
    with pytest.raises(NeedsDatastack, match=r'connect\(datastack="minnie65"\)') as caught:
        _ = lab.chunkedgraph
    assert caught.value.datastacks == ("minnie65", "fly1")
    assert pickle.loads(pickle.dumps(caught.value)).datastacks == ("minnie65", "fly1")
    assert not hasattr(lab, "chunkedgraph")


@pytest.mark.parametrize("wire", ["chunkedgraph.get_roots", "chunkedgraph"])
def test_a_wire_name_in_a_local_namespace_names_the_datastacks_too(gate: Gate, wire: str) -> None:
    gate.about["local"] = {"chunkedgraph": ["minnie65", "fly1"]}
    lab = labgate.connect(gate.url)
    with pytest.raises(NeedsDatastack, match="exists only within a datastack: minnie65, fly1"):
        lab[wire]
    with labgate.batch(lab) as many, pytest.raises(NeedsDatastack, match="minnie65, fly1"):
        many[wire]


def test_the_datastack_goes_with_every_request(gate: Gate) -> None:
    lab = labgate.connect(server_address=gate.url, datastack_name="a b/ü")
    lab.jobs.list_lanes()
    assert [target for _, target, _, _ in gate.requests] == [
        "/openrpc.json?datastack=a%20b%2F%C3%BC",
        "/rpc?datastack=a%20b%2F%C3%BC",
    ]


def test_the_token_is_sent_and_shown_nowhere(gate: Gate) -> None:
    lab = labgate.connect(gate.url, datastack="d")
    lab.jobs.list_lanes()
    assert all(headers["authorization"] == f"Bearer {TOKEN}" for _, _, headers, _ in gate.requests)
    shown = [
        lab,
        lab.jobs,
        lab.jobs.get_job,
        lab._session,
        lab._session.link,
        lab.__reduce__(),
        lab.jobs.__reduce__(),
    ]
    assert TOKEN not in " ".join(map(repr, shown))
    assert repr(lab) == f"<labgate client of {gate.url} datastack=d: 4 methods in 1 namespaces>"


def test_errors_of_the_gate_and_of_services_are_told_apart(gate: Gate) -> None:
    def answer(error: ScriptedError) -> Any:
        def raises(_: Any) -> Any:
            raise error

        return raises

    own = {"fault": "Forbidden", "service": "jobs", "method": "jobs.list_lanes", "request_id": "r-77"}
    lab = labgate.connect(gate.url)
    gate.answers["jobs.list_lanes"] = answer(ScriptedError(-32002, "not for you", data=own))
    with pytest.raises(Forbidden, match=r"jobs\.list_lanes: not for you") as caught:
        lab.jobs.list_lanes()
    assert (caught.value.request_id, caught.value.service, caught.value.http_status) == ("r-77", "jobs", 200)
    gate.answers["jobs.list_lanes"] = answer(ScriptedError(-32002, "mine", data={"x": 1}, name="Oops"))
    with pytest.raises(RemoteError, match=r"mine \(code -32002\)") as remote:
        lab.jobs.list_lanes()
    assert not isinstance(remote.value, Forbidden)
    assert (remote.value.code, remote.value.data, remote.value.members) == (
        -32002,
        {"x": 1},
        {"name": "Oops"},
    )
    assert remote.value.request_id == "r-1"
    gate.answers["jobs.list_lanes"] = answer(ScriptedError(-32602, "bad", data="text"))
    with pytest.raises(InvalidParams) as both:
        lab.jobs.list_lanes()
    assert isinstance(both.value, RemoteError)
    lost = {**own, "fault": "UpstreamUnreachable", "maybe_executed": True}
    gate.answers["jobs.list_lanes"] = answer(ScriptedError(-32003, "gone", data=lost))
    with pytest.raises(labgate.errors.Unreachable, match="may have been carried out") as unknown:
        lab.jobs.list_lanes()
    assert unknown.value.maybe_executed is True


@pytest.mark.parametrize("named", [["em.read"], [], "em.read", None, {"a": 1}, [7, "em.read"]])
def test_whoever_may_not_is_told_the_scope_that_would_do_where_the_gate_names_one(
    gate: Gate, named: object
) -> None:
    def refuses(_: Any) -> Any:
        raise ScriptedError(-32002, "not for you", data={"fault": "Forbidden", "scopes": named})

    gate.answers["jobs.list_lanes"] = refuses
    with pytest.raises(Forbidden) as caught:
        labgate.connect(gate.url).jobs.list_lanes()
    told = isinstance(named, list) and "em.read" in named
    assert caught.value.scopes == (("em.read",) if told else ())
    assert ("with the scope em.read" in str(caught.value)) is told


@pytest.mark.parametrize(
    "error", ["text", 7, [], {}, {"code": "x", "message": 5, "data": []}, {"code": True}]
)
def test_an_error_of_any_shape_is_an_error(gate: Gate, error: Any) -> None:
    from labgate._outcome import error_of
    from labgate._wire import Response

    found = error_of(error, Response(200, {}, b"", reusable=True), "a.b")
    assert isinstance(found, Error)
    assert str(found)
    assert isinstance(found.code, int)


def test_a_hint_that_the_gates_message_gives_is_not_given_twice(gate: Gate) -> None:
    said = "no method is called jobs.x: did you mean jobs.y?"
    data = {"fault": "UnknownMethod", "did_you_mean": ["jobs.y"]}
    gate.add("jobs.ask", lambda _: (_ for _ in ()).throw(ScriptedError(-32601, said, data=data)))
    with pytest.raises(NotFound) as caught:
        labgate.connect(gate.url).jobs.ask()
    assert str(caught.value).lower().count("did you mean") == 1


def test_an_option_that_there_is_not_is_one_of_the_clients(gate: Gate) -> None:
    with pytest.raises(TypeError, match=r"^client\(\) got an unexpected keyword argument 'timout'"):
        labgate.connect(gate.url)(timout=5)  # type: ignore[call-arg]


def test_copies_of_a_client_are_clients(gate: Gate) -> None:
    lab = labgate.connect(gate.url)(timeout=7)
    for twin in (copy.copy(lab), copy.deepcopy(lab)):
        assert twin.jobs.list_lanes() == ["a", "b"]
        assert twin._session.options.timeout == 7


def test_threads_that_use_methods_while_others_refresh_meet_no_error(gate: Gate) -> None:
    for number in range(40):
        gate.add(f"many.m{number}", number)
    lab = labgate.connect(gate.url)
    failures: list[BaseException] = []
    ended = threading.Event()

    def change() -> None:
        for number in range(20):
            gate.methods["many.m0"]["summary"] = str(number)
            gate.add(f"extra{number}.method", number)
            labgate.refresh(lab)
        ended.set()

    def use() -> None:
        try:
            while not ended.is_set():
                for name in dir(lab.many):
                    assert callable(getattr(lab.many, name))
                assert lab.many.m0() == 0
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for work in (change, use, use, use)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert lab.extra19.method() == 19
    assert lab.many.m0.__doc__.startswith("19")


def test_a_method_that_is_touched_while_a_refresh_takes_it_away_does_not_come_back(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    space = lab.jobs
    lazy = vars(type(space))["anything"]
    del gate.methods["jobs.anything"]
    labgate.refresh(lab)
    with pytest.raises(AttributeError):
        lazy.__get__(space, type(space))
    assert "anything" not in vars(type(space))


def test_nothing_can_be_set_on_a_client(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    for node, name in ((lab, "jobs"), (lab, "x"), (lab.jobs, "get_job"), (lab.jobs, "y")):
        with pytest.raises(AttributeError):
            setattr(node, name, 1)


def test_a_gate_that_is_away_leaves_the_names_as_they_were(gate: Gate) -> None:
    lab = labgate.connect(gate.url, retries=0)
    gate.token = "another"
    later(lab)
    with pytest.raises(AttributeError, match="did you mean get_job"):
        _ = lab.jobs.get_jbo
    with pytest.raises(labgate.errors.Unauthenticated):
        labgate.refresh(lab)
    assert dir(lab.jobs) == ["anything", "enqueue_job", "get_job", "list_lanes"]
