"""Tables as Arrow streams: every value as it was written, or a fault that says which column cannot be."""

import base64
import json
import math
import sys

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.faults import Unrepresentable
from gateway.doors.arrow import as_arrow
from gateway.doors.forms import as_csv


def table(result: str) -> pyarrow.Table:
    with pyarrow.ipc.open_stream(as_arrow(result.encode())) as stream:
        return stream.read_all()


@pytest.mark.parametrize(
    ("result", "kinds", "rows"),
    [
        (
            '[{"n":1,"t":"a","f":1.5,"b":true},{"n":-2,"t":"é","f":2,"b":null}]',
            ["int64", "string", "double", "bool"],
            [{"n": 1, "t": "a", "f": 1.5, "b": True}, {"n": -2, "t": "é", "f": 2.0, "b": None}],
        ),
        ('[{"a":1},{"b":"x"}]', ["int64", "string"], [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
        ("[[1,2.50],[3,4]]", ["int64", "double"], [{"0": 1, "1": 2.5}, {"0": 3, "1": 4.0}]),
        ('{"a":[1,2],"b":["x",null]}', ["int64", "string"], [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        ('{"a":[18446744073709551615,0]}', ["uint64"], [{"a": 2**64 - 1}, {"a": 0}]),
        ('{"a":[-9223372036854775808]}', ["int64"], [{"a": -(2**63)}]),
        ('{"a":[9007199254740992,0.5]}', ["double"], [{"a": 2.0**53}, {"a": 0.5}]),
        ('{"a":[0.1,1e22,0.10000000000000001,5e-324]}', ["double"], [{"a": one} for one in (0.1, 1e22, 0.1, 5e-324)]),
        ('{"a":[[1,2],[],null,[3.5]]}', ["list<item: double>"], [{"a": [1.0, 2.0]}, {"a": []}, {"a": None}, {"a": [3.5]}]),
        ('{"a":[null]}', ["null"], [{"a": None}]),
        ('{"a":[Infinity,-Infinity]}', ["double"], [{"a": math.inf}, {"a": -math.inf}]),
        ('{"a":[0e99999999999999999999,0.0]}', ["double"], [{"a": 0.0}, {"a": 0.0}]),
        ("[]", [], []),
    ],
)  # fmt: skip
def test_a_table_becomes_columns_of_one_type(result, kinds, rows):
    found = table(result)
    assert [str(field.type) for field in found.schema] == kinds
    assert found.to_pylist() == rows


def test_a_negative_zero_keeps_its_sign():
    for written in ("-0", "-0.0"):
        (found,) = table(f'{{"a":[{written}]}}').column("a").to_pylist()
        assert math.copysign(1, found) == -1


@pytest.mark.parametrize(
    ("result", "what"),
    [
        ('{"a":[18446744073709551616]}', "integers beyond 64 bits"),
        ('{"a":[-1,9223372036854775808]}', "integers beyond 64 bits"),
        (f'{{"a":[{"9" * 5000}]}}', "integers beyond 64 bits"),
        (f'{{"a":[{"9" * 5000},0.5]}}', "no double says"),
        ('{"a":[9007199254740993,0.5]}', "holds 9007199254740993"),
        ('{"a":[0.1000000000000000055]}', "no double says"),
        ('{"a":[1e400]}', "no double says"),
        ('{"a":[1e-400]}', "no double says"),
        ('{"a":[1e-999999999999999999999]}', "no double says"),
        ('{"a":[1,"1"]}', "mixes values"),
        ('{"a":[true,1]}', "mixes values"),
        ('{"a":[[1],["1"]]}', "mixes values"),
        ('{"a":[[1],1]}', "mixes values"),
        ('{"a":[{"b":1}]}', "holds objects"),
        ('{"a":["\\ud800"]}', "no character"),
        ('{"\\ud800":[1]}', "name of a column"),
        ("[[1],[1,2]]", "no table"),
        ('{"a":[1],"b":[1,2]}', "no table"),
        ('[1,{"a":1}]', "no table"),
        ("5", "no table"),
        ("{}", "no table"),
        ("null", "no table"),
    ],
)
def test_what_no_column_holds_as_it_is_is_refused_and_named(result, what):
    with pytest.raises(Unrepresentable, match=what):
        as_arrow(result.encode())


def test_without_pyarrow_the_fault_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Unrepresentable, match=r"labgate-gateway\[arrow\]"):
        as_arrow(b"[]")


CELLS = st.sampled_from(
    [
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.booleans(),
    ]
)


@given(st.data())
def test_any_column_of_one_kind_comes_back_as_it_was(data):
    kinds = data.draw(st.lists(CELLS, min_size=1, max_size=3))
    size = data.draw(st.integers(0, 4))
    columns = {
        f"c{at}": data.draw(st.lists(st.none() | kind, min_size=size, max_size=size))
        for at, kind in enumerate(kinds)
    }
    assert table(json.dumps(columns)).to_pydict() == columns


async def test_a_table_is_had_as_an_arrow_stream_by_a_plain_url(lab):
    target = "/rpc/calc.value?format=arrow"
    headers = {"Authorization": f"Bearer {lab.token}", "Content-Type": "application/json"}
    body = b'[[{"a":1,"b":"x"}]]'
    async with lab.session.post(lab.address + target, data=body, headers=headers) as response:
        assert (response.status, response.headers["Content-Type"]) == (
            200,
            "application/vnd.apache.arrow.stream",
        )
        with pyarrow.ipc.open_stream(await response.read()) as stream:
            assert stream.read_all().to_pylist() == [{"a": 1, "b": "x"}]
    async with lab.session.post(lab.address + target, data=b"[5]", headers=headers) as response:
        assert response.status == 406


def test_what_is_an_arrow_stream_already_is_given_as_it_is():
    stream = as_arrow(b'{"a":[1,2]}')
    result = b'{"$binary":{"base64":"%b"}}' % base64.b64encode(stream)
    assert as_arrow(result) == stream
    assert as_csv(result) == b'"a"\n1\n2\n'
    for other in (b'{"$binary":{"base64":"AAAA"}}', b'{"$binary":{"base64":"?"}}', b'{"$binary":3}'):
        with pytest.raises(Unrepresentable):
            as_arrow(other)
