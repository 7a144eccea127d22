"""Laws of `tls` and `certificates` in the settings: what contradicts itself is refused, and files are looked into."""

from __future__ import annotations

import shutil
import time
from argparse import Namespace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.commands.operating import operator_address
from gateway.settings import Settings, SettingsError, examine
from gateway.tls import SOON, Secured, file_problems
from gateway.wire.tls import TlsError

SERVICE = "services: {own: {url: https://h, mount: /own%s}}"


def found(tmp_path: Path, text: str, *, files: bool = False) -> tuple[Settings | None, list[str]]:
    file = tmp_path / "labgate.yaml"
    file.write_text(text)
    look = (lambda settings: file_problems(settings, time.time())) if files else None
    settings, problems = examine(file, {}, look)
    return settings, [f"{one.level} {one.line} {one.path}: {one.text} | {one.fix}" for one in problems]


REFUSED = {
    "the operator's door without TLS though the callers' has it": (
        "listen: 0.0.0.0:1\ntls: {certificate: a}\noperator: {listen: 0.0.0.0:2}",
        "operator.listen",
    ),
    "a service's port without TLS though the callers' has it": (
        "tls: {certificate: a}\n" + SERVICE % ", listen: 0.0.0.0:2",
        "services.own.listen",
    ),
    "certificates asked for that nobody can judge": (
        "tls: {certificate: a, client: required}",
        "tls.client",
    ),
    "authorities of whom nobody is asked": (
        "tls: {certificate: a, client_ca: b, client: none}",
        "tls.client_ca",
    ),
    "a version that is too old": ("tls: {certificate: a, minimum: 1.1}", "tls.minimum"),
    "a name of no kind": (
        'tls: {certificate: a, client_ca: b}\nidentity: {certificates: {groups: {"ou=x": [a]}}}',
        "identity.certificates.groups",
    ),
    "a port for everybody on which certificates are optional": (
        SERVICE
        % ", listen: {address: 0.0.0.0:2, as: [group:a], tls: {certificate: a, client_ca: b, client: optional}}",
        "services.own.listen.as",
    ),
    "tls for a service without https": (
        "services: {own: {url: http://h, tls: {ca: a}}}",
        "services.own.tls",
    ),
    "a key without its certificate": (SERVICE % ", tls: {key: a}", "services.own.tls.key"),
    "an authority where nothing is verified": (
        SERVICE % ", tls: {ca: a, verify: false}",
        "services.own.tls.ca",
    ),
}


@pytest.mark.parametrize(("text", "path"), REFUSED.values(), ids=REFUSED)
def test_what_contradicts_itself_is_refused_with_its_place(tmp_path, text, path) -> None:
    settings, problems = found(tmp_path, text)
    assert settings is None
    assert any(f" {path}" in one for one in problems), problems


TAKEN = {
    "callers beyond this machine": "listen: 0.0.0.0:1\ntls: {certificate: a, minimum: 1.3}",
    "operators": "operator: {listen: 0.0.0.0:2, tls: {certificate: a}}",
    "a service": SERVICE % ", listen: {address: 0.0.0.0:2, tls: {certificate: a}}",
    "a service for everybody with a certificate": SERVICE
    % ", listen: {address: 0.0.0.0:2, as: [group:a], tls: {certificate: a, client_ca: b}}",
}


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_with_tls_a_listener_may_be_beyond_this_machine(tmp_path, text) -> None:
    settings, problems = found(tmp_path, text)
    assert settings is not None, problems


def test_another_host_of_the_command_line_is_taken_with_tls_alone(tmp_path) -> None:
    settings, _ = found(tmp_path, "tls: {certificate: a}")
    assert settings is not None
    assert settings.listening_on("0.0.0.0", None).listen.host == "0.0.0.0"
    with pytest.raises(SettingsError):
        Settings().listening_on("0.0.0.0", None)


def test_the_path_of_a_key_is_not_taken_for_a_secret_written_in_the_clear(tmp_path) -> None:
    _, problems = found(tmp_path, "tls: {certificate: a, key: b}")
    assert not [one for one in problems if "secret" in one]


@pytest.mark.parametrize(
    ("host", "warned"), [("files.lab.org", True), ("127.0.0.1:8443", False), ("[::1]", False)]
)
def test_who_believes_any_upstream_beyond_this_machine_is_warned(tmp_path, host, warned) -> None:
    _, problems = found(
        tmp_path, f"services: {{own: {{url: 'https://{host}', mount: /own, tls: {{verify: false}}}}}}"
    )
    assert any("pass for the service" in one for one in problems) == warned


def test_links_that_would_lead_past_tls_are_noticed(tmp_path) -> None:
    for scheme, noticed in (("http", True), ("https", False)):
        _, problems = found(tmp_path, f"tls: {{certificate: a}}\npublic_url: {scheme}://gate.lab.org")
        assert any("https://gate.lab.org" in one for one in problems) == noticed


def test_commands_find_a_gate_by_the_name_that_its_certificate_is_for(tmp_path) -> None:
    for text, address in (
        ("operator: {listen: 127.0.0.1:7, tls: {certificate: a}}", "https://127.0.0.1:7"),
        (
            "operator: {listen: 0.0.0.0:7, tls: {certificate: a}}\nhosts: gate.lab.org",
            "https://gate.lab.org:7",
        ),
        ("operator: {listen: 0.0.0.0:7}\nbehind_proxy: true\nhosts: gate.lab.org", "http://127.0.0.1:7"),
    ):
        (tmp_path / "labgate.yaml").write_text(text)
        said = Namespace(url=None, config=tmp_path / "labgate.yaml")
        found_at = operator_address(said)
        assert found_at is not None
        assert found_at[0] == address


def test_certificates_that_no_listener_asks_for_are_noticed(tmp_path) -> None:
    asked = "identity: {certificates: {subject: cn}}\n"
    assert any("asks for certificates" in one for one in found(tmp_path, asked)[1])
    assert not any(
        "asks for" in one for one in found(tmp_path, asked + "tls: {certificate: a, client_ca: b}")[1]
    )


@pytest.mark.parametrize(
    ("break_it", "path", "said"),
    [
        ("missing", "tls.certificate", "cannot be read: no such file"),
        ("no key", "tls.key", "cannot be read"),
        ("other key", "tls.key", "the key is not the certificate's"),
        ("passphrase", "tls.key", "has a passphrase"),
        ("no certificate", "tls.certificate", "no certificate is in"),
        ("not a key", "tls.key", "no private key is in"),
        ("no authority", "tls.client_ca", "no certificate is in"),
        ("expired", "tls.certificate", "has expired"),
        ("soon", "tls.certificate", "ends on"),
    ],
)
def test_check_looks_into_the_files_and_a_gate_does_not_start_with_bad_ones(
    tmp_path, authority, break_it, path, said
) -> None:
    days = {"expired": -1, "soon": 10}.get(break_it, 90)
    issued = authority.issue(valid=timedelta(days=days), password=b"x" if break_it == "passphrase" else b"")
    ca = tmp_path / "ca.pem"
    shutil.copy(authority.file, ca)
    match break_it:
        case "missing":
            issued.certificate.unlink()
        case "no key":
            issued.key.unlink()
        case "other key":
            shutil.copy(authority.issue().key, issued.key)
        case "no certificate":
            issued.certificate.write_text("nothing")
        case "not a key":
            issued.key.write_text("nothing")
        case "no authority":
            ca.write_text("nothing")
    text = f"tls: {{certificate: {issued.certificate}, key: {issued.key}, client_ca: {ca}}}\n"
    settings, problems = found(tmp_path, text, files=True)
    level = "warning" if break_it in ("expired", "soon") else "error"
    assert any(one.startswith(f"{level} 1 {path}: ") and said in one for one in problems), problems
    assert (settings is None) == (level == "error")
    usable, _ = found(tmp_path, text)
    assert usable is not None
    if level == "error":
        with pytest.raises(TlsError, match=said):
            Secured(usable)
    else:
        assert Secured(usable).ends()[0][1] < time.time() + SOON
