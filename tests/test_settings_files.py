"""Which files do the settings come from, and when are they read to find that out?"""

import pytest

from gateway.settings import files
from gateway.settings.files import Sources


@pytest.fixture
def readings(monkeypatch):
    """The paths that were read for the names of files, in order."""
    made = []
    gather = files.gather

    def counted(path, found):
        made.append(path)
        return gather(path, found)

    monkeypatch.setattr(files, "gather", counted)
    return made


def written(path, text):
    """Write the file so that its mark changes, whatever the clock's steps are."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def test_what_has_not_changed_is_read_for_its_names_no_more(tmp_path, readings):
    path = tmp_path / "lab.yaml"
    written(tmp_path / "more.yaml", "limits: {batch: 3}\n")
    written(path, "include: more.yaml\n")
    sources = Sources(path)
    first = sources.look()
    assert set(first) == {path, tmp_path / "more.yaml"}
    readings.clear()
    assert [sources.look() for _ in range(5)] == [first] * 5
    assert readings == []


@pytest.mark.parametrize("name", ["lab.yaml", "more.yaml", "key"])
def test_a_change_of_any_of_them_is_seen_at_the_next_look_and_once(tmp_path, readings, name):
    texts = {"lab.yaml": "include: more.yaml\n", "more.yaml": "secret: ${file:key}\n", "key": "a"}
    for each, text in texts.items():
        written(tmp_path / each, text)
    sources = Sources(tmp_path / "lab.yaml")
    before = sources.look()
    written(tmp_path / name, texts[name] + "\n")
    after = sources.look()
    assert {path.name for path in after if after[path] != before[path]} == {name}
    readings.clear()
    assert sources.look() == after
    assert readings == []


def test_what_a_change_names_for_the_first_time_is_watched_from_then_on(tmp_path):
    path, more, key = tmp_path / "lab.yaml", tmp_path / "more.yaml", tmp_path / "key"
    written(path, "services: {}\n")
    written(more, "services: {}\n")
    sources = Sources(path)
    assert set(sources.look()) == {path}
    written(path, "include: more.yaml\n")
    assert set(sources.look()) == {path, more}
    written(more, "secret: ${file:key}\n")
    before = sources.look()
    assert before[key] is None
    written(key, "a")
    assert sources.look()[key] is not None


def test_what_is_no_longer_named_is_no_longer_looked_at(tmp_path):
    path, more = tmp_path / "lab.yaml", tmp_path / "more.yaml"
    written(more, "services: {}\n")
    written(path, "include: more.yaml\n")
    sources = Sources(path)
    assert set(sources.look()) == {path, more}
    written(path, "services: {}\n")
    assert set(sources.look()) == {path}


def test_a_file_written_while_it_is_read_is_read_once_more(tmp_path, monkeypatch):
    path, more = tmp_path / "lab.yaml", tmp_path / "more.yaml"
    written(more, "services: {}\n")
    written(path, "services: {}\n")
    sources = Sources(path)
    sources.look()
    gather, late = files.gather, ["include: more.yaml\n"]

    def overtaken(path_, found):
        result = gather(path_, found)
        if late:
            written(path, late.pop())
        return result

    monkeypatch.setattr(files, "gather", overtaken)
    written(path, "limits: {batch: 3}\n")
    assert set(sources.look()) == {path, more}


def test_the_files_are_those_that_are_included_and_those_that_hold_secrets(tmp_path):
    file, more = tmp_path / "labgate.yaml", tmp_path / "below" / "more.yaml"
    more.parent.mkdir()
    file.write_text('include: [below/more.yaml, pack:cave, gone.yaml]\nstate_dir: "x${file:key}"\n')
    more.write_text('public_url: "${file:other}"\n')
    found = Sources(file).look()
    assert {one for one in found if tmp_path in one.parents} == {
        file, more, tmp_path / "gone.yaml", tmp_path / "key", tmp_path / "below" / "other",
    }  # fmt: skip
    assert any(one.name.startswith("cave") for one in found)


def test_a_file_is_another_one_when_it_is_written_put_in_place_or_gone(tmp_path):
    file = tmp_path / "labgate.yaml"
    sources = Sources(file)
    seen = [sources.look()]
    file.write_text("a: 1\n")
    seen.append(sources.look())
    file.write_text("a: 12\n")
    seen.append(sources.look())
    (tmp_path / "new").write_text("a: 13\n")
    (tmp_path / "new").replace(file)
    seen.append(sources.look())
    file.unlink()
    assert sources.look() == seen[0] == {file: None}
    assert all(one != other for at, one in enumerate(seen) for other in seen[:at])


def test_a_file_that_is_no_yaml_still_has_a_place_to_look_at(tmp_path):
    file = tmp_path / "labgate.yaml"
    file.write_text("a: [\n")
    assert set(Sources(file).look()) == {file}
