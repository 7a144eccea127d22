"""How do real JSON-RPC servers behave when they are asked directly? What the gate has to absorb."""

import http.client
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

UPSTREAMS = ("flask-jsonrpc-2", "flask-jsonrpc-4", "jsonrpclib-pelix", "openrpc", "django-modern-rpc")
OFFERED = {"subtract", "add", "echo", "fail", "get_stats", "notify_counter", "count", "big", "files.get-raw"}

ADD = {"jsonrpc": "2.0", "method": "add", "params": [1, 2], "id": 1}
NOTE = {"jsonrpc": "2.0", "method": "notify_counter", "params": []}

REQUESTS: dict[str, Any] = {
    "call": ADD,
    "call by name": ADD | {"params": {"b": 2, "a": 1}},
    "no params": {"jsonrpc": "2.0", "method": "notify_counter", "id": 1},
    "params {}": ADD | {"method": "notify_counter", "params": {}},
    "odd name": ADD | {"method": "files.get-raw", "params": ["x"]},
    "[]": [],
    "[1]": [1],
    "two notifications": [NOTE, NOTE],
    "call + notification": [ADD, NOTE],
    "two calls": [ADD, ADD | {"id": 2}],
    "notification": NOTE,
    "unknown notification": NOTE | {"method": "nope"},
    "unknown method": ADD | {"method": "nope"},
    "method raises": ADD | {"method": "fail", "params": []},
    "too few": ADD | {"params": [1]},
    "too many": ADD | {"params": [1, 2, 3]},
    "wrong name": ADD | {"params": {"a": 1, "c": 2}},
    "id null": ADD | {"id": None},
    "id empty": ADD | {"id": ""},
    "id 0": ADD | {"id": 0},
    "id 1.5": ADD | {"id": 1.5},
    "1.0 request": {"method": "add", "params": [1, 2], "id": 1},
    "not JSON": b"{bad",
    "2^70": ADD | {"method": "echo", "params": [2**70]},
    "NaN": ADD | {"method": "echo", "params": [float("nan")]},
    "lone surrogate": ADD | {"method": "echo", "params": ["\ud800"]},
}

BAD_ARGUMENTS = (
    "400 error -32602",
    "400 error -32602",
    "200 error -32602",
    "200 error -32602",
    "200 error -32602",
)
FINE = ("200 result 3",) * 5
NULL = ("200 result null",) * 5

# One column for each of UPSTREAMS. "(id null)" is said where the answer's id is not the request's.
FOUND: dict[str, tuple[str, ...]] = {
    "call": FINE,
    "call by name": FINE,
    "no params": NULL,
    "params {}": NULL,
    "odd name": ('200 result "raw x"',) * 5,
    "[]": ("400 error -32600", "400 error -32600", "200 error -32600", "200 []", "204 empty"),
    "[1]": ("200 [error -32600]", "200 [error -32600]", "200 [error -32600]", "200 [error -32600]", "500 html"),
    "two notifications": ("204 empty", "204 empty", "200 empty", "200 []", "204 empty"),
    "call + notification": ("200 [result 3]",) * 5,
    "two calls": ("200 [result 3, result 3]",) * 5,
    "notification": ("204 empty", "204 empty", "200 empty", "204 empty", "204 empty"),
    "unknown notification": ("400 error -32601", "400 error -32601", "200 empty", "204 empty", "204 empty"),
    "unknown method": (
        "400 error -32601", "400 error -32601", "200 error -32601", "200 error -32601", "200 error -32601",
    ),
    "method raises": (
        "500 error -32000", "500 error -32000", "200 error -32603", "200 error -32000", "200 error -32603",
    ),
    "too few": BAD_ARGUMENTS,
    "too many": ("400 error -32602", "200 result 3", "200 error -32602", "200 result 3", "200 error -32602"),
    "wrong name": BAD_ARGUMENTS,
    "id null": ("200 result 3", "200 result 3", "200 empty", "204 empty", "200 result 3"),
    "id empty": ("200 result 3", "200 result 3", "200 empty", "200 result 3", "200 result 3"),
    "id 0": FINE,
    "id 1.5": ("200 result 3", "200 result 3", "200 result 3", "200 error -32603 (id null)", "200 result 3"),
    "1.0 request": ("200 result 3", "200 result 3", "200 result 3", "200 result 3", "200 error -32600 (id null)"),
    "not JSON": ("400 error -32700", "400 error -32700", "200 error -32700", "200 error -32700", "200 error -32700"),
    "2^70": ("200 result 1180591620717411303424",) * 5,
    "NaN": ("200 result NaN", "200 result NaN", "200 result NaN", "200 result null", "200 result NaN"),
    "lone surrogate": (
        r'200 result "\ud800"', r'200 result "\ud800"', r'200 result "\ud800"', "500 html", r'200 result "\ud800"',
    ),
}  # fmt: skip


def ask(upstream: Any, request: Any, path: str | None = None) -> tuple[int, str, bytes]:
    """Status, media type and body of the answer to one POST on a connection of its own."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    with closing(http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=30)) as connection:
        connection.request("POST", path or upstream.rpc_path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read()


def result_of(upstream: Any, method: str, *params: Any, path: str | None = None) -> Any:
    """The result of a call, or None when the answer is an error."""
    request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 7}
    return json.loads(ask(upstream, request, path)[2]).get("result")


def in_words(request: Any, answer: tuple[int, str, bytes]) -> str:
    """An answer in the words of FOUND."""
    status, media_type, body = answer
    if not body:
        return f"{status} empty"
    if media_type.startswith("text/html"):
        return f"{status} html"
    read = json.loads(body)
    if isinstance(read, list):
        return f"{status} [{', '.join(_one(each) for each in read)}]"
    expected = request.get("id") if isinstance(request, dict) else None
    return f"{status} {_one(read)}" + ("" if read["id"] == expected or expected is None else " (id null)")


def _one(answer: dict[str, Any]) -> str:
    if answer.get("error") is not None:
        return f"error {answer['error']['code']}"
    return f"result {json.dumps(answer['result'])}"


@pytest.mark.parametrize("name", UPSTREAMS)
@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_is_answered_as_the_table_says(
    case: str, name: str, upstream: Callable[[str], Any]
) -> None:
    request = REQUESTS[case]
    if case == "unknown notification" and name.startswith("flask"):
        # Notifications get no answer, but Flask-JSONRPC answers those that it cannot carry out.
        assert json.loads(ask(upstream(name), request)[2])["id"] is None
    assert in_words(request, ask(upstream(name), request)) == FOUND[case][UPSTREAMS.index(name)]


def test_the_table_has_a_row_for_every_request() -> None:
    assert FOUND.keys() == REQUESTS.keys()


@pytest.mark.parametrize("name", UPSTREAMS)
def test_notifications_are_carried_out_alone_and_in_batches(
    name: str, fresh_upstream: Callable[[str], Any]
) -> None:
    server = fresh_upstream(name)
    ask(server, NOTE)
    ask(server, [NOTE, NOTE])
    ask(server, [ADD, NOTE])
    assert result_of(server, "count") == 4


DESCRIBES = {
    "flask-jsonrpc-2": {"system.describe"},
    "flask-jsonrpc-4": {"rpc.describe"},
    "jsonrpclib-pelix": {"system.listMethods"},
    "openrpc": {"rpc.discover"},
    "django-modern-rpc": {"system.listMethods"},
}


@pytest.mark.parametrize("name", UPSTREAMS)
def test_each_upstream_answers_exactly_one_kind_of_discovery(
    name: str, upstream: Callable[[str], Any]
) -> None:
    conventions = ("rpc.discover", "system.describe", "rpc.describe", "system.listMethods", "rpc_methods")
    answered = {method for method in conventions if result_of(upstream(name), method) is not None}
    assert answered == DESCRIBES[name]


def test_flask_jsonrpc_2_lists_procs_with_long_type_names_and_without_itself(
    upstream: Callable[[str], Any],
) -> None:
    described = result_of(upstream("flask-jsonrpc-2"), "system.describe")
    assert {proc["name"] for proc in described["procs"]} == OFFERED
    assert next(proc for proc in described["procs"] if proc["name"] == "get_stats") == {
        "name": "get_stats",
        "params": [{"name": "uid", "type": "String"}, {"name": "binning", "type": "Number"}],
        "return": {"type": "Object"},
        "summary": "Get made-up statistics of an image.",
    }


def test_flask_jsonrpc_4_describes_a_map_of_methods_with_itself(upstream: Callable[[str], Any]) -> None:
    methods = result_of(upstream("flask-jsonrpc-4"), "rpc.describe")["methods"]
    assert methods.keys() == OFFERED | {"rpc.describe"}
    assert methods["get_stats"]["params"] == [
        {"name": "uid", "type": "String"},
        {"name": "binning", "type": "Number"},
    ]
    assert methods["get_stats"]["returns"] == {"name": "default", "type": "Object"}


def test_flask_jsonrpc_4_discovers_with_servers_as_an_object_and_no_word_on_what_is_required(
    upstream: Callable[[str], Any],
) -> None:
    document = result_of(upstream("flask-jsonrpc-4"), "rpc.discover", path="/openrpc")
    assert document["openrpc"] == "1.3.2"
    assert document["servers"] == {"name": "default", "url": "/openrpc"}
    assert {method["name"] for method in document["methods"]} == OFFERED | {"rpc.describe", "rpc.discover"}
    assert not any("required" in param for method in document["methods"] for param in method["params"])


def test_openrpc_discovers_required_and_default_and_leaves_itself_out(
    upstream: Callable[[str], Any],
) -> None:
    document = result_of(upstream("openrpc"), "rpc.discover")
    methods = {method["name"]: method for method in document["methods"]}
    assert methods.keys() == OFFERED
    assert [param["required"] for param in methods["get_stats"]["params"]] == [True, False]
    assert methods["get_stats"]["params"][1]["schema"]["default"] == 1


SYSTEM = {"system.listMethods", "system.methodHelp", "system.methodSignature"}


@pytest.mark.parametrize(
    ("name", "more", "signature"),
    [
        ("jsonrpclib-pelix", SYSTEM, "signatures not supported"),
        ("django-modern-rpc", SYSTEM | {"system.multicall"}, [["int", "int", "int"]]),
    ],
)
def test_list_methods_names_itself_and_signatures_may_be_a_refusal_in_prose(
    name: str, more: set[str], signature: Any, upstream: Callable[[str], Any]
) -> None:
    server = upstream(name)
    assert set(result_of(server, "system.listMethods")) == OFFERED | more
    assert result_of(server, "system.methodSignature", "add") == signature
    assert result_of(server, "system.methodHelp", "add") == "Add two whole numbers."


@pytest.mark.parametrize("name", UPSTREAMS)
def test_a_wrong_path_is_404_without_json(name: str, upstream: Callable[[str], Any]) -> None:
    status, media_type, _ = ask(upstream(name), ADD, "/nowhere")
    assert status == 404
    assert media_type.startswith("text/")


def test_pelix_answers_a_1_0_request_with_error_null_and_labels_its_answers_json_rpc(
    upstream: Callable[[str], Any],
) -> None:
    _, media_type, body = ask(upstream("jsonrpclib-pelix"), REQUESTS["1.0 request"])
    assert json.loads(body) == {"result": 3, "id": 1, "error": None}
    assert media_type == "application/json-rpc"


@pytest.mark.parametrize("name", UPSTREAMS)
def test_an_errors_own_name_member_is_flasks_alone(name: str, upstream: Callable[[str], Any]) -> None:
    error = json.loads(ask(upstream(name), REQUESTS["unknown method"])[2])["error"]
    assert error.get("name") == ("MethodNotFoundError" if name.startswith("flask") else None)


def test_a_killed_upstream_refuses_connections(fresh_upstream: Callable[[str], Any]) -> None:
    server = fresh_upstream("jsonrpclib-pelix")
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        ask(server, ADD)
