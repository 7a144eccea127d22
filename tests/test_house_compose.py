"""Laws of the containers: compose and Kubernetes would take them, what they name exists, and they are set as they are tried."""

import argparse
import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from gateway.commands import COMMANDS
from gateway.settings import examine

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"
GATES = ("gate-one", "gate-two")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return found


def instructions() -> list[tuple[str, str]]:
    text = (CONFIG / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def volumes(service: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.split(":")[0], one.split(":")[1]) for one in service.get("volumes", [])]


def test_compose_itself_would_take_the_file(compose: dict[str, Any]) -> None:
    package = find_spec("check_jsonschema")  # it comes with the published schemas
    assert package is not None
    assert package.origin is not None
    schema = Path(package.origin).with_name("builtin_schemas") / "vendor" / "compose-spec.json"
    text = schema.read_text(encoding="utf-8")
    checker = jsonschema.Draft202012Validator(json.loads(text))
    assert list(checker.iter_errors(compose)) == []
    wrong = compose | {"services": {"gate": {"imag": "labgate"}}}
    assert list(checker.iter_errors(wrong)) != [], "and would not take another one"


def test_two_gates_differ_in_their_disk_and_their_operators_port_alone(compose: dict[str, Any]) -> None:
    one, two = (dict(compose["services"][name]) for name in GATES)
    assert volumes(one) != volumes(two)
    for gate in (one, two):
        del gate["volumes"], gate["ports"]
    assert one == two


def test_ports_are_published_on_loopback_alone_and_each_once(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)
    outside = [port.split(":")[1] for port in published]
    assert outside == ["8700", "8701", "8702", "3000"]


def test_every_file_and_service_that_the_containers_name_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert ("build" in service) != ("image" in service)
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        for source, target in volumes(service):
            assert target.startswith("/")
            assert (ROOT / source).exists() if source.startswith("./") else source in compose["volumes"]
    copied = [word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]]
    assert copied
    assert all((ROOT / word).exists() for word in copied)


def test_images_of_others_are_of_a_certain_release(compose: dict[str, Any]) -> None:
    images = [one["image"] for one in compose["services"].values() if "image" in one]
    assert all(re.fullmatch(r"[a-z/]+:v?[0-9][0-9.]*", image) for image in images), images


def asked(name: str) -> set[str]:
    return set(re.findall(r"\$\{env:(\w+)\}", (CONFIG / name).read_text(encoding="utf-8")))


def test_the_gates_are_given_every_variable_that_their_settings_ask_for(compose: dict[str, Any]) -> None:
    given = compose["services"]["gate-one"]["environment"]
    assert asked("demo.yaml") | asked("cluster.yaml") | {"LABGATE_CONFIG"} == set(given)
    target = next(
        target for source, target in volumes(compose["services"]["gate-one"]) if source == "./config"
    )
    assert (CONFIG / Path(given["LABGATE_CONFIG"]).relative_to(target)).is_file()
    lab = compose["services"]["lab"]["command"]
    for name, option in (("JOBS", "--listen"), ("FILES", "--listen-files"), ("DVID", "--listen-dvid")):
        port = given[f"LABGATE_DEMO_{name}"].rpartition(":")[2]
        assert port == lab[lab.index(option) + 1].rpartition(":")[2]
        assert port in compose["services"]["lab"]["expose"]


def test_haproxy_is_given_every_variable_of_its_settings_and_finds_the_gates(compose: dict[str, Any]) -> None:
    balancer = compose["services"]["balancer"]
    named = set(re.findall(r"\$\{(\w+)-", (CONFIG / "haproxy.cfg").read_text(encoding="utf-8")))
    assert set(balancer["environment"]) == named - {"LABGATE_HOST"}
    settings = served_in_compose(compose)
    for name, variable in zip(GATES, ("LABGATE_ONE", "LABGATE_TWO"), strict=True):
        assert balancer["environment"][variable] == f"{name}:{settings.listen.port}"
    assert "localhost" in settings.hosts


def served_in_compose(compose: dict[str, Any]) -> Any:
    given = compose["services"]["gate-one"]["environment"]
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n"
    environ = {**given, "LABGATE_SIGNING_KEY": key, "LABGATE_REDIS_PASSWORD": "x" * 16}
    settings, problems = examine(CONFIG / "compose.yaml", environ)
    assert problems == ()
    return settings


def test_the_gates_find_valkey_and_believe_the_balancers_network(compose: dict[str, Any]) -> None:
    settings = served_in_compose(compose)
    assert settings.workers == 2
    assert settings.cache.redis is not None
    place = settings.cache.redis.place()
    assert (place["host"], str(place["port"])) == ("valkey", compose["services"]["valkey"]["expose"][0])
    (pool,) = compose["networks"]["default"]["ipam"]["config"]
    assert [str(one) for one in settings.trusted_proxies] == [pool["subnet"]]


def test_whoever_stops_a_gate_waits_until_it_has_ended(compose: dict[str, Any]) -> None:
    seconds = served_in_compose(compose).seconds_to_end
    for name in GATES:
        assert float(compose["services"][name]["stop_grace_period"].removesuffix("s")) > seconds
    gates = next(one for one in kubernetes() if one["kind"] == "Deployment")
    assert gates["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > seconds
    unit = (CONFIG / "labgate.service").read_text(encoding="utf-8")
    assert float(re.findall(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)[0]) > seconds
    haproxy = (CONFIG / "haproxy.cfg").read_text(encoding="utf-8")
    assert float(re.findall(r"hard-stop-after (\d+)s", haproxy)[0]) >= seconds


def test_the_time_limits_of_haproxy_go_with_the_gates_own(compose: dict[str, Any]) -> None:
    text = (CONFIG / "haproxy.cfg").read_text(encoding="utf-8")
    limit = {name: float(number) for name, number in re.findall(r"timeout ([\w-]+) (\d+)s", text)}
    settings = served_in_compose(compose)
    assert limit["http-request"] == settings.limits.header_seconds
    assert limit["http-keep-alive"] < settings.limits.idle_seconds
    assert limit["server"] > max(one.timeout for one in settings.services.values())
    assert float(re.findall(r"pool-purge-delay (\d+)s", text)[0]) < settings.limits.idle_seconds
    assert int(re.findall(r"tune.bufsize (\d+)", text)[0]) > settings.limits.header_bytes
    looks = float(re.findall(r" inter (\d+)ms", text)[0]) / 1000 + limit["check"]
    assert looks < settings.notice_seconds, "a gate is gone only when HAProxy knows of it"


def test_prometheus_asks_the_operators_port_of_both_gates(compose: dict[str, Any]) -> None:
    found = yaml.safe_load((CONFIG / "compose-prometheus.yml").read_text(encoding="utf-8"))
    own = yaml.safe_load((CONFIG / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {one["job_name"]: one for one in found["scrape_configs"]}
    settings = served_in_compose(compose)
    targets = [f"{name}:{settings.operator.listen.port}" for name in GATES]
    assert jobs["labgate"]["static_configs"] == [{"targets": targets}]
    assert set(GATES) <= set(settings.hosts)
    assert jobs["labgate"]["metrics_path"] == own["scrape_configs"][0]["metrics_path"]
    assert found["rule_files"] == own["rule_files"]
    mounted = {target: source for source, target in volumes(compose["services"]["prometheus"])}
    assert mounted["/etc/prometheus/" + found["rule_files"][0]] == "./config/" + found["rule_files"][0]
    folder, _, name = jobs["labgate"]["authorization"]["credentials_file"].rpartition("/")
    making = compose["services"]["numbers"]
    written = dict(volumes(making))[mounted[folder]]
    assert making["command"][0].endswith(f" > {written}/{name}")
    assert any(written in rest for instruction, rest in instructions() if instruction == "RUN")


def test_grafana_shows_the_dashboards_from_that_prometheus(compose: dict[str, Any]) -> None:
    mounted = {target: source for source, target in volumes(compose["services"]["grafana"])}
    for name in ("datasource", "dashboards"):
        assert f"./config/grafana/{name}.yml" in mounted.values()
    provided = yaml.safe_load((CONFIG / "grafana" / "dashboards.yml").read_text(encoding="utf-8"))
    path = provided["providers"][0]["options"]["path"]
    assert list((ROOT / mounted[path]).glob("*.json"))
    (source,) = yaml.safe_load((CONFIG / "grafana" / "datasource.yml").read_text(encoding="utf-8"))[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:" + compose["services"]["prometheus"]["expose"][0]


def test_the_containers_commands_are_commands_of_labgated(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if "build" not in service:
            continue
        words = service["command"]
        if service.get("entrypoint") == ["sh", "-c"]:
            words = words[0].partition(" > ")[0].split()
            assert words.pop(0) == "labgated"
        name, *arguments = words
        assert name in COMMANDS
        parser = argparse.ArgumentParser(exit_on_error=False)
        importlib.import_module(f"gateway.commands.{name}").add_arguments(parser)
        parser.parse_args(arguments)


def test_the_image_does_not_run_as_root_and_starts_the_gate() -> None:
    found = dict(instructions())
    assert found["USER"] == "labgate"
    assert found["ENTRYPOINT"] == '["labgated"]'
    assert next(name for name, _ in instructions()) == "FROM"


# --- Kubernetes


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((CONFIG / "kubernetes.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("release", ["1.30", "1.33"])
def test_kubernetes_itself_would_take_every_object(release: str) -> None:
    for one in kubernetes():
        kubernetes_validate.validate(one, release, strict=True)
    wrong = kubernetes()[1]
    wrong["spec"]["replica"] = wrong["spec"].pop("replicas")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, release, strict=True)


def test_the_gates_on_kubernetes_are_set_as_those_of_compose(tmp_path: Path) -> None:
    objects = {(one["kind"], one["metadata"]["name"]): one for one in kubernetes()}
    settings = objects["ConfigMap", "labgate"]["data"]
    assert yaml.safe_load(settings["cluster.yaml"]) == yaml.safe_load((CONFIG / "cluster.yaml").read_text())
    for name, text in settings.items():
        (tmp_path / name).write_text(text)
    gate = objects["Deployment", "labgate"]["spec"]["template"]["spec"]["containers"][0]
    assert {one["name"] for one in gate["env"]} == asked("cluster.yaml") | {"LABGATE_CONFIG"}
    environ = {one["name"]: one.get("value", "x" * 16) for one in gate["env"]}
    environ["LABGATE_SIGNING_KEY"] = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n"
    found, problems = examine(tmp_path / "labgate.yaml", environ)
    assert problems == ()
    assert found is not None
    for probe in ("readinessProbe", "livenessProbe"):
        (said,) = gate[probe]["httpGet"]["httpHeaders"]
        assert said["value"] in found.hosts
    assert "labgate" in found.hosts
    ports = {one["name"]: one["containerPort"] for one in gate["ports"]}
    assert ports == {"callers": found.listen.port, "operators": found.operator.listen.port}
    assert found.cache.redis is not None
    assert ("Service", found.cache.redis.place()["host"]) in objects
    mounted = {one["mountPath"] for one in gate["volumeMounts"]}
    assert {str(found.state_dir), str(Path(environ["LABGATE_CONFIG"]).parent)} <= mounted
    (port,) = objects["Service", "labgate"]["spec"]["ports"]
    assert port["targetPort"] in ports


def test_kubernetes_objects_name_one_another() -> None:
    labels = [
        one["spec"]["template"]["metadata"]["labels"] for one in kubernetes() if one["kind"] == "Deployment"
    ]

    def selectors(data: Any) -> Iterator[dict[str, str]]:
        if isinstance(data, dict):
            if "matchLabels" in data:
                yield data["matchLabels"]
            for value in data.values():
                yield from selectors(value)
        for value in data if isinstance(data, list) else ():
            yield from selectors(value)

    found = [one for each in kubernetes() for one in selectors(each)]
    found += [one["spec"]["selector"] for one in kubernetes() if one["kind"] == "Service"]
    assert len(found) > 6
    assert all(one in labels for one in found)


# --- systemd


def test_systemd_itself_would_take_the_unit(tmp_path: Path) -> None:
    text = (CONFIG / "labgate.service").read_text(encoding="utf-8")
    command = re.findall(r"^ExecStart=(\S+) serve --config \S+$", text, re.MULTILINE)
    assert len(command) == 1
    assert "DynamicUser=yes" in text
    program = shutil.which("systemd-analyze")
    if program is None:  # no systemd: nothing to ask
        return
    unit = tmp_path / "labgate.service"
    unit.write_text(text.replace(command[0], "/bin/true"))
    done = subprocess.run([program, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
