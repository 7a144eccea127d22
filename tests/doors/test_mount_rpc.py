"""JSON-RPC through a mount: every call in a body is the method that it names, and the body passes byte for byte."""

import gzip
import json

import pytest
from mounted_labs import INTROSPECTION, NAMES, RPC, Calc, call
from mounting import Upstream, as_json, told


@pytest.fixture
def calc():
    return Calc()


@pytest.fixture
async def up(stand, calc) -> Upstream:
    upstream = await stand.upstream()
    upstream.on("/api", calc)
    await stand.gate(RPC.format(url=upstream.url))
    upstream.asked.clear()
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


@pytest.fixture
def sam(stand, up):
    return stand.caller("some", name="sam")


async def test_a_body_passes_as_it_was_sent_and_its_answer_as_it_came(up, ada):
    odd = b'[123456789012345678901234567890, NaN, -Infinity, 1e400, -0.0, "\\ud800", {"b":1,  "a":2,"b":3}, "\xc3\xa9"]'
    body = (
        b'  {"method":"add","extra":{"method":"secret"},"params":' + odd + b',"id":  1e0, "jsonrpc":"2.0"}\n'
    )
    answer = await ada.rpc("/calc/api?a=%2F", body)
    assert up.asked[-1].body == body
    assert up.asked[-1].target == "/api?a=%2F"
    assert (answer.status, answer.reason) == (200, b"Fine")
    assert answer.body == b'{ "jsonrpc":"2.0", "result":%b, "id":1e0 }' % odd


async def test_each_entry_of_a_batch_counts_and_one_that_is_forbidden_refuses_the_whole(up, ada, sam):
    batch = [call("get"), call("add", 1, token=2), call("secret", token=3)]
    answer = await sam.rpc("/calc/api", batch)
    assert (answer.status, answer.fault) == (403, "Forbidden")
    assert "calc.secret" in answer.body.decode()
    assert up.asked == []
    assert len(json.loads((await sam.rpc("/calc/api", batch[:2])).body)) == 2
    assert len(json.loads((await ada.rpc("/calc/api", batch)).body)) == 3


async def test_a_notification_counts_as_a_call_does(up, sam):
    said = {"jsonrpc": "2.0", "method": "secret"}
    assert (await sam.rpc("/calc/api", said)).status == 403
    assert (await sam.rpc("/calc/api", [call("get"), said])).status == 403
    assert up.asked == []
    assert (await sam.rpc("/calc/api", said | {"method": "add"})).body == b""


@pytest.mark.parametrize("token", [b"7", b"1e0", b'"a b"', b'"\\u00e9"', b"123456789012345678901234567890"])
async def test_a_fault_has_the_id_of_the_one_call_that_it_is_about(up, ada, sam, token):
    def said(method: bytes) -> bytes:
        return b'{"jsonrpc":"2.0","method":"%b","id":%b}' % (method, token)

    forbidden = await sam.rpc("/calc/api", said(b"secret"))
    assert (forbidden.status, forbidden.fault) == (403, "Forbidden")
    await up.stop()
    gone = await ada.rpc("/calc/api", said(b"add"))
    assert (gone.status, gone.fault) == (502, "UpstreamUnreachable")
    assert all(one.body.endswith(b',"id":%b}' % token) for one in (forbidden, gone))


@pytest.mark.parametrize(
    "said", [[call("secret", token=3)], {"jsonrpc": "2.0", "method": "secret"}, {"method": 1, "id": 1}]
)
async def test_a_fault_of_a_batch_a_notification_or_no_call_has_none(up, sam, said):
    answer = await sam.rpc("/calc/api", said)
    assert answer.status in (400, 403)
    assert json.loads(answer.body)["id"] is None


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"{",
    "a text": b'"get"',
    "a number": b"1",
    "rubbish behind": b'{"method":"get","id":1}{"method":"secret","id":1}',
    "an array within": b'[[{"method":"get","id":1}]]',
    "a number within": b'[{"method":"get","id":1}, 1]',
    "no method": b'{"id":1}',
    "a method that is no text": b'{"method":["get"],"id":1}',
    "a method that is null": b'{"method":null,"id":1}',
    "two methods": b'{"method":"get","method":"secret","id":1}',
    "two methods, one escaped": b'{"method":"get","\\u006dethod":"secret","id":1}',
    "two methods, one in capitals": b'{"method":"get","Method":"secret","id":1}',
    "a method in capitals": b'{"METHOD":"get","id":1}',
    "two ids": b'{"method":"get","id":1,"id":2}',
    "two params": b'{"method":"get","params":[],"params":[1],"id":1}',
    "UTF-8 that is broken": b'{"method":"get\xff","id":1}',
    "UTF-16": '{"method":"get","id":1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"method":"get","id":1}',
    "a comment": b'{"method":"get",/* "method":"secret" */"id":1}',
    "quotes of another kind": b"{'method':'get','id':1}",
    "too deep": b'{"method":"get","params":' + b"[" * 30 + b"]" * 30 + b',"id":1}',
    "a form": b"method=get&id=1",
    "one of two is unreadable": b'[{"method":"get","id":1},{"method":"get","Method":"secret","id":2}]',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=list(UNREADABLE))
async def test_a_body_that_could_be_read_in_two_ways_or_in_none_is_a_400_and_goes_nowhere(up, ada, body):
    line = await ada.line()
    answer = await ada.rpc("/calc/api", body, on=line)
    assert (answer.status, answer.fault in ("ParseFault", "InvalidRequest")) == (400, True)
    assert up.asked == []
    assert (await ada.rpc("/calc/api", call("get"), on=line)).status == 200


@pytest.mark.parametrize("coding", ["gzip", "identity, gzip", "zstd", "x"])
async def test_a_body_with_a_coding_is_refused_since_nobody_knows_what_it_calls(up, ada, coding):
    answer = await ada.rpc("/calc/api", call("get"), f"Content-Encoding: {coding}")
    assert (answer.status, answer.fault) == (400, "BadRequest")
    answer = await ada.rpc(
        "/calc/api", call("get"), "Content-Encoding: identity", f"Content-Encoding: {coding}"
    )
    assert answer.status == 400
    assert up.asked == []
    assert (await ada.rpc("/calc/api", call("get"), "Content-Encoding: Identity")).status == 200


@pytest.mark.parametrize("method", ["\\u0073ecret", "sec\\u0072et"])
async def test_a_methods_name_is_what_it_means_however_it_is_escaped(up, ada, sam, method):
    body = b'{"jsonrpc":"2.0","method":"%b","id":1}' % method.encode()
    assert (await sam.rpc("/calc/api", body)).status == 403
    assert (await ada.rpc("/calc/api", body)).status == 200
    assert [one.body for one in up.asked] == [body]


async def test_what_is_not_described_is_service_http(stand, up, ada, sam):
    rest = stand.caller("rest", name="rita")
    for method in ("unknown", "Secret", "secret ", "calc.secret", ""):
        assert (await sam.rpc("/calc/api", call(method))).status == 403
        assert (await rest.rpc("/calc/api", call(method))).status == 200
    assert (await rest.rpc("/calc/api", call("get"))).status == 403, "what is described is not"


async def test_what_else_is_below_the_rpc_path_may_change_anything_and_is_service_http(stand, up, ada, sam):
    rest = stand.caller("rest", name="rita")
    targets = (
        "/calc/api?method=secret",
        "/calc/api",
        "/calc/api/",
        "/calc/api/secret",
        "/calc//api/x",
        "/calc/%61pi",
    )
    up.on("/api", told(b"no", status="503 Not Now"))
    for target in targets:
        assert (await sam.get(target)).status == 403, target
        answer = await rest.get(target)
        assert answer["Cache-Status"].endswith('detail="unsafe"'), target
        assert answer.status == (500 if target.partition("?")[0] == "/calc/api" else answer.status)
    assert (await sam.rpc("/calc/api/", call("get"))).status == 403
    assert (await sam.ask("PUT", "/calc/api", body=json.dumps(call("get")).encode())).status in (403, 405)
    before = len(up.asked)
    assert (await sam.get("/calc/files/x")).status == 403
    assert (await rest.get("/calc/files/x")).status == 200
    assert len(up.asked) == before + 1


# --- what is there


@pytest.mark.parametrize("method", INTROSPECTION)
async def test_a_list_through_a_mount_holds_what_its_caller_may_call(up, ada, sam, method, calc):
    answer = json.loads((await sam.rpc("/calc/api", call(method, token="x"))).body)
    result = answer["result"]
    listed = result if isinstance(result, list) else result.get("procs") or result["methods"]
    assert [one if isinstance(one, str) else one["name"] for one in listed] == ["get", "add"]
    assert answer["id"] == "x"
    body = json.dumps(call(method, token="x")).encode()
    assert (await ada.rpc("/calc/api", body)).body == calc.one(body, json.loads(body)), "as it came"


async def test_a_list_beside_other_calls_is_refused_since_nobody_knows_which_answer_is_the_list(up, ada, sam):
    for caller in (ada, sam):
        answer = await caller.rpc("/calc/api", [call("add", "secret"), call("system.listMethods", token=2)])
        assert (answer.status, answer.fault) == (400, "InvalidRequest")
    assert up.asked == []


async def test_a_list_is_had_by_a_caller_who_takes_compressed_answers(up, ada, sam):
    plain = json.dumps({"jsonrpc": "2.0", "result": list(NAMES), "id": 1}).encode()

    async def compressed(asked):
        if any(b"gzip" in value for value in asked.values("Accept-Encoding")):
            return told(gzip.compress(plain), "Content-Encoding: gzip")
        return told(plain)

    up.on("/api", compressed)
    for caller, listed in ((ada, list(NAMES)), (sam, ["get", "add"])):
        answer = await caller.rpc("/calc/api", call("system.listMethods"), "Accept-Encoding: gzip")
        assert answer.status == 200
        body = gzip.decompress(answer.body) if answer["Content-Encoding"] == "gzip" else answer.body
        assert json.loads(body)["result"] == listed


async def test_a_list_that_cannot_be_read_is_a_502_and_tells_nothing(up, ada):
    up.on("/api", told(b"<p>secret</p>"))
    answer = await ada.rpc("/calc/api", call("system.describe"))
    assert (answer.status, answer.fault) == (502, "UpstreamBroken")
    assert b"secret" not in answer.body
    up.on("/api", told(b"<p>no</p>", status="404 Not Found"))
    answer = await ada.rpc("/calc/api", call("system.describe"))
    assert (answer.status, answer.body) == (404, b"<p>no</p>")


async def test_a_list_that_has_to_be_read_here_is_no_larger_than_a_description_may_be(stand, up, ada):
    up.on("/api", told(b'{"result": [%b], "id": 1}' % b",".join([b'"get"'] * 10_000)))
    answer = await ada.rpc("/calc/api", call("system.listMethods"))
    assert (answer.status, answer.fault) == (413, "TooLarge")
    assert (await ada.rpc("/calc/api", call("system.listMethods"))).status == 413
    assert stand.running.estate.upstreams["calc"].in_flight == 0


async def test_help_is_given_for_what_may_be_called_and_what_calls_by_name_is_never_called(up, ada, sam):
    for method in ("system.methodHelp", "system.methodSignature"):
        assert (await sam.rpc("/calc/api", call(method, "get"))).status == 200
        assert (await sam.rpc("/calc/api", call(method) | {"params": {"method_name": "get"}})).status == 200
        for params in (["secret"], ["nothing"], [], [1], ["get", "secret"], {"a": "secret"}, "secret", None):
            said = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
            assert (await sam.rpc("/calc/api", said)).status == 403, params
    seen = len(up.asked)
    for method in ("system.multicall", "system.MultiCall", "rpc.call", "system.anything"):
        for said in (call(method, []), [call("get"), call(method, [])]):
            assert (await ada.rpc("/calc/api", said)).status == 403, method
    assert len(up.asked) == seen


# --- bodies


@pytest.mark.parametrize("size", [1000, 65536, 65537, 200_000])
async def test_a_body_beyond_the_limit_is_413_and_goes_nowhere(up, ada, size):
    frame = len(json.dumps(call("add", "")))
    answer = await ada.rpc("/calc/api", call("add", "x" * (size - frame)))
    assert (answer.status, len(up.asked)) == ((200, 1) if size <= 65536 else (413, 0))


async def test_who_is_not_known_is_told_that_whatever_the_size_of_the_body(stand, up):
    for size in (10, 70_000, 200_000):
        assert (await stand.nobody().rpc("/calc/api", b"x" * size)).status == 401, size


@pytest.mark.parametrize("piece", [1, 7, 1000])
async def test_a_body_in_chunks_is_read_whole_and_sent_with_its_length(up, ada, sam, piece):
    line = await ada.line()
    for method, status in (("add", 200), ("secret", 403)):
        body = json.dumps(call(method, "x" * 100)).encode()
        pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
        line.writer.write(sam.head("POST", "/calc/api", "Transfer-Encoding: chunked"))
        for one in pieces:
            line.writer.write(b"%x;ext=1\r\n%b\r\n" % (len(one), one))
        line.writer.write(b"0\r\nX-Trailer: 1\r\n\r\n")
        assert (await line.answer("POST")).status == status
        if status == 200:
            assert up.asked[-1].body == body
            assert up.asked[-1].values("Content-Length") == [b"%d" % len(body)]
    assert len(up.asked) == 1


async def test_chunks_beyond_the_limit_are_413(up, ada):
    line = await ada.line()
    line.writer.write(ada.head("POST", "/calc/api", "Transfer-Encoding: chunked"))
    line.writer.write(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
    line.writer.write(b"9000\r\n" + b" " * 0x9000 + b"\r\n")
    assert (await line.answer("POST")).status == 413
    assert up.asked == []


async def test_a_batch_beyond_the_limit_is_refused(up, ada):
    assert (await ada.rpc("/calc/api", [call("get", token=n) for n in range(6)])).status == 413
    assert up.asked == []


async def test_a_caller_who_waits_for_leave_gets_it_only_if_they_may_send(stand, up, ada):
    body = json.dumps(call("add", 1)).encode()
    lines = ("Expect: 100-continue", f"Content-Length: {len(body)}")
    line = await ada.line()
    line.writer.write(ada.head("POST", "/calc/api", *lines))
    assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    line.writer.write(body)
    assert (await line.answer("POST")).status == 200
    line = await ada.line()
    line.writer.write(stand.nobody().head("POST", "/calc/api", *lines))
    assert (await line.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")


async def test_a_large_body_is_read_beside_the_event_loop_and_still_judged(stand):
    up = await stand.upstream()
    up.on("/api", Calc())
    await stand.gate(RPC.format(url=up.url).replace("64KiB", "8MiB"))
    sam = stand.caller("some")
    large = "x" * (2 << 20)
    up.asked.clear()
    assert (await sam.rpc("/calc/api", call("secret", large))).status == 403
    assert up.asked == []
    answer = await sam.rpc("/calc/api", call("add", large))
    assert json.loads(answer.body)["result"] == [large]


NAMED_HTTP = """\
policies:
  - {{to: ["group:lab"], allow: ["jobs.*", "/jobs/**"], operate: true}}
  - {{to: ["group:paths"], allow: ["/jobs/**"]}}
services:
  jobs: {{dialect: jsonrpc, url: "{url}", rpc_path: /api, mount: /jobs}}
"""


async def test_a_method_that_is_named_http_and_what_no_document_describes_can_both_be_called(stand):
    up = await stand.upstream()

    async def answers(asked):
        said = json.loads(asked.body)
        found = {"procs": [{"name": "http"}]} if said["method"] == "system.describe" else said["method"]
        return as_json({"jsonrpc": "2.0", "id": said["id"], "result": found})

    up.on("/api", answers)
    up.on("/file", told(b"a file"))
    await stand.gate(NAMED_HTTP.format(url=up.url))
    ada = stand.caller("lab")
    assert (await ada.call("jobs.http"))["result"] == "http"
    through = await ada.rpc("/jobs/api", {"jsonrpc": "2.0", "method": "http", "id": 1})
    assert json.loads(through.body)["result"] == "http"
    assert (await ada.get("/jobs/file")).body == b"a file"
    assert (await stand.caller("paths", name="eve").get("/jobs/file")).status == 403
    status = json.loads((await stand.at(ada).get("/-/status")).body)
    (warning,) = status["catalog"]["warnings"]
    assert warning.startswith("service jobs: it has a method jobs.http, and what comes through its mount")
