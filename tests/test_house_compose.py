"""Laws of the containers: what they name exists, and nothing is published beyond this machine."""

import argparse
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.commands import COMMANDS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return found


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "config" / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_a_gate_and_a_lab_are_composed(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"gate", "lab"}
    known = {"build", "command", "expose", "read_only", "tmpfs", "restart", "environment", "volumes", "ports"}
    known |= {"depends_on", "healthcheck", "stop_grace_period"}
    for service in compose["services"].values():
        assert set(service) <= known
        assert service["build"] == {"context": ".", "dockerfile": "config/Containerfile"}


def test_ports_are_published_on_loopback_alone(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8700:8700", "127.0.0.1:8701:8701"]


def test_every_file_that_the_containers_name_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            assert target.startswith("/")
            assert (ROOT / source).is_file() if source.startswith("./") else source in compose["volumes"]
    copied = [word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]]
    assert copied
    assert all((ROOT / word).exists() for word in copied)


def test_the_gate_is_given_every_variable_that_its_settings_ask_for(compose: dict[str, Any]) -> None:
    given = compose["services"]["gate"]["environment"]
    text = (ROOT / "config" / "demo.yaml").read_text(encoding="utf-8")
    asked = {part.partition("}")[0] for part in text.split("${env:")[1:]}
    assert asked <= set(given)
    target = next(v.split(":")[1] for v in compose["services"]["gate"]["volumes"] if "compose.yaml" in v)
    assert given["LABGATE_CONFIG"] == target
    lab = compose["services"]["lab"]["command"]
    for name, option in (("JOBS", "--listen"), ("FILES", "--listen-files"), ("DVID", "--listen-dvid")):
        port = given[f"LABGATE_DEMO_{name}"].rpartition(":")[2]
        assert port == lab[lab.index(option) + 1].rpartition(":")[2]
        assert port in compose["services"]["lab"]["expose"]


def test_the_containers_commands_are_commands_of_labgated(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        name, *arguments = service["command"]
        assert name in COMMANDS
        parser = argparse.ArgumentParser(exit_on_error=False)
        importlib.import_module(f"gateway.commands.{name}").add_arguments(parser)
        parser.parse_args(arguments)


def test_the_image_does_not_run_as_root_and_starts_the_gate() -> None:
    found = dict(instructions())
    assert found["USER"] == "labgate"
    assert found["ENTRYPOINT"] == '["labgated"]'
    assert next(name for name, _ in instructions()) == "FROM"
