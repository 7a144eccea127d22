"""Laws of what is told of changed settings: every difference, where it stands, and no secret."""

import pytest

from gateway.settings.differences import MOST, differences
from gateway.settings.handing import read

BASE = """\
listen: 127.0.0.1:8700
policies: [{to: ["group:lab"], allow: ["*"]}]
services:
  jobs:
    dialect: jsonrpc
    url: "http://127.0.0.1:1"
    headers: {X-Plain: plain-text-1, X-Key: "${env:KEY}"}
    methods: {"get_*": {safe: true, cache: {fresh: 30s}}}
"""


@pytest.fixture
def between(tmp_path):
    """What is told of changes of the text, or of the environment."""

    def found(*pairs, key="first-key", then=None, base=BASE):
        file = tmp_path / "labgate.yaml"
        file.write_text(base)
        before = read(file, {"KEY": key})[1]
        text = base
        for one, other in pairs:
            assert one in text
            text = text.replace(one, other)
        file.write_text(text)
        return differences(before, read(file, {"KEY": then or key})[1])

    return found


def test_what_is_the_same_has_none(between):
    assert between() == ()
    assert between(("listen: 127", "# a remark\nlisten: 127")) == ()


@pytest.mark.parametrize(
    ("one", "other", "line"),
    [
        ("8700", "8710", "~ listen: 127.0.0.1:8700 -> 127.0.0.1:8710"),
        ("fresh: 30s", "fresh: 1m", '~ services.jobs.methods["get_*"].cache.fresh: 30s -> 1m'),
        ("fresh: 30s", "fresh: 30s, pin: true", '+ services.jobs.methods["get_*"].cache.pin: true'),
        ('allow: ["*"]', 'allow: ["a", "b"]', "~ policies[0].allow: [*] -> [a, b]"),
        ("listen:", "limits: {batch: 7}\nlisten:", "+ limits: batch"),
        ('allow: ["*"]}]', 'allow: ["*"]}, {to: [anonymous], allow: [x]}]', "+ policies[1]: to, allow"),
        ("    dialect: jsonrpc\n", "", "- services.jobs.dialect: jsonrpc"),
        ("plain-text-1", "plain-text-2", "~ services.jobs.headers.X-Plain: another one, which is not shown"),
    ],
)  # fmt: skip
def test_each_is_a_line_with_its_place(between, one, other, line):
    assert between((one, other)) == (line,)


def test_a_secret_that_has_changed_behind_its_placeholder_is_told_without_it(between):
    found = between(key="first-key-0123", then="second-key-4567")
    assert found == ("~ services.jobs.headers.X-Key: ${env:KEY} (it stands for something else now)",)


def test_a_secret_that_takes_a_placeholders_place_is_not_shown(between):
    (found,) = between(('"${env:KEY}"', "clear-secret-0123"))
    assert "clear-secret" not in found
    assert "${env:KEY} -> **********" in found
    (found,) = between(("http://127", "http://ada:hunter2@127"))
    assert "hunter2" not in found
    (found,) = between(("    dialect: jsonrpc\n", "    token: hunter3-0123456789\n    dialect: jsonrpc\n"))
    assert "hunter3" not in found


def test_a_whole_service_is_one_line(between):
    more = '  more: {dialect: listed, url: "http://127.0.0.1:2"}\n  jobs:\n'
    assert between(("  jobs:\n", more)) == ("+ services.more: dialect, url",)


def test_very_many_are_cut_short(between):
    more = "".join(
        f'  s{number}: {{dialect: listed, url: "http://127.0.0.1:2"}}\n' for number in range(MOST + 7)
    )
    found = between(("  jobs:\n", f"{more}  jobs:\n"))
    assert len(found) == MOST + 1
    assert found[-1] == "... and 7 more"
