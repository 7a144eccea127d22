"""Laws of several files: one's own file lies above, and every problem names the file it stands in."""

import itertools
from pathlib import Path

import pytest

from gateway import resources
from gateway.settings import Problem, examine, load


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / "main.yaml"


def errors(path: Path) -> list[Problem]:
    return [problem for problem in examine(path, {})[1] if problem.level == "error"]


def test_mappings_are_merged_and_lists_and_values_replaced(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        main="include: [low, high]\nlimits: {batch: 3}\nhosts: [c.org]\n".replace("low", "low.yaml").replace(
            "high", "high.yaml"
        ),
        low="limits: {batch: 1, depth: 1, connections: 1}\nhosts: [a.org, b.org]\nlisten: 127.0.0.1:1\n",
        high="limits: {batch: 2, depth: 2}\n",
    )
    settings = load(path, {})
    assert (settings.limits.batch, settings.limits.depth, settings.limits.connections) == (3, 2, 1)
    assert (settings.hosts, str(settings.listen)) == (("c.org",), "127.0.0.1:1")
    assert settings.include == ("low.yaml", "high.yaml")


def test_ones_own_rules_come_after_those_that_they_lie_above(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        main="include: low.yaml\nservices: {jobs: {methods: {'get_*': {summary: mine}, x: {}}}}\n",
        low="services: {jobs: {url: 'http://h', methods: {'get_*': {safe: true}, get_b: {safe: true}}}}\n",
    )
    methods = load(path, {}).services["jobs"].methods
    assert list(methods) == ["get_b", "get_*", "x"]
    assert (methods["get_*"].safe, methods["get_*"].summary) == (True, "mine")


def test_a_problem_names_the_file_and_line_it_stands_in(tmp_path: Path) -> None:
    path = write(tmp_path, main="include: low.yaml\nlimits: {batch: 0}\n", low="\n\nlimits:\n  depth: 0\n")
    assert [(problem.file, problem.line, problem.path) for problem in errors(path)] == [
        (str(tmp_path / "low.yaml"), 4, "limits.depth"),
        (str(path), 2, "limits.batch"),
    ]


def test_paths_in_an_included_file_start_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", low="include: lower.yaml\nstate_dir: state\n", lower="hosts: ['${file:host}']\n")
    (tmp_path / "sub/host").write_text("a.org")
    settings = load(write(tmp_path, main="include: sub/low.yaml\n"), {})
    assert (settings.state_dir, settings.hosts) == (tmp_path / "sub/state", ("a.org",))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("nowhere.yaml", "no file `nowhere.yaml`"),
        ("main.yaml", "`main.yaml` includes itself"),
        ("round.yaml", "`main.yaml` includes itself"),
        ("'${env:X}.yaml'", "placeholders are not followed"),
        ("pack:nowhere", "no rule pack `nowhere`"),
        ("pack:../demo", "no rule pack `../demo`"),
        ("broken.yaml", "not readable as YAML"),
        ("list.yaml", "no mapping of settings"),
        ("5", "expected a list"),
        ("[5]", "expected text"),
        (".", "no file `.`"),
        ('"a\\0b"', "holds a line break or another control character"),
        ("n" * 5000, "no file `nnnn"),
        ("~nobody-of-this-name/x.yaml", "begins with a home folder that is not known"),
    ],
)
def test_what_cannot_be_included_is_one_problem(tmp_path: Path, entry: str, words: str) -> None:
    path = write(
        tmp_path, main=f"include: {entry}\n", round="include: main.yaml\n", broken="a: [", list="- a\n"
    )
    found = errors(path)
    assert len(found) == 1, found
    assert words in found[0].text


def test_files_that_include_each_other_twice_over_end(tmp_path: Path) -> None:
    names = [f"f{n}" for n in range(12)]
    files = {name: f"include: [{after}.yaml, {after}.yaml]\n" for name, after in itertools.pairwise(names)}
    path = write(tmp_path, main="include: f0.yaml\n", **files, f11="hosts: [a.org]\n")
    assert any("more than 100 files" in problem.text for problem in errors(path))


def test_a_pack_lies_below_and_speaks_of_the_services_one_has(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        main="include: pack:cryosparc\nservices: {cryosparc: {url: 'http://h', timeout: 5s, methods: {'*': {summary: x}}}}\n",
    )
    cryosparc = load(path, {}).services["cryosparc"]
    assert (cryosparc.rpc_path, cryosparc.timeout) == ("/api", 5.0)
    assert cryosparc.methods["get_*"].safe
    assert list(cryosparc.methods)[-1] == "*"


def test_a_pack_for_a_service_that_is_not_there_is_a_warning_and_nothing_more(tmp_path: Path) -> None:
    path = write(tmp_path, main="include: pack:cryosparc\nservices: {cs: {url: 'http://h'}}\n")
    settings, problems = examine(path, {})
    assert settings is not None
    assert list(settings.services) == ["cs"]
    assert [problem.path for problem in problems if problem.file.endswith("cryosparc.yaml")] == [
        "services.cryosparc"
    ]


@pytest.mark.parametrize("name", resources.pack_names())
def test_every_pack_is_read_without_a_problem_when_its_services_are_there(tmp_path: Path, name: str) -> None:
    settings, problems = examine(resources.pack(name), {})
    assert settings is None  # a pack has no addresses
    missing = [problem for problem in problems if problem.level == "error"]
    assert missing
    assert all(problem.path.endswith(".url") and problem.text == "is missing" for problem in missing)
    services = "\n".join(f"  {problem.path.split('.')[1]}: {{url: 'http://h'}}" for problem in missing)
    path = write(
        tmp_path,
        main=f"include: pack:{name}\nservices:\n{services}\npolicies: [{{to: authenticated, allow: '*'}}]\n",
    )
    assert examine(path, {})[1] == ()


def test_an_unknown_pack_is_answered_with_the_known_ones() -> None:
    with pytest.raises(resources.UnknownPackError) as caught:
        resources.pack("nowhere")
    assert caught.value.known == resources.pack_names()
    assert "cryosparc" in caught.value.known
