"""Which HTTP request says a call, for any arguments and any places of its parameters?"""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.call import Call, Params
from gateway.core.faults import InvalidParams, Unrepresentable
from gateway.core.method import HttpBinding, Method, Param, Place
from gateway.core.principal import ANONYMOUS
from gateway.dialects.openapi.requests import Request, request


def made(params: bytes | None, *places: Place, path: str = "/x", verb: str = "POST", **more: Any) -> Request:
    """The request of a method with these places."""
    binding = HttpBinding(verb, path, places, **more)
    method = Method("files.m", "files", binding, tuple(Param(place.param) for place in places))
    return request(Call("r", ANONYMOUS, method, Params(params), 0.0), binding, "lists")


def test_parts_that_together_would_be_a_dot_segment_are_refused() -> None:
    places = (Place("a", "path", "a"), Place("b", "path", "b"))
    assert made(b'["a/b","%2e"]', *places, path="/x/{a}{b}").target == "/x/a%2Fb%252e"
    with pytest.raises(InvalidParams):
        made(b'[".","."]', *places, path="/x/{a}{b}")
    with pytest.raises(InvalidParams):
        made(b'["."]', places[0], path="/x/.{a}/y")


@pytest.mark.parametrize("value", ["a/../b", "../../admin", "a\\..", "./a", "a/."])
def test_a_value_that_would_climb_once_it_is_decoded_is_refused(value: str) -> None:
    with pytest.raises(InvalidParams):
        made(json.dumps([value]).encode(), Place("p", "path", "p"), path="/x/{p}")


def test_a_header_holds_no_control_characters() -> None:
    place = Place("h", "header", "X-H", "comma")
    assert (b"X-H", b"a,1.0") in made(b'{"h":["a",1.0,null]}', place).fields
    assert all(name != b"X-H" for name, _ in made(b'{"h":null}', place).fields)
    for value in (rb'"a\r\nX-Evil: 1"', rb'"\u0000"', rb'"\u007f"'):
        with pytest.raises(InvalidParams, match="'h'"):
            made(b'{"h":%b}' % value, place)


SESSION = Place("s", "cookie", "session")


def cookie(params: bytes, *places: Place, **more: Any) -> list[bytes]:
    """The Cookie fields of a request."""
    sent = made(params, *places, **more)
    assert b"session" not in sent.target.encode()
    return [value for name, value in sent.fields if name.lower() == b"cookie"]


def test_parameters_in_cookies_are_one_field_and_never_in_the_query() -> None:
    more = Place("t", "cookie", "theme", "json")
    assert cookie(b'{"s":"a1","t":12345678901234567890}', SESSION, more, verb="GET") == [
        b"session=a1; theme=12345678901234567890"
    ]
    assert cookie(b'{"s":["a","b",null]}', SESSION) == [b"session=a; session=b"]
    assert cookie(b'{"s":""}', SESSION) == [b"session="]
    assert cookie(b'{"s":null}', SESSION) == cookie(b"{}", SESSION) == []


ODD = [*map(chr, range(33)), *'",;\\', "\x7f", "é", "\u2028", "\ud800"]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
@pytest.mark.parametrize("many", ["repeat", "comma"])
def test_no_value_is_two_cookies_or_another_field(odd: str, many: Any) -> None:
    place = Place("s", "cookie", "session", many)
    for value in (f"a{odd}", f"{odd}b", f"a{odd}license=1"):
        with pytest.raises(InvalidParams, match="'s'"):
            made(json.dumps([value]).encode(), place)
        with pytest.raises(InvalidParams, match="'s'"):
            made(json.dumps([["fine", value]]).encode(), place)


@pytest.mark.parametrize("value", [b'{"a":1}', b'{"a":"b"}', b'["a",{"b":1,"c":2}]'])
def test_an_object_is_no_cookie(value: bytes) -> None:
    with pytest.raises(InvalidParams, match="'s'"):
        made(b'{"s":%b}' % value, SESSION)


def test_beside_the_gates_own_cookies_there_is_no_place_for_a_callers() -> None:
    binding = HttpBinding("GET", "/x", (SESSION,))
    method = Method("files.m", "files", binding, (Param("s"),))
    asked = Call("r", ANONYMOUS, method, Params(b'{"s":"mine"}'), 0.0)
    for own in ("Cookie", "cookie"):
        with pytest.raises(InvalidParams, match=r"'s' is a cookie, and the gate sends cookies of its own"):
            request(asked, binding, "lists", {own: "session=the-labs"})
    silent = Call("r", ANONYMOUS, method, Params(b'{"s":null}'), 0.0)
    assert not [
        name for name, _ in request(silent, binding, "lists", {"Cookie": "a=b"}).fields if name == b"Cookie"
    ]


@pytest.mark.parametrize("name", ["middle_auth_token", "Middle_Auth_Token"])
def test_the_gates_own_token_goes_into_no_cookie_and_no_query_that_nobody_described(name: str) -> None:
    for verb in ("GET", "POST"):
        with pytest.raises(InvalidParams, match="cookie of the gate's own"):
            made(b'{"%b":"t"}' % name.encode(), verb=verb)
    described = Place(name, "query", name)
    assert made(b'{"%b":"t"}' % name.encode(), described).target.endswith("=t")


@pytest.mark.parametrize(
    ("many", "query"),
    [
        ("repeat", "?q=a%20b&q=1"),
        ("comma", "?q=a%20b,1"),
        ("space", "?q=a%20b%201"),
        ("pipe", "?q=a%20b%7C1"),
        ("tab", "?q=a%20b%091"),
        ("deep", "?q=a%20b&q=1"),
    ],
)
def test_arrays_in_a_query_are_written_as_the_document_says(many: Any, query: str) -> None:
    place = Place("q", "query", "q", many)
    assert made(b'{"q":["a b",null,1]}', place).target == f"/x{query}"
    assert made(b'{"q":[]}', place).target == "/x"
    assert made(b'{"q":1}', place, path="/x?fixed=1").target == "/x?fixed=1&q=1"


def test_a_deep_object_is_a_pair_for_each_of_its_members() -> None:
    place = Place("q", "query", "q", "deep")
    value = b'{"q":{"a":1.0,"b c":["x&","y"],"n":null,"d":{"e":{"f":"g"}},"o":{}}}'
    query = made(value, place).target
    assert unquote_to_bytes(query) == b"/x?q[a]=1.0&q[b c]=x&&q[b c]=y&q[d][e][f]=g"
    assert "x%26&" in query
    assert made(b'{"q":{}}', place).target == "/x"
    nested = b'{"a":' * 300 + b"1" + b"}" * 300
    assert b"[a]" * 16 in unquote_to_bytes(made(b'{"q":%b}' % nested, place).target)
    with pytest.raises(InvalidParams):
        made(rb'{"q":{"\ud800":1}}', place)


@pytest.mark.parametrize(
    ("many", "one", "several"),
    [
        ("comma", "5", "5,a%2Fb"),
        ("label", ".5", ".5,a%2Fb"),
        ("label*", ".5", ".5.a%2Fb"),
        ("matrix", ";p=5", ";p=5,a%2Fb"),
        ("matrix*", ";p=5", ";p=5;p=a%2Fb"),
    ],
)
def test_values_in_a_path_are_written_as_the_document_says(many: Any, one: str, several: str) -> None:
    place = Place("q", "path", "p", many)
    assert made(b'{"q":5}', place, path="/x/{p}").target == f"/x/{one}"
    assert made(b'{"q":[5,"a/b"]}', place, path="/x/{p}").target == f"/x/{several}"
    for refused in (b'""', b"null", b'"."', b"[]"):
        with pytest.raises(InvalidParams):
            made(b'{"q":%b}' % refused, place, path="/x/{p}")


def test_what_is_said_to_be_json_is_written_as_it_is_wherever_it_stands() -> None:
    for value in (b'["a b", null, 1.0]', b'"5"', b"null", b'{"a":"5"}'):
        query = made(b'{"q":%b}' % value, Place("q", "query", "q", "json")).target
        assert unquote_to_bytes(query) == b"/x?q=" + value
        place = Place("h", "header", "X-H", "json")
        if value != b"null":
            assert (b"X-H", value) in made(b'{"h":%b}' % value, place).fields
        path = made(b'{"p":%b}' % value, Place("p", "path", "p", "json"), path="/x/{p}").target
        assert unquote_to_bytes(path) == b"/x/" + value


def test_a_write_of_members_has_a_body_even_without_any_and_a_read_has_none() -> None:
    member = Place("m", "member", "m")
    assert made(None, member).body == b"{}"
    assert made(b"[]", member, verb="DELETE").body is None
    assert made(None).body is None
    assert made(b'{"m":null}', member).body == b'{"m":null}'


def test_broken_bytes_and_arrays_are_refused() -> None:
    body = Place("body", "body", "body")
    with pytest.raises(Unrepresentable):
        made(b'[{"$binary":{"base64":"!"}}]', body, sends="image/tiff")
    with pytest.raises(Unrepresentable):
        made(b'[{"$ndarray":{"base64":"AAA=","dtype":"|O","shape":[2]}}]', body)


def test_a_name_cannot_end_the_head_of_its_part() -> None:
    place = Place("f", "member", 'a"\r\nX-Evil: 1')
    body = made(b'{"f":"x"}', place, sends="multipart/form-data").body
    assert body is not None
    assert b'form-data; name="a%22%0D%0AX-Evil: 1"\r\n\r\nx\r\n' in body


# laws

characters = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(
    lambda text: not {".", ".."} & set(text.replace("\\", "/").split("/"))
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(characters, min_size=1, max_size=3))
def test_what_stands_in_a_path_decodes_to_what_was_sent_and_adds_no_segment(texts: list[str]) -> None:
    places = tuple(Place(f"p{n}", "path", f"p{n}") for n in range(len(texts)))
    path = "".join(f"/{{p{n}}}" for n in range(len(texts)))
    target = made(json.dumps(texts).encode(), *places, path=path).target
    assert [unquote_to_bytes(step).decode() for step in target.split("/")[1:]] == texts


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text(), min_size=1), max_size=5))
def test_what_stands_in_a_query_decodes_to_what_was_sent(values: dict[str, str | list[str]]) -> None:
    target = made(json.dumps(values).encode(), verb="GET").target
    pairs = [
        (name, one)
        for name, value in values.items()
        for one in ([value] if isinstance(value, str) else value)
    ]
    assert parse_qsl(target.partition("?")[2], keep_blank_values=True, separator="&") == pairs
    assert target.isascii()


@given(st.dictionaries(st.text(), json_values, max_size=5), st.integers(0, 3))
def test_a_body_of_members_is_what_was_sent_in_any_spelling(values: dict[str, Any], indent: int) -> None:
    body = made(json.dumps(values, indent=indent, ensure_ascii=bool(indent % 2)).encode("utf-8")).body
    if values:
        assert body is not None
        assert json.loads(body) == values
        for value in values.values():
            if not isinstance(value, dict | list | str):
                assert json.dumps(value).encode() in body
