"""Laws of what the settings say of services that fail: every word has one meaning, and what has none is refused with a fix."""

from pathlib import Path

import pytest
import yaml

from gateway import assembly
from gateway.core.breaker import BreakerRule
from gateway.core.health import HealthCheck
from gateway.core.method import Hedge
from gateway.core.retrying import Retries
from gateway.core.service import Service
from gateway.settings import examine

URLS = ["http://127.0.0.1:1", "http://127.0.0.1:2"]


def service(tmp_path: Path, **said: object) -> Service:
    """The service `a` with these settings, in the gate's own values."""
    file = tmp_path / "labgate.yaml"
    file.write_text(yaml.safe_dump({"services": {"a": {"url": URLS, **said}}}))
    settings, problems = examine(file, {})
    assert settings is not None, problems
    (found,) = assembly.services(settings)
    return found


def test_without_a_word_there_is_one_retry_a_breaker_and_no_health_check(tmp_path: Path) -> None:
    plain = service(tmp_path)
    assert plain.retries == Retries(attempts=1, budget=0.2, idempotent=False)
    assert plain.breaker == BreakerRule(failures=10, ratio=0.5, window=30.0, open=5.0)
    assert (plain.health, plain.sticky, plain.read_timeout, plain.connect_timeout) == (None, "", None, 10.0)
    assert plain.within == plain.timeout


def test_every_word_means_what_it_says(tmp_path: Path) -> None:
    said = service(
        tmp_path,
        connect_timeout="500ms",
        read_timeout="20s",
        retries={"attempts": 0, "budget": "5%", "idempotent": True},
        breaker={"failures": 3, "ratio": 0.25, "window": "1m", "open": "2s"},
        health={"path": "/healthz?full=1", "every": "1m", "timeout": "3s"},
        sticky="params.project_uid",
        methods={
            "get_a": {"safe": True, "hedge": {"after": "p99.5"}},
            "get_b": {"safe": True, "hedge": {"after": "250ms"}},
        },
    )
    assert said.retries == Retries(0, 0.05, True)
    assert said.breaker == BreakerRule(3, 0.25, 60.0, 2.0)
    assert said.health == HealthCheck("/healthz?full=1", "", 60.0, 3.0)
    assert (said.sticky, said.connect_timeout, said.within) == ("project_uid", 0.5, 20.0)
    assert said.rules["get_a"].hedge == Hedge(quantile=0.995)
    assert said.rules["get_b"].hedge == Hedge(seconds=0.25)


def test_off_is_no_breaker(tmp_path: Path) -> None:
    assert service(tmp_path, breaker=False).breaker is None
    assert service(tmp_path, breaker="off").breaker is None


def test_a_method_is_asked_where_json_rpc_calls_go(tmp_path: Path) -> None:
    asked = service(tmp_path, rpc_path="/api", health={"method": "ping"}).health
    assert asked == HealthCheck("/api", "ping")
    asked = service(tmp_path, rpc_path="/api", health={"method": "ping", "path": "/other"}).health
    assert asked == HealthCheck("/other", "ping")
    assert service(tmp_path, health={"method": "ping"}).health == HealthCheck("/", "ping")


def test_what_means_nothing_is_refused_all_at_once_each_with_its_place_and_fix(tmp_path: Path) -> None:
    wrong = {
        "connect_timeout": 0,
        "read_timeout": "soon",
        "retries": {"attempts": 9, "budget": "120%", "idempotent": "perhaps"},
        "breaker": {"failures": 0, "ratio": -1, "window": 0, "open": "0s"},
        "health": {"every": 0, "path": "healthz"},
        "sticky": "project_uid",
        "methods": {
            "get_a": {"hedge": {"after": "p100"}},
            "get_b": {"hedge": {"after": "p20"}},
            "get_c": {"hedge": {}},
        },
    }
    file = tmp_path / "labgate.yaml"
    file.write_text(yaml.safe_dump({"services": {"a": {"url": URLS, **wrong}}}))
    settings, problems = examine(file, {})
    assert settings is None
    errors = [problem for problem in problems if problem.level == "error"]
    found = {problem.path.removeprefix("services.a."): problem for problem in errors}
    assert set(found) == {
        *("connect_timeout", "read_timeout", "sticky"),
        *("retries.attempts", "retries.budget", "retries.idempotent"),
        *("breaker.failures", "breaker.ratio", "breaker.window", "breaker.open"),
        *("health.every", "health.path"),
        *("methods.get_a.hedge.after", "methods.get_b.hedge.after", "methods.get_c.hedge.after"),
    }
    assert all(problem.fix and problem.line for problem in found.values())


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"methods": {"put": {"safe": False, "hedge": {"after": "p95"}}}}, "methods.put.hedge"),
        ({"health": {"every": "5s"}}, "health"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, said: dict[str, object], where: str) -> None:
    file = tmp_path / "labgate.yaml"
    file.write_text(yaml.safe_dump({"services": {"a": {"url": URLS, **said}}}))
    _, problems = examine(file, {})
    assert [problem.path for problem in problems if problem.level == "error"] == [f"services.a.{where}"]
