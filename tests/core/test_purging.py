"""What is to be forgotten is said exactly once, and names what there is."""

import pytest

from gateway.core.call import Call, Params
from gateway.core.catalog import build
from gateway.core.faults import BadRequest
from gateway.core.keys import key
from gateway.core.listing import Offer
from gateway.core.method import CacheRule
from gateway.core.principal import ANONYMOUS
from gateway.core.purging import method_names, purge_of, tags
from gateway.core.service import Described, Description, Rule, Service


def offer(name, *methods, datastack=None, mount=None, rules=None):
    service = Service(
        name, "jsonrpc", ("http://127.0.0.1:1",), datastack=datastack, mount=mount, rules=rules or {}
    )
    return Offer(service, Description(tuple(map(Described, methods)), "rpc.discover", "/"))


CATALOG = build(
    [
        offer(
            "jobs",
            "get_job",
            "get_jobs",
            "enqueue",
            rules={
                "get_*": Rule(safe=True, cache=CacheRule(fresh=1, tags=("jobs", "lists"))),
                "enqueue": Rule(invalidates=("jobs", "lanes")),
            },
        ),
        offer("files", "tile", mount="/files"),
        offer("roots", "get", datastack="minnie65"),
    ]
)
GET_JOB = CATALOG.listings["jobs"].items["jobs.get_job"].method


def test_a_glob_ends_the_generations_of_every_method_that_it_means():
    assert purge_of({"method": "jobs.get_*"}, CATALOG).names == (
        "method:jobs.get_job",
        "method:jobs.get_jobs",
    )
    assert purge_of({"method": "jobs.get_job"}, CATALOG).names == ("method:jobs.get_job",)
    assert purge_of({"method": "minnie65/*.get"}, CATALOG).names == ("method:minnie65/roots.get",)
    assert len(purge_of({"method": "*"}, CATALOG).names) == len(list(method_names(CATALOG))) == 6


def test_what_no_document_describes_below_a_mount_is_a_method_here_too():
    assert purge_of({"method": "files.http"}, CATALOG).names == ("method:files.http",)
    assert purge_of({"method": "*.http"}, CATALOG).names == ("method:files.http",)


def test_a_star_of_a_glob_is_no_slash_as_in_policies():
    with pytest.raises(BadRequest, match="No method's name is"):
        purge_of({"method": "roots.*"}, CATALOG)


def test_a_service_and_a_tag_end_their_own_generation():
    assert purge_of({"service": "minnie65/roots"}, CATALOG).names == ("service:minnie65/roots",)
    assert purge_of({"tag": "lists"}, CATALOG).names == ("tag:lists",)
    assert tags(CATALOG) == ["jobs", "lanes", "lists"]


def test_a_tag_that_begins_with_a_service_and_a_colon_is_of_a_part_that_its_dialect_knows():
    assert purge_of({"tag": "jobs:any part"}, CATALOG).names == ("tag:jobs:any part",)
    with pytest.raises(BadRequest):
        purge_of({"tag": "nobody:any part"}, CATALOG)


def test_the_generations_that_end_are_those_that_entries_agree_with():
    for said in ({"method": "jobs.*"}, {"service": "jobs"}, {"tag": "jobs"}):
        assert set(purge_of(said, CATALOG).names) & set(GET_JOB.lineage)


def test_everything_needs_to_be_said_as_true():
    assert purge_of({"all": True}, CATALOG).everything
    for value in (False, 1, "true", None):
        with pytest.raises(BadRequest, match=r'say \{"all": true\}'):
            purge_of({"all": value}, CATALOG)


def test_a_key_is_taken_as_it_is_shown():
    made = key(Call("r", ANONYMOUS, GET_JOB, Params(b"[1]"), 0.0), CacheRule(fresh=1))
    assert purge_of({"key": made.hex()}, CATALOG).key == made
    assert purge_of({"key": made.hex().upper()}, CATALOG).key == made


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, "say exactly one of"),
        ([], "say exactly one of"),
        ({}, "say exactly one of"),
        ("all", "say exactly one of"),
        ({"method": "jobs.*", "tag": "jobs"}, "not method and tag"),
        ({"methods": "jobs.*"}, "not methods"),
        ({"method": 7}, "method is a text, not 7"),
        ({"tag": ""}, "tag is a text"),
        ({"service": ["jobs"]}, "service is a text"),
        ({"key": "xyz"}, "xyz is no key"),
        ({"key": "00ff"}, "00ff is no key"),
        ({"key": "73343a6a6f6"}, "is no key"),
        ({"service": "job"}, "no service is called job; did you mean jobs?"),
        ({"tag": "job"}, "no tag is called job; did you mean jobs?"),
        ({"tag": "zzz"}, "there are jobs, lanes, lists"),
        ({"method": "job.get_job"}, "did you mean jobs.get_job"),
        ({"method": "nope"}, "there are files.http, files.tile"),
        ({"method": "a\nb"}, r"'a\\nb'"),
    ],
)
def test_what_is_said_wrongly_is_refused_with_what_there_is(said, words):
    with pytest.raises(BadRequest) as refused:
        purge_of(said, CATALOG)
    assert words.replace("\\\\", "\\") in refused.value.message


def test_where_there_is_nothing_it_is_said_that_there_is_nothing():
    with pytest.raises(BadRequest, match="no tag is called x; there are none"):
        purge_of({"tag": "x"}, build([]))
