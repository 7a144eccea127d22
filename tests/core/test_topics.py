"""What can be subscribed to, and how it is said."""

import json

import pytest

from gateway.core.faults import InvalidParams
from gateway.core.topics import OfCache, OfCatalog, OfJob, subscription_of, topic_of


def raw(value):
    return json.dumps(value).encode()


def test_each_topic_is_said_by_name():
    assert topic_of(raw({"topic": "catalog"})) == OfCatalog()
    assert topic_of(raw({"topic": "cache", "methods": ["a.b", "a.b"], "tags": ["t"]})) == OfCache(
        ("a.b",), ("t",)
    )
    assert topic_of(raw({"topic": "job.progress", "method": "a.b"})) == OfJob("a.b")


def test_the_parameters_of_a_job_are_kept_as_they_were_written_without_blanks():
    said = b'{"topic": "job.progress", "method": "a.b", "params": { "n": 1e400, "m": [12345678901234567890123, " x "] }}'
    assert topic_of(said) == OfJob("a.b", b'{"n":1e400,"m":[12345678901234567890123," x "]}')
    assert topic_of(b'{"topic":"job.progress","method":"a.b","params":null}') == OfJob("a.b")


@pytest.mark.parametrize(
    "said",
    [
        None,
        b"[]",
        b'["catalog"]',
        b"{}",
        b'{"topic": "weather"}',
        b'{"topic": 7}',
        b'{"topic": "catalog", "topic": "cache"}',
        b'{"topic": "catalog", "methods": []}',
        b'{"topic": "cache"}',
        b'{"topic": "cache", "methods": "a.b"}',
        b'{"topic": "cache", "methods": [1]}',
        b'{"topic": "cache", "methods": []}',
        raw({"topic": "cache", "tags": [f"t{number}" for number in range(257)]}),
        b'{"topic": "job.progress"}',
        b'{"topic": "job.progress", "method": ""}',
        b'{"topic": "job.progress", "method": "a.b", "params": 7}',
        b'{"topic": "catalog"',
    ],
)
def test_what_names_no_topic_is_refused(said):
    with pytest.raises(InvalidParams):
        topic_of(said)


def test_a_subscription_is_named_or_stands_alone():
    assert subscription_of(b'{"subscription": "7"}') == subscription_of(b'["7"]') == "7"
    for said in (None, b"[]", b"[7]", b"{}"):
        with pytest.raises(InvalidParams):
            subscription_of(said)
