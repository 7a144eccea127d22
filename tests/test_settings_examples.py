"""Laws of the files in config/: they load, and the annotated one shows every key."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway import resources
from gateway.demo.dvid.lab import node_uuid
from gateway.settings import Settings, examine
from gateway.settings.redis import Redis
from gateway.settings.sections import inner, key_paths, keys

CONFIG = Path(__file__).parents[1] / "config"
ENVIRON = {
    "HOME": "/home/ada",
    "CRYOSPARC_LICENSE_ID": "lic",
    "CAVE_TOKEN": "cave",
    "LABGATE_DEMO_JOBS": "http://127.0.0.1:39002",
    "LABGATE_DEMO_FILES": "http://127.0.0.1:39100",
    "LABGATE_DEMO_DVID": "http://127.0.0.1:39200",
    "LABGATE_REDIS_PASSWORD": "hunter2",
    "INTROSPECT_SECRET": "x",
    "EXCHANGE_SECRET": "x",
    "TILES_SECRET": "x",
    "LABGATE_SIGNING_KEY": "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n",
    "LABGATE_STATE_DIR": "/var/lib/labgate",
    "LABGATE_BALANCERS": "10.1.0.0/16",
    "LABGATE_REDIS": "redis://valkey:6379/0",
}


def served(name: str) -> Settings:
    settings, problems = examine(CONFIG / name, ENVIRON)
    assert problems == ()
    assert settings is not None
    return settings


def written_keys(data: Any, section: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys of a file as `key_paths` writes them; what no section describes (a JSON Schema) is not entered."""
    for key, value in data.items():
        yield (*above, key)
        found, named = inner(keys(section)[key])
        if found is None:
            continue
        parts = list(value.values()) if named else value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, dict):
                yield from written_keys(part, found, (*above, key, "*") if named else (*above, key))


def test_the_annotated_file_shows_every_key_of_the_schema_and_no_other() -> None:
    data = yaml.safe_load((CONFIG / "lab.yaml").read_text(encoding="utf-8"))
    assert set(written_keys(data, Settings)) == set(only_once(key_paths(Settings)))


def only_once(paths: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The services of a datastack have the keys of `services`: the file shows those once."""
    for path in paths:
        if path[:4] != ("datastacks", "*", "services", "*") or path[4:] in [("dialect",), ("url",)]:
            yield path


def test_the_annotated_file_can_be_served() -> None:
    settings = served("lab.yaml")
    assert settings.services["cryosparc"].rpc_path == "/api"
    assert settings.services["tools"].methods["get_*"].cache is not None
    assert str(settings.state_dir) == "/home/ada/.local/state/labgate"


def test_the_defaults_that_the_annotated_file_shows_are_the_defaults() -> None:
    shown, default = served("lab.yaml"), Settings()
    # What limits callers, the audit log, traces and what is slow are nothing by default, and shown all the same.
    assert (shown.limits.connections_per_address, shown.limits.mount_reply) == (1000, 64 << 30)
    depends = {"connections_per_address": None, "mount_reply": None}
    depends["per_principal"] = default.limits.per_principal
    assert shown.limits.model_copy(update=depends) == default.limits
    assert (shown.listen, shown.operator.listen) == (default.listen, default.operator.listen)
    assert shown.cache.memory == default.cache.memory
    redis = shown.cache.redis
    assert redis is not None
    plain_redis = Redis.model_validate({"url": "redis://valkey"})
    assert (redis.url, redis.prefix, redis.timeout, redis.max_size) == (
        plain_redis.url,
        plain_redis.prefix,
        plain_redis.timeout,
        plain_redis.max_size,
    )
    assert (
        shown.telemetry.model_copy(update={"audit": None, "otlp": None, "slow": None, "usage": None})
        == default.telemetry
    )
    assert shown.notice_seconds == default.notice_seconds
    assert shown.shutdown_seconds == default.shutdown_seconds
    assert shown.reload == default.reload
    tools = shown.services["tools"]
    plain = Settings.model_validate({"services": {"a": {"url": "http://h"}}}).services["a"]
    for key in ("timeout", "describe_timeout", "refresh", "arrays"):
        assert getattr(tools, key) == getattr(plain, key)


def test_the_demos_gate_has_local_tokens_a_service_of_each_kind_and_one_group() -> None:
    settings = served("demo.yaml")
    assert resources.demo_config() == CONFIG / "demo.yaml"
    assert (str(settings.listen), str(settings.operator.listen)) == ("127.0.0.1:8700", "127.0.0.1:8701")
    assert {name: one.mount for name, one in settings.services.items()} == {
        "jobs": "/jobs",
        "files": "/files",
        "dvid": "/dvid",
    }
    for name, service in settings.services.items():
        assert service.url[0].text == ENVIRON[f"LABGATE_DEMO_{name.upper()}"]
    assert [(policy.to, policy.allow, policy.operate) for policy in settings.policies] == [
        (("group:demo",), ("*", "/**"), True)
    ]


def test_the_demos_names_for_versions_are_of_its_volumes() -> None:
    nodes = served("demo.yaml").services["dvid"].nodes
    assert nodes == {"prod": node_uuid("medulla traced"), "work": f"{node_uuid('medulla')}:master"}


def test_the_composed_gate_is_the_demos_behind_published_ports() -> None:
    settings, demo = served("compose.yaml"), served("demo.yaml")
    assert (settings.behind_proxy, str(settings.listen)) == (True, "0.0.0.0:8700")
    assert settings.services == demo.services


def test_what_makes_a_gate_one_of_several_can_be_included_anywhere() -> None:
    settings, problems = examine(CONFIG / "cluster.yaml", ENVIRON)
    assert {(one.level, one.path) for one in problems} == {("warning", "policies"), ("warning", "services")}
    assert settings is not None
    assert (settings.workers, settings.notice_seconds, settings.seconds_to_end) == (2, 5.0, 35.0)
    assert settings.cache.redis is not None


@pytest.mark.parametrize("name", ["demo.yaml", "lab.yaml", "compose.yaml", "cluster.yaml"])
def test_no_example_holds_a_secret_in_the_clear_or_needs_one_to_be_read(name: str) -> None:
    _, problems = examine(CONFIG / name, {})
    assert all("environment variable" in one.text for one in problems if one.level == "error")


def places(data: Any, where: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield where
    for step, value in (
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    ):
        yield from places(value, (*where, step))


def replaced(data: Any, where: tuple[str | int, ...], value: Any) -> Any:
    if not where:
        return value
    copy = dict(data) if isinstance(data, dict) else dict(enumerate(data))
    copy[where[0]] = replaced(copy[where[0]], where[1:], value)
    return copy if isinstance(data, dict) else list(copy.values())


EVERY = yaml.safe_load((CONFIG / "lab.yaml").read_text(encoding="utf-8"))
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=9)
    | st.just("${env:HOME}"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner, max_size=2),
    max_leaves=3,
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(sorted(places(EVERY), key=repr)), ODD), min_size=1, max_size=2))
def test_any_value_anywhere_ends_in_settings_or_in_problems_with_a_line(
    tmp_path: Path, changes: list[tuple[tuple[str | int, ...], Any]]
) -> None:
    data = EVERY
    for where, value in changes:
        with contextlib.suppress(
            KeyError, TypeError
        ):  # the first change may have taken the second one's place away
            data = replaced(data, where, value)
    file = tmp_path / "labgate.yaml"
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8", errors="surrogatepass")
    settings, problems = examine(file, ENVIRON)
    errors = [problem for problem in problems if problem.level == "error"]
    assert (settings is None) == bool(errors)
    assert all(problem.line and problem.text and problem.fix for problem in problems)
