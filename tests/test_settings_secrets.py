"""Laws of secrets: they come in by two doors only, and never go out."""

import traceback
from pathlib import Path

import pytest

from gateway.settings import Problem, Settings, SettingsError, examine, load

SECRET = "hunter2-and-more"


def examined(tmp_path: Path, text: str, **environ: str) -> tuple[Settings | None, tuple[Problem, ...]]:
    file = tmp_path / "labgate.yaml"
    file.write_text(text)
    return examine(file, environ)


def warned(problems: tuple[Problem, ...]) -> set[str]:
    return {found.path for found in problems if "in the clear" in found.text}


def test_environment_and_files_fill_any_part_of_any_text(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/licence").write_text("lic\n")
    settings, problems = examined(
        tmp_path,
        """services:
  jobs:
    url: "http://${env:HOST}:${env:PORT}/v2"
    headers: {Authorization: "Bearer ${env:TOKEN}", License-ID: "${file:secrets/licence}", X-Text: "$${env:TOKEN}"}
""",
        HOST="127.0.0.1",
        PORT="39002",
        TOKEN="${env:HOST}",
    )
    assert settings is not None
    jobs = settings.services["jobs"]
    assert jobs.url[0].text == "http://127.0.0.1:39002/v2"
    assert {name: value.get_secret_value() for name, value in jobs.headers.items()} == {
        "Authorization": "Bearer ${env:HOST}",  # what came in is not read once more
        "License-ID": "lic",
        "X-Text": "${env:TOKEN}",
    }
    assert warned(problems) == set()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("${env:NOT_THERE}", "the environment variable NOT_THERE is not set"),
        ("${env:EMPTY}", "the environment variable EMPTY is empty"),
        ("${file:nowhere}", "the file nowhere cannot be read"),
        ("${file:.}", "the file . cannot be read"),
        ("${file:empty}", "the file empty is empty"),
        ("${file:large}", "the file large is too large"),
        ("${file:binary}", "the file binary is no UTF-8 text"),
        ("${file:~nobody-of-this-name/x}", "begins with a home folder that is not known"),
        ("${file:" + "n" * 5000 + "}", "cannot be read: File name too long"),
        ("${env:" + chr(0x202E) + "}", "the environment variable \\u202e is not set"),
        ("${vault:x}", "a `${` that begins no placeholder"),
        ("${env:}", "a `${` that begins no placeholder"),
        ("${env:X", "a `${` that begins no placeholder"),
        ("${X}", "a `${` that begins no placeholder"),
    ],
)
def test_a_placeholder_that_gives_nothing_is_one_problem_that_names_it(
    tmp_path: Path, written: str, words: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    text = (
        f"services:\n  jobs:\n    url: http://h\n    headers: {{X-A: '{written}'}}\nstate_dir: '{written}'\n"
    )
    settings, problems = examined(tmp_path, text, EMPTY="", X="x")
    assert settings is None
    errors = [found for found in problems if found.level == "error"]
    assert [(found.line, found.path) for found in errors] == [
        (4, "services.jobs.headers.X-A"),
        (5, "state_dir"),
    ]
    assert all(words in found.text for found in errors)


@pytest.mark.parametrize(
    "place",
    [
        "services: {jobs: {url: '${env:S}'}}",
        "services: {jobs: {url: 'http://u:${env:S}@h/${env:S}', rpc_path: '/${env:S}', summary: '${env:S}'}}",
        "services: {jobs: {url: 'http://h', headers: {A: '${env:S}'}}}",
        'services: {jobs: {url: "http://h", headers: {A: "${env:S}\\n"}}}',
        "services: {jobs: {url: ['http://${env:S}/', '${env:S}'], dialect: '${env:S}', timeout: '${env:S}'}}",
        "services: {jobs: {url: 'http://h', methods: {a: {cache: {fresh: '${env:S}', share: '${env:S}', tags: '${env:S}'}}}}}",
        "identity: {signing_keys: '${env:S}', anonymous: '${env:S}'}",
        "identity: {issuers: [{issuer: '${env:S}', audience: '${env:S}', jwks: '${env:S}', algorithms: '${env:S}'}]}",
        "listen: '${env:S}'",
        "hosts: '${env:S}/'",
        "policies: [{to: '${env:S}', allow: '${env:S} /x'}]",
        "policies: [{to: 'group:${env:S}', allow: '${env:S}'}]",
        "public_url: 'https://${env:S}/x'",
        "limits: {body: '${env:S}', batch: '${env:S}'}",
        "telemetry: {access_log: '${env:S}'}",
        "telemetry: '${env:S}'",
        "shutdown_seconds: '10${env:S}'",
    ],
)
def test_what_a_placeholder_gave_is_in_no_problem_no_repr_and_no_traceback(
    tmp_path: Path, place: str
) -> None:
    file = tmp_path / "labgate.yaml"
    file.write_text(place + "\n")
    settings, problems = examine(file, {"S": SECRET})
    told = [str(problem) + repr(problem) for problem in problems]
    if settings is None:
        with pytest.raises(SettingsError) as caught:
            load(file, {"S": SECRET})
        told.append("".join(traceback.format_exception(caught.value)))
    else:
        told += [repr(settings), str(settings)]
    assert SECRET not in "\n".join(told)


def test_what_settings_hold_secret_stays_out_of_repr_and_dumps(tmp_path: Path) -> None:
    settings, _ = examined(
        tmp_path,
        """
services: {jobs: {url: "http://u:${env:S}@h/", summary: "${env:S}", headers: {A: "${env:S}"}, methods: {"a": {summary: "${env:S}"}}}}
identity: {signing_keys: ["${env:K}"]}
policies: [{to: ["group:${env:S}"], allow: ["*"]}]
""",
        S=SECRET,
        K=f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
    )
    assert settings is not None
    shown = f"{settings!r}\n{settings}\n{settings.model_dump()!r}\n{settings.model_dump_json()}"
    assert SECRET not in shown
    jobs = settings.services["jobs"]
    assert jobs.url[0].userinfo is not None
    assert jobs.url[0].userinfo.get_secret_value() == f"u:{SECRET}"
    assert jobs.summary == SECRET
    assert settings.policies[0].to == (f"group:{SECRET}",)


def test_where_things_are_is_shown_also_when_a_placeholder_said_it(tmp_path: Path) -> None:
    text = "services: {jobs: {url: '${env:URL}'}}\nlisten: '${env:LISTEN}'\nstate_dir: '${env:DIR}'\n"
    settings, _ = examined(
        tmp_path, text, URL=f"http://lab:8800/{SECRET}", LISTEN="127.0.0.1:1", DIR="/var/x"
    )
    assert settings is not None
    assert [str(url) for url in settings.services["jobs"].url] == ["http://lab:8800/…"]
    assert (str(settings.listen), str(settings.state_dir)) == ("127.0.0.1:1", "/var/x")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (
            "services: {jobs: {url: 'http://h', headers: {Authorization: Bearer x}}}",
            "services.jobs.headers.Authorization",
        ),
        ("services: {jobs: {url: 'http://h', headers: {License-ID: x}}}", "services.jobs.headers.License-ID"),
        ("services: {jobs: {url: 'http://h', headers: {X-Api-Key: x}}}", "services.jobs.headers.X-Api-Key"),
        ("services: {jobs: {url: 'http://h', headers: {Cookie: x}}}", "services.jobs.headers.Cookie"),
        ("services: {jobs: {url: ['http://h', 'http://u:x@g']}}", "services.jobs.url[1]"),
        ("identity: {signing_keys: ['-----BEGIN PRIVATE KEY-----x']}", "identity.signing_keys[0]"),
        ("summary: '-----BEGIN EC PRIVATE KEY-----x'", "summary"),
        ("password: x", "password"),
        ("client_secret: x", "client_secret"),
    ],
)
def test_a_secret_in_the_clear_is_a_warning_at_its_place(tmp_path: Path, text: str, path: str) -> None:
    _, problems = examined(tmp_path, text + "\n")
    assert warned(problems) == {path}
    assert all(
        found.level == "warning" for found in problems if found.path == path and "in the clear" in found.text
    )


def test_what_only_sounds_like_a_secret_is_no_warning(tmp_path: Path) -> None:
    _, problems = examined(
        tmp_path,
        """
identity: {local_tokens: true}
services:
  tokens:
    url: http://h
    headers: {Accept: x, X-Monkey: x}
    methods:
      get_password: {safe: true, summary: About passwords, cache: {fresh: 1s, tags: [tokens]}}
policies: [{to: ["group:secret"], allow: ["tokens.*"]}]
""",
    )
    assert warned(problems) == set()


def test_a_file_whose_name_is_none_is_one_problem(tmp_path: Path) -> None:
    text = 'services: {jobs: {url: "http://h", headers: {X-A: "${file:a\\0b}"}}}\n'
    settings, problems = examined(tmp_path, text)
    assert settings is None
    assert [found.text for found in problems if found.level == "error"] == [
        "the file a\\u0000b cannot be read: its path holds a character that no path can hold"
    ]
