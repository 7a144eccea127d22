"""Does every error say what happened and what to do, and does it survive a process border?"""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - the law is that users can pickle what this package raises

import pytest

from labgate import errors

CONTRACT = {
    -32700: "ParseFault",
    -32600: "InvalidRequest",
    -32601: "NotFound",
    -32602: "InvalidParams",
    -32603: "InternalFault",
    -32001: "Unauthenticated",
    -32002: "Forbidden",
    -32003: "Unreachable",
    -32004: "DeadlineExceeded",
    -32005: "RateLimited",
    -32006: "UpstreamBroken",
    -32007: "TooLarge",
    -32008: "Unavailable",
    -32009: "Unrepresentable",
    -32010: "LoopDetected",
    -32011: "NeedsDatastack",
    -32012: "UnsupportedMediaType",
    -32013: "MethodNotAllowed",
    -32014: "UnknownDatastack",
    -32015: "NoSuchAddress",
    -32016: "BadRequest",
    -32018: "Conflict",
    -32019: "Locked",
}
ALL = [kind for name in errors.__all__ if issubclass(kind := getattr(errors, name), errors.Error)]


def test_there_is_one_class_for_each_code_of_the_contract() -> None:
    assert {code: kind.__name__ for code, kind in errors.BY_CODE.items()} == CONTRACT


def test_every_error_is_named_and_pickled_as_one_of_the_module_that_users_import() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert kind.__module__ == "labgate.errors"
        assert b"labgate.errors" in pickle.dumps(kind, 2)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_the_same_after_pickling_and_copying(kind: type[errors.Error]) -> None:
    error = kind(
        "it broke",
        code=-7,
        data={"fault": "X", "list": [1]},
        members={"name": "Oops"},
        http_status=503,
        method="jobs.get_job",
        request_id="r-9",
        maybe_executed=True,
        retry_after=1.5,
        hint="wait",
    )
    for other in (*(pickle.loads(pickle.dumps(error, way)) for way in range(2, 6)), copy.copy(error)):
        assert type(other) is kind
        assert (str(other), repr(other), vars(other)) == (str(error), repr(error), vars(error))
        assert other.service == "jobs"


@pytest.mark.parametrize("kind", ALL)
def test_every_error_without_any_detail_has_a_text_of_one_or_two_lines(kind: type[errors.Error]) -> None:
    error = kind()
    assert 1 <= len(str(error).splitlines()) <= 2
    assert isinstance(error, errors.Error)
    assert error.maybe_executed is False


def test_a_text_is_two_lines_at_most_and_cannot_steer_a_terminal() -> None:
    error = errors.RemoteError("first\nsecond\x1b[2Jthird" + "x" * 10_000, method="a.b\nc", hint="do\nthis")
    lines = str(error).splitlines()
    assert len(lines) == 2
    assert all(len(line) < 1000 and line.isprintable() for line in lines)
    assert error.message.endswith("x" * 10_000)


def test_a_call_that_may_have_been_carried_out_says_so() -> None:
    assert "may have been carried out" in str(errors.GateUnreachable("gone", maybe_executed=True))


def test_an_unauthenticated_error_names_the_command_that_makes_a_token() -> None:
    assert "labgated token create" in str(errors.Unauthenticated("who are you?"))
    assert "LABGATE_TOKEN" in str(errors.Unauthenticated("who are you?"))


def test_a_services_own_not_found_is_both_remote_and_not_found() -> None:
    assert issubclass(errors.RemoteNotFound, (errors.RemoteError, errors.NotFound))
    assert issubclass(errors.RemoteInvalidParams, errors.InvalidParams)
    assert issubclass(errors.GateUnreachable, errors.Unreachable)
