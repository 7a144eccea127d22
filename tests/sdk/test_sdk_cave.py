"""The SDK, a gate and a CAVE deployment: do a user's lines give what they should?"""

import asyncio

import numpy as np
import pyarrow
import pytest

import labgate
from labgate import errors

CONFIG = """\
include: [pack:cave]
identity:
  introspection: [{{kind: middle_auth, url: "{url}/auth"}}]
policies:
  - {{to: [authenticated], allow: ["*", "/**"]}}
services:
  cave: {{dialect: cave, url: "{url}", mount: /, token: "{token}", bearer: {bearer}}}
"""
SV, ROOT = (1 << 56) + 1, 7 << 56


@pytest.fixture(scope="module")
def deployment(cave_lab):
    with cave_lab.running(2_000) as running:
        yield running


@pytest.fixture
def used(deployment, cave_lab, gate_of, tmp_path, monkeypatch):
    """`await used(lines)`: runs the lines, which are given an address and a token, beside a gate."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    async def run(lines, bearer="caller", token=None):
        config = CONFIG.format(url=deployment.url, token=cave_lab.TOKENS["gate"], bearer=bearer)
        async with gate_of(config) as gate:
            address = f"http://127.0.0.1:{gate.address[1]}"
            await asyncio.to_thread(lines, address, token() if token else cave_lab.TOKENS["ada"])

    return run


async def test_a_notebooks_lines_work(used):
    def lines(address, token):
        lab = labgate.connect(address, token=token, datastack="minnie_demo", remember=False)
        assert lab.info.get_datastacks() == ["minnie_demo", "minnie_public", "fly_demo"]
        assert lab.info.get_datastack_info()["local_server"] == f"{address}/datastack/minnie_demo"
        roots = lab.chunkedgraph.get_roots(np.arange(SV, SV + 200, dtype=np.uint64))
        assert roots.dtype == np.uint64
        assert roots.tolist() == [ROOT + 1] * 100 + [ROOT + 2] * 100
        assert lab.chunkedgraph.get_root_id(SV, timestamp="2025-06-01") == ROOT + 1
        table = lab.materialize.query_table("cells", filter_in_dict={"id": [3, 4]})
        assert isinstance(table, pyarrow.Table) or table.__class__.__name__ == "DataFrame"
        assert list(np.asarray(table["id"])) == [3, 4]
        tables = lab.materialize.tables
        assert {"cells", "nuclei", "synapses"} <= set(dir(tables))
        assert list(np.asarray(tables.cells.query(id=[1, 2])["id"])) == [1, 2]
        assert lab.schemas.get_schemas() == lab.schema.get_schemas()
        then = lab(timestamp="2025-06-01", version=1)
        assert then.chunkedgraph.get_root_id(SV) == ROOT + 1
        assert "materialize" in labgate.status(lab).__repr__()
        assert "view:minnie" in labgate.whoami(lab).scopes

    await used(lines)


async def test_without_a_datastack_the_error_names_those_there_are(used):
    def lines(address, token):
        lab = labgate.connect(address, token=token, remember=False)
        with pytest.raises(errors.NeedsDatastack) as caught:
            lab.chunkedgraph.get_versions()
        assert caught.value.datastacks == ("fly_demo", "minnie_demo", "minnie_public")
        with pytest.raises(errors.UnknownDatastack):
            labgate.connect(
                address, token=token, datastack="nothing", remember=False
            ).chunkedgraph.get_versions()

    await used(lines)


async def test_a_token_is_linked_used_and_taken_back(used, cave_lab, token_for):
    def lines(address, token):
        lab = labgate.connect(address, token=token, datastack="minnie_demo", remember=False)
        with pytest.raises(errors.Forbidden, match=r"labgate\.link"):
            lab.chunkedgraph.get_root_id(SV)
        with pytest.raises(errors.Error):
            labgate.link(lab, "cave", "f" * 32)
        assert not labgate.links(lab, "cave")
        labgate.link(lab, "cave", cave_lab.TOKENS["ada"])
        assert labgate.links(lab, "cave")
        assert lab.chunkedgraph.get_root_id(SV) == ROOT + 1
        assert labgate.unlink(lab, "cave")
        assert not labgate.unlink(lab, "cave")
        with pytest.raises(errors.Forbidden):
            lab.chunkedgraph.get_root_id(SV)

    await used(lines, "linked", lambda: token_for("em"))


async def test_rows_that_are_not_all_are_an_error_of_their_own(cave_lab, gate_of):
    with cave_lab.running(2_000, row_limit=50) as small:
        config = CONFIG.format(url=small.url, token=cave_lab.TOKENS["gate"], bearer="caller")
        async with gate_of(config) as gate:

            def lines():
                address = f"http://127.0.0.1:{gate.address[1]}"
                lab = labgate.connect(
                    address, token=cave_lab.TOKENS["ada"], datastack="minnie_demo", remember=False
                )
                with pytest.raises(errors.Truncated) as caught:
                    lab.materialize.query_table("nuclei")
                assert caught.value.limit == 50
                with pytest.warns(errors.ServiceWarning, match="Limited query to 50 rows"):
                    rows = lab.materialize.query_table("nuclei", allow_truncated=True)
                assert len(np.asarray(rows["id"])) == 50

            await asyncio.to_thread(lines)
