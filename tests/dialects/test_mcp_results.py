"""What a tool gives becomes a value, byte for byte."""

import pytest

from gateway.core.faults import UpstreamBroken
from gateway.dialects.mcp.results import value_of
from gateway.dialects.mcp.talking import events, in_header
from gateway.dialects.mcp.tools import method_of, mirrors

TEXT = b'{"type":"text","text":"\\ud800 1"}'


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (b'{"content":[]}', b"null"),
        (b"{}", b"null"),
        (b'{"content":[%b]}' % TEXT, b'"\\ud800 1"'),
        (b'{"content":[%b],"structuredContent":{"b":1e400,"a":-0.0}}' % TEXT, b'{"b":1e400,"a":-0.0}'),
        (b'{"content":[%b],"structuredContent":null}' % TEXT, b'"\\ud800 1"'),
        (b'{"resultType":"complete","content":[],"structuredContent":[1]}', b"[1]"),
        (b'{"content":[%b,{"type":"image","data":"AAE=","mimeType":"image/png"}]}' % TEXT,
         b'["\\ud800 1",{"$binary":{"base64":"AAE="}}]'),
        (b'{"content":[{"type":"image","data":"no base64","mimeType":"x"}]}',
         b'{"type":"image","data":"no base64","mimeType":"x"}'),
        (b'{"content":[{"type":"resource","resource":{"uri":"x:y","text":"t"}}]}', b'"t"'),
        (b'{"content":[{"type":"resource","resource":{"uri":"x:y","blob":"AAE="}}]}',
         b'{"$binary":{"base64":"AAE="}}'),
        (b'{"content":[{"type":"resource_link","uri":"x:y","name":"n"}]}',
         b'{"type":"resource_link","uri":"x:y","name":"n"}'),
        (b'{"content":[7,{"type":"new","x":1}]}', b'[7,{"type":"new","x":1}]'),
    ],
)  # fmt: skip
def test_a_tools_result_is_the_value_that_it_holds_as_it_was_written(result, value):
    assert value_of(result, "notes") == (value, False)


def test_a_tool_that_failed_is_an_error_with_its_words():
    raw = b'{"isError":true,"content":[%b,{"type":"text","text":"2"}],"structuredContent":{}}' % TEXT
    error, failed = value_of(raw, "notes")
    assert failed
    assert error.startswith(b'{"code":-32000,"message":"\\ud800 1\\n2","data":{"content":[')


@pytest.mark.parametrize(
    "result",
    [
        b"[]",
        b"5",
        b'{"content":5}',
        b'{"content":[],"content":[]}',
        b'{"content":[{"type":"text","type":"image"}]}',
        b'{"resultType":"input_required","inputRequests":{}}',
        b'{"resultType":"input_required","isError":true,"content":[]}',
    ],
)
def test_what_is_no_result_of_a_tool_is_a_fault_that_says_it_may_have_run(result):
    with pytest.raises(UpstreamBroken) as caught:
        value_of(result, "notes")
    assert caught.value.data["maybe_executed"] is True


def test_the_events_of_a_stream_are_read_as_browsers_read_them():
    stream = b"\xef\xbb\xbf: hello\r\n\r\nid: 1\r\ndata: {\r\ndata: }\r\n\r\nevent: x\ndata:a\n\ndata\n\ndata: cut off"
    assert list(events(stream)) == [b"{\n}", b"a", b""]


# --- tools as methods -------------------------------------------------------------------------------------


def test_a_tools_schema_leads_to_its_own_definitions_and_to_nothing_else():
    tool = {
        "name": "walk",
        "description": "Walk.\n\nFar\x00 away.",
        "inputSchema": {
            "type": "object",
            "$defs": {"Point": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Point"}}}},
            "properties": {"to": {"$ref": "#/$defs/Point"}, "by": {"$ref": "https://evil.example/x"}},
            "required": ["to", 5, "absent"],
        },
        "annotations": {"readOnlyHint": True},
    }
    method, schemas = method_of(tool, trusted=False)
    assert (method.safe, method.idempotent, method.structure) == (False, False, "by-name")
    assert method.summary == "Walk."
    assert "\x00" not in method.description
    assert [(one.name, one.required) for one in method.params] == [("to", True), ("by", False)]
    assert method.params[0].schema == {"$ref": "#/components/schemas/walk.in.Point"}
    assert method.params[1].schema == {}
    assert schemas["walk.in.Point"]["properties"]["next"] == {"$ref": "#/components/schemas/walk.in.Point"}
    assert method_of(tool, trusted=True)[0].safe


@pytest.mark.parametrize(
    "tool",
    [None, 5, {}, {"name": 5}, {"name": "x", "inputSchema": {"properties": {"a": {"x-mcp-header": "A"}}}}],
)
def test_what_is_no_tool_is_left_out(tool):
    assert method_of(tool, trusted=True) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "number", "x-mcp-header": "A"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "A\r\nX: y"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": ""}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}},
        {"properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}},
    ],
)  # fmt: skip
def test_a_tool_whose_marked_arguments_cannot_be_repeated_in_fields_is_left_out(schema):
    assert method_of({"name": "x", "inputSchema": schema}, trusted=False) is None


def test_marked_arguments_are_found_where_they_are_and_said_as_fields_can_say_them():
    schema = {
        "type": "object",
        "properties": {"x": {"type": "object", "properties": {"y": {"type": "string", "x-mcp-header": "Y"}}}},
    }
    method, _ = method_of({"name": "x", "inputSchema": schema}, trusted=False)
    assert list(mirrors(method.params[0].schema)) == [("Y", ("y",))]
    assert in_header(b'"us-west1"') == "us-west1"
    assert in_header('"Hello, 世界"'.encode()) == "=?base64?SGVsbG8sIOS4lueVjA==?="
    assert in_header(b'"line1\\nline2"') == "=?base64?bGluZTEKbGluZTI=?="
    assert in_header(b'"=?base64?literal?="') == "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="
    assert (in_header(b"42"), in_header(b"true"), in_header(b"null")) == ("42", "true", None)
