"""What is said of the metrics is true of a running gate: the page that lists them, the dashboard, the rules that call somebody."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from gateway.app import running
from gateway.core.reloading import History
from gateway.settings import load
from gateway.workers.alone import Alone

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "metrics.md"
DASHBOARD = ROOT / "config" / "dashboards" / "labgate.json"
ALERTS = ROOT / "config" / "prometheus-alerts.yml"
PROMETHEUS = ROOT / "config" / "prometheus.yml"

SETTINGS = """\
listen: 127.0.0.1:0
operator: {{listen: 127.0.0.1:0}}
state_dir: {state}
shutdown_seconds: 0.5
tls: {{certificate: {certificate}, key: {key}}}
telemetry: {{access_log: "off", audit: {state}/audit.jsonl, otlp: "http://127.0.0.1:1", usage: on}}
cache: {{disk: {{size: 1MiB}}, redis: {{url: "redis://127.0.0.1:1/0"}}}}
decisions: {{url: "http://127.0.0.1:1/decide"}}
limits: {{per_principal: {{rate: 1000/s}}}}
policies: [{{to: [authenticated], allow: ["*", "/**"]}}]
services:
  files: {{dialect: listed, url: "http://127.0.0.1:1", mount: /files}}
"""
"""With all that has numbers of its own, so that all are there."""

_ENDINGS = {"counter": "_total", "gauge": "", "histogram": ""}
_NAMES = re.compile(r"\b(?:labgate_\w+|process_\w+|up)\b")
_ROW = re.compile(r"^\| `(?P<name>\w+)(?:\{(?P<labels>[\w,]*)\})?` \| (?P<kind>\w+) \| (?P<text>.+) \|$", re.MULTILINE)  # fmt: skip


class Numbers(Alone):
    """A process that has taken its settings once."""

    def __init__(self):
        super().__init__(reloading=History(0.0))


@pytest.fixture
async def published(tmp_path, authority):
    """Every family that a gate may publish: name as in Prometheus's queries, kind and help."""
    pair = authority.issue()
    state = tmp_path / "state"
    file = tmp_path / "labgate.yaml"
    file.write_text(SETTINGS.format(state=state, certificate=pair.certificate, key=pair.key))
    async with running(load(file, {}), Numbers()) as gate:
        families = await gate.member.numbers()
    return {one.name + _ENDINGS[one.kind]: (one.kind, one.text) for one in families}


def documented():
    found = {row["name"]: row for row in _ROW.finditer(PAGE.read_text())}
    assert len(found) > 60
    return found


def sampled(families):
    """The names of the samples that such families have."""
    found = {"up"}
    for name, (kind, _) in families.items():
        found |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return found


def queries():
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    return asked + [rule["expr"] for rule in rules]


async def test_the_page_lists_every_metric_with_its_kind_and_what_it_says_of_itself(published):
    told = {name: (row["kind"], row["text"].replace("\\|", "|")) for name, row in documented().items()}
    assert told == published


async def test_the_labels_that_the_page_names_are_those_that_samples_have(gate_of, token_for):
    """Of what is counted without a call; those of calls are in `test_metrics`."""
    async with gate_of(
        'services: {files: {dialect: listed, url: "http://127.0.0.1:1", mount: /files}}'
    ) as gate:
        families = await gate.member.numbers()
    rows, seen = documented(), 0
    for family in families:
        labels = {name for _, pairs, _ in family.samples for name, _ in pairs} - {"le"}
        if family.samples:
            named = rows[family.name + _ENDINGS[family.kind]]["labels"] or ""
            assert labels == set(filter(None, named.split(","))), family.name
            seen += 1
    assert seen > 30


async def test_no_query_asks_for_a_metric_that_is_none(published):
    asked = set().union(*(_NAMES.findall(query) for query in queries()))
    assert len(asked) > 35
    assert asked - sampled(published) == set()


async def test_every_label_that_a_query_names_is_one_of_its_metric():
    rows = documented()
    for query in queries():
        for name, inside in re.findall(r"\b(labgate_\w+)\{([^}]*)\}", query):
            row = rows.get(name) or rows[re.sub(r"_(?:bucket|sum|count)$", "", name)]
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
            assert labels <= {*row["labels"].split(","), "le", "instance"}, query


def test_the_dashboard_is_one_that_grafana_takes():
    dashboard = json.loads(DASHBOARD.read_text())
    assert (dashboard["uid"], dashboard["title"], dashboard["schemaVersion"]) == ("labgate", "labgate", 39)
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["type"] in ("timeseries", "stat")
        assert panel["title"]
        assert panel["description"]
        assert [target["refId"] for target in panel["targets"]] == sorted(
            {target["refId"] for target in panel["targets"]}
        )
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    variables = [one["name"] for one in dashboard["templating"]["list"]]
    assert variables == ["datasource", "service"]


def test_every_rule_says_how_bad_it_is_and_what_to_look_at():
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) > 10
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
        assert rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+[smhd]", rule.get("for", "0s"))


def test_prometheus_asks_where_operators_are_and_reads_the_rules():
    read = yaml.safe_load(PROMETHEUS.read_text())
    assert read["rule_files"] == [ALERTS.name]
    (job,) = read["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("labgate", "/-/metrics")
    assert job["authorization"] == {"credentials_file": "/etc/prometheus/labgate.token"}


def promtool(*words, folder=ROOT):
    """Have Prometheus's own tool look, where it is installed (`./dev test` installs it)."""
    program = shutil.which("promtool")
    if program is None:
        return  # what can be seen without it is seen above
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=60, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_itself_takes_its_settings_and_the_rules():
    promtool("check", "rules", str(ALERTS))
    promtool("check", "config", "--syntax-only", str(PROMETHEUS))


def test_prometheus_itself_reads_every_query_of_the_dashboard(tmp_path):
    rules = [
        {"record": f"panel:{at}", "expr": query.replace("$__rate_interval", "5m").replace("$service", ".*")}
        for at, query in enumerate(queries())
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_prometheus_itself_calls_somebody_when_it_should_and_else_not():
    promtool("test", "rules", "alerts_test.yml", folder=Path(__file__).parent)
