"""Laws of the folders that settings name: a place that cannot be meant is refused, with what to write instead."""

from pathlib import Path

import pytest

from gateway.settings import Settings, examine

HEAD = "services: {a: {url: 'http://127.0.0.1:1'}}\n"


def settled(tmp_path: Path, said: str) -> tuple[Settings | None, list[str]]:
    """The settings of a file with this line in it, and the errors that name a folder."""
    file = tmp_path / "labgate.yaml"
    file.write_text(HEAD + said)
    settings, problems = examine(file, {"HOME": str(tmp_path)})
    return settings, [str(one) for one in problems if one.level == "error"]


def disk(place: object) -> str:
    return f"cache: {{disk: {{size: 1GiB, path: '{place}'}}}}\n"


@pytest.mark.parametrize("root", ["/", "//", "/tmp/..", "/./"])
@pytest.mark.parametrize("line", ["cache: {disk: {size: 1GiB, path: 'HERE'}}", "state_dir: 'HERE'"])
def test_the_root_of_the_file_system_is_nobodys_folder(tmp_path: Path, root: str, line: str) -> None:
    settings, errors = settled(tmp_path, line.replace("HERE", root))
    assert settings is None
    assert len(errors) == 1
    assert "is the root of the file system" in errors[0]
    assert "/var/lib/labgate" in errors[0]


def test_a_link_to_the_root_is_the_root(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    assert "is the root of the file system" in settled(tmp_path, disk(tmp_path / "link"))[1][0]


@pytest.mark.parametrize("below", ["", "/cache"])
@pytest.mark.parametrize("line", ["cache: {disk: {size: 1GiB, path: HERE}}", "state_dir: HERE"])
def test_a_file_is_no_folder_and_has_none_below_it(tmp_path: Path, line: str, below: str) -> None:
    (tmp_path / "taken").write_bytes(b"mine")
    settings, errors = settled(tmp_path, line.replace("HERE", f"taken{below}"))
    assert settings is None
    assert "is no folder, or lies below what is none" in errors[0]
    assert (tmp_path / "taken").read_bytes() == b"mine"


def test_a_folder_that_holds_other_files_is_not_for_entries(tmp_path: Path) -> None:
    (tmp_path / "data" / "scans").mkdir(parents=True)
    settings, errors = settled(tmp_path, disk(tmp_path / "data"))
    assert settings is None
    assert "holds other files, and entries need a folder of their own" in errors[0]
    assert settled(tmp_path, "state_dir: data\n")[0] is not None


@pytest.mark.parametrize(
    "inside", [(), ("lost+found",), ("entries", "tmp"), ("usage", "notes.txt"), ("catalogs",), ("tmp",)]
)
def test_a_folder_that_is_empty_or_labgates_is_for_entries(tmp_path: Path, inside: tuple[str, ...]) -> None:
    for name in inside:
        (tmp_path / "cache" / name).mkdir(parents=True)
    assert settled(tmp_path, disk(tmp_path / "cache"))[0] is not None
    assert settled(tmp_path, disk(tmp_path / "new" / "cache"))[0] is not None
