"""JSON-RPC through a mount: what could be read in two ways is refused, and what may not be seen is cut out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import rpc_mount
from gateway.core.faults import InvalidRequest, ParseFault, TooLarge
from gateway.core.rpc_mount import RpcBody, RpcCall, filtered, is_list, named_method, split_answer, without_id


def read(body: bytes, *, max_batch: int = 10, max_depth: int = 20) -> RpcBody:
    return rpc_mount.read(body, max_batch=max_batch, max_depth=max_depth)


def single(body: bytes) -> RpcCall:
    said = read(body)
    assert not said.batch
    return said.calls[0]


# --- what is called ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "call"),
    [
        (b'{"method":"get","params":[1],"id":7,"jsonrpc":"2.0"}', RpcCall("get", b"[1]", b"7", 34)),
        (b' {"id" : "a" , "method" : "get" } ', RpcCall("get", None, b'"a"', 9)),
        (b'{"method":"get"}', RpcCall("get", None, None)),
        (b'{"\\u006dethod":"\\u0067et\\/x","params":null}', RpcCall("get/x", b"null", None)),
        (b'{"method":"","id":null}', RpcCall("", None, b"null", 18)),
        (b'{"method":"caf\xc3\xa9","id":1e2}', RpcCall("café", None, b"1e2", 23)),
        (b'{"method":"\\ud800","x":{"method":"other","id":[1]}}', RpcCall("\ud800", None, None)),
        # whether these are requests is for the upstream to say
        (
            b'{"method":"get","jsonrpc":1.0,"params":"text","id":{"a":[]}}',
            RpcCall("get", b'"text"', b'{"a":[]}', 51),
        ),
        (b'{"method":"get","params":[NaN,1e400,-0]}', RpcCall("get", b"[NaN,1e400,-0]", None)),
        (b'{"method":"get","auth":1,"auth":2}', RpcCall("get", None, None)),
    ],
)
def test_a_body_calls_the_method_that_it_names_however_that_is_spelled(body, call):
    assert read(body) == RpcBody((call,), batch=False)


@pytest.mark.parametrize(
    "members",
    [
        b'"method":"a","method":"a"',
        b'"method":"a","\\u006dethod":"b"',
        b'"method":"a","Method":"b"',
        b'"METHOD":"a"',
        b'"method":"a","params":[],"params":[]',
        b'"method":"a","Params":[]',
        '"method":"a","paramſ":[]'.encode(),
        b'"method":"a","param\\u017f":[]',
        b'"method":"a","id":1,"id":1',
        b'"method":"a","ID":1',
        b'"method":"a","jsonrpc":"2.0","jsonrpc":"1.0"',
        b'"method":"a","JsonRpc":"2.0"',
        b"",
        b'"id":1',
        b'"method":1',
        b'"method":null',
        b'"method":["a"]',
    ],
)
def test_a_member_twice_or_in_another_case_is_refused_and_so_is_a_request_without_a_method(members):
    for body in (b"{%b}", b'[{"method":"x"},{%b}]'):
        with pytest.raises(InvalidRequest):
            read(body % members)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"{", b'{"method":"a"', b'{"method":"a"}}', b'{"method":"a"} x', b"{'method':'a'}"),
        *(b'{"method":"a",}', b'{"method":"a"}{"method":"b"}', b'{"method":"a"//\n}', b'{method:"a"}'),
        *(b'\xef\xbb\xbf{"method":"a"}', b'{"method":"\xff"}', b'{"method":"a","x":"\xc0\xae"}', b"nul"),
        *(b'{"method":"a\nb"}', b'{"method":"\\x"}', b"[", b'[{"method":"a"}', b'[{"method":"a"},]'),
        *(b'[{"method":"a"}]]', b'{"method":"a","params":[01]}', '{"method":"a"}'.encode("utf-16")),
        b'{"method":"a","params":' + b"[" * 30 + b"]" * 30 + b"}",
        b'[{"method":"a","params":' + b"[" * 19 + b"]" * 19 + b"}]",
    ],
)
def test_what_is_no_json_is_refused_whole(body):
    with pytest.raises(ParseFault):
        read(body)


@pytest.mark.parametrize(
    "body", [b"1", b'"a"', b"null", b"[1]", b'[{"method":"a"},[]]', b'[[{"method":"a"}]]']
)
def test_a_body_is_an_object_or_an_array_of_objects(body):
    with pytest.raises(InvalidRequest):
        read(body)


def test_a_batch_is_each_of_its_entries_and_an_empty_one_calls_nothing():
    body = b' [ {"method":"a","id":1} , {"id":"x","method":"b","params":{}} ]'
    said = read(body)
    assert said.batch
    assert [(call.method, call.params, call.id) for call in said.calls] == [
        ("a", None, b"1"),
        ("b", b"{}", b'"x"'),
    ]
    assert [body[call.at :][: len(call.id or b"")] for call in said.calls] == [b"1", b'"x"']
    assert read(b"[ ]") == RpcBody((), batch=True)


def test_a_batch_is_not_longer_than_it_may_be_and_its_rest_is_not_read():
    entry = b'{"method":"a"}'
    assert len(read(b"[" + b",".join([entry] * 10) + b"]").calls) == 10
    for end in (b"]", b", what is this?"):
        with pytest.raises(TooLarge):
            read(b"[" + b",".join([entry] * 11) + end)


def test_depth_is_counted_alike_in_a_batch_and_outside():
    body = b'{"method":"a","params":[[]]}'
    assert read(body, max_depth=3)
    assert read(b"[" + body + b"]", max_depth=4)
    for deeper, depth in ((body, 2), (b"[" + body + b"]", 3)):
        with pytest.raises(ParseFault):
            read(deeper, max_depth=depth)


@given(
    st.text('{}[],:"\\ metho dMa1u006', max_size=40), st.sampled_from(["%s", '{"method":"a"%s}', "[{%s}]"])
)
def test_any_text_is_read_or_refused_and_what_is_read_is_what_a_json_reader_finds(text, frame):
    body = (frame % text).encode()
    try:
        said = read(body)
    except (ParseFault, InvalidRequest, TooLarge):
        return
    value = json.loads(body)
    entries = value if said.batch else [value]
    assert [call.method for call in said.calls] == [entry["method"] for entry in entries]
    assert ["id" in entry for entry in entries] == [call.id is not None for call in said.calls]


# --- which method is asked about -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "name"),
    [
        (b'["get"]', "get"),
        (b'{"method_name":"get"}', "get"),
        (b'[ "\\u0067et" ]', "get"),
        (b'["get","more"]', None),
        (b'{"name":"get","x":1}', None),
        (b'{"name":"secret","name":"get"}', None),
        (b'[{"name":"get"}]', None),
        (b'[["get"]]', None),
        (b"[1]", None),
        (b'"get"', None),
        (b"[]", None),
        (b"{}", None),
        (b"null", None),
        (None, None),
        (b"[" * 100_000, None),
    ],
)
def test_help_is_about_the_one_method_that_is_named_or_about_none_that_can_be_told(params, name):
    assert named_method(RpcCall("system.methodHelp", params, b"1")) == name


# --- lists ---------------------------------------------------------------------------------------------------


def seen(answer, *allowed: str):
    shown = filtered(json.dumps(answer).encode(), {*allowed}.__contains__)
    assert shown is not None
    return json.loads(shown)


def described(*names: str):
    return [{"name": name, "params": [{"name": "x"}]} for name in names]


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        # system.listMethods and rpc_methods
        (["a", "secret", "b"], ["a", "b"]),
        ({"methods": ["a", "secret"], "version": 1}, {"methods": ["a"], "version": 1}),
        (described("a", "secret"), described("a")),
        # system.describe
        ({"name": "x", "procs": described("secret", "b", "a")}, {"name": "x", "procs": described("b", "a")}),
        ({"procs": {"secret": {}, "a": {}}}, {"procs": {"a": {}}}),
        # rpc.describe
        ({"methods": {"a": {"name": "A"}, "secret": {"name": "a"}}}, {"methods": {"a": {"name": "A"}}}),
        # rpc.discover
        (
            {"openrpc": "1.3.2", "methods": [*described("secret", "a"), {"$ref": "#/x"}]},
            {"openrpc": "1.3.2", "methods": described("a")},
        ),
        # the methods by which a service describes itself are everyone's
        (["system.describe", "rpc.discover", "secret"], ["system.describe", "rpc.discover"]),
        (["secret"], []),
        ({"methods": None, "procs": "secret"}, {"methods": None, "procs": "secret"}),
        ("text", "text"),
        (None, None),
    ],
)
def test_a_list_shows_what_its_caller_may_call_whatever_the_convention(result, shown):
    head = {"jsonrpc": "2.0", "id": 2**70}
    assert seen({**head, "result": result}, "a", "b", "A") == {**head, "result": shown}
    assert seen([{**head, "result": result}, {**head, "error": {"code": 1}}], "a", "b", "A") == [
        {**head, "result": shown},
        {**head, "error": {"code": 1}},
    ]


@pytest.mark.parametrize(
    "body",
    [
        b' { "result" : [ "a" , "b" ] , "id" : 1e2 }\r\n',
        b'{"result":{"methods":[{"name":"a","default":1e400}]},"id":"\\u0041"}',
        b'{"error":{"message":"no"},"id":null}',
        b"[ ]",
        b"7",
    ],
)
def test_a_list_of_which_everything_may_be_seen_stays_byte_for_byte(body):
    assert filtered(body, {"a", "b"}.__contains__) == body


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"result":["a"]', b"\xff", b"[" * 100_000, b'{"a":1}{"b":2}']
)
def test_a_list_that_cannot_be_read_is_not_shown(body):
    assert filtered(body, lambda _: True) is None


NAME = st.text('ab.é"\\\ud800', max_size=3)


@given(st.lists(NAME), st.sets(NAME))
def test_no_list_of_names_shows_more_than_is_allowed_or_less(names, allowed):
    assert seen({"result": names}, *allowed)["result"] == [
        name for name in names if not name or name in allowed
    ]


def test_answers_that_list_methods_are_known_by_the_method_that_was_called():
    assert [*map(is_list, ("system.describe", "rpc.describe", "rpc.discover", "system.listMethods"))] == [
        True
    ] * 4
    assert not any(map(is_list, ("system.methodHelp", "system.multicall", "jobs.list", "System.Describe")))


# --- answers that serve again --------------------------------------------------------------------------------

SPACES = st.sampled_from([b"", b" ", b"\t\r\n"])
JSON = st.recursive(
    st.sampled_from(
        [
            b"1",
            b"-0.0",
            b"1e400",
            b"NaN",
            b"null",
            b'"\\ud800"',
            b'"\xc3\xa9"',
            b'"id"',
            b"18446744073709551617",
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: b"[" + b" ,".join(items) + b"]"),
        inner.map(lambda value: b'{ "id":%b}' % value),
    ),
    max_leaves=4,
)
IDS = st.one_of(
    st.integers().map(lambda number: b"%d" % number),
    st.text(max_size=6).map(lambda text: json.dumps(text).encode()),
    st.text(max_size=6).map(lambda text: json.dumps(text, ensure_ascii=False).encode()),
    st.sampled_from([b"null", b"1.0", b"1e2", b'"\\u0041"', b"[1]", b'{"id":7}']),
)


@st.composite
def objects(draw: st.DrawFn, **values: st.SearchStrategy[bytes]) -> tuple[bytes, bytes]:
    """What stands before and behind the id in an object with these members and an id, in any order."""
    members = draw(st.permutations([*values, "id"]))
    written = []
    for name in members:
        value = draw(values[name]) if name in values else b"\0"
        gaps = [draw(SPACES) for _ in range(4)]
        written.append(b'%b"%b"%b:%b%b%b' % (gaps[0], name.encode(), gaps[1], gaps[2], value, gaps[3]))
    before, _, behind = (b"{" + b",".join(written) + b"}").partition(b"\0")
    return draw(SPACES) + before, behind + draw(SPACES)


REQUESTS = objects(method=st.just(b'"get"'), params=JSON, jsonrpc=st.just(b'"2.0"'))


@given(REQUESTS, IDS, IDS)
def test_calls_that_differ_in_their_id_alone_are_equal_without_it(around, one, other):
    before, behind = around
    first, second = before + one + behind, before + other + behind
    assert without_id(first, single(first)) == without_id(second, single(second)) == before + b"\0" + behind


@given(REQUESTS, REQUESTS, IDS)
def test_calls_that_differ_in_more_are_not_equal_without_their_ids(one, other, token):
    bodies = [before + token + behind for before, behind in (one, other)]
    equal = without_id(bodies[0], single(bodies[0])) == without_id(bodies[1], single(bodies[1]))
    assert equal == (one == other)


def test_a_notification_is_not_equal_to_any_call_with_an_id():
    body = b'{"method":"get"}'
    assert without_id(body, single(body)) == body


@given(
    st.one_of(objects(result=JSON, jsonrpc=st.just(b'"2.0"')), objects(error=st.just(b"null"), result=JSON)),
    IDS,
)
def test_an_answer_is_what_stands_around_the_echoed_id_byte_for_byte(around, token):
    before, behind = around
    assert split_answer(before + token + behind, token) == (before, behind)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":2,"result":1}',
        b'{"id":1.0,"result":1}',
        b'{"id":"1","result":1}',
        b'{"result":{"id":1}}',
        b'{"id":1}',
        b'{"id":1,"error":{"code":1}}',
        b'{"id":1,"result":1,"error":{"code":1}}',
        b'{"id":1,"result":1,"error":0}',
        b'{"id":1,"result":1,"id":1}',
        b'{"id":1,"result":1,"\\u0069d":2}',
        b'{"id":1,"result":1,"result":2}',
        b'[{"id":1,"result":1}]',
        b'{"id":1,"result":1}{}',
        b'{"id":1,"result":1',
        b'{"id":1,"result":"\xff"}',
        b'{"id":1,"result":1,"\xff":2}',
        b'\xef\xbb\xbf{"id":1,"result":1}',
        b"",
        b"<html>",
    ],
)
def test_an_answer_that_is_no_plain_result_for_this_id_never_serves_again(body):
    assert split_answer(body, b"1") is None
