"""What becomes of what a service says beside its answer, and of an answer that it cut off?"""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import labgate
from labgate._notices import notices_of
from labgate.errors import ServiceWarning, Truncated
from tests.sdk.conftest import Gate, ScriptedError


@pytest.mark.parametrize(
    ("field", "notices"),
    [
        ('299 - "the table is old"', [(299, "the table is old")]),
        ('201 - "Limited query to 200 rows', [(201, "Limited query to 200 rows")]),
        (
            '201 - "Limited query to 2, 3 rows, 299 cave "a \\"notice\\"" "Wed, 21 Oct 2015 07:28:00 GMT", 299 - "b"',
            [(201, "Limited query to 2, 3 rows,"), (299, 'a "notice"'), (299, "b")],
        ),
        ('110 - "Response is Stale", 299 - "a\nb"', [(299, "a b")]),
        ("maintenance at noon", [(None, "maintenance at noon")]),
        ('199 - "older release" , 299 x:80 ""', [(199, "older release")]),
        ("", []),
        ("  ", []),
        ("\\" * 100_000, [(None, "\\" * 16384)]),
    ],
)
def test_notices_are_read_as_services_write_them(field: str, notices: list[Any]) -> None:
    found = notices_of(field)
    assert [(code, text.rstrip(",")) for code, text in found] == [
        (code, text.rstrip(",")) for code, text in notices
    ]


def test_a_notice_is_a_python_warning_at_the_callers_line_and_can_be_filtered(gate: Gate) -> None:
    gate.reply_headers["Warning"] = '299 - "lanes will be\tgone"'
    lab = labgate.connect(gate.url)
    with pytest.warns(ServiceWarning, match="jobs.list_lanes: lanes will be gone") as warned:
        lab.jobs.list_lanes()
    assert [(one.filename, one.message.code) for one in warned] == [(__file__, 299)]
    assert one_of(warned).method == "jobs.list_lanes"
    with warnings.catch_warnings(record=True) as unheard:
        warnings.filterwarnings("ignore", message="jobs.*gone", category=ServiceWarning)
        lab.jobs.list_lanes()
    assert unheard == []


def one_of(warned: Any) -> ServiceWarning:
    found = warned[0].message
    assert isinstance(found, ServiceWarning)
    return found


def test_an_answer_that_was_cut_off_is_an_error_which_names_the_limit_whatever_its_number(gate: Gate) -> None:
    def cut(_: Any) -> Any:
        raise ScriptedError(-32099, "cut at 200000 rows", data={"fault": "Truncated", "limit": 200000})

    gate.add("materialize.query_table", cut)
    with pytest.raises(Truncated, match=r"cut at 200000 rows[\s\S]*allow_truncated=True") as caught:
        labgate.connect(gate.url).materialize.query_table()
    assert (caught.value.limit, caught.value.code) == (200000, -32099)


def test_the_limit_is_none_where_nobody_says_it() -> None:
    assert Truncated("cut").limit is None
    assert Truncated("cut", data={"limit": "many"}).limit is None
