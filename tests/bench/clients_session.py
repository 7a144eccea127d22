"""A session of CAVEclient, timed: run in its own environment. `clients_session.py DIRECT GATE OPERATOR NGINX TOKEN OPERATORS RUNS` prints JSON.

Direct, through nginx and through the gate take turns. Cold is a client's first session after the gate forgot; warm is the same once more, and
`own` the client's own processor time of it.
"""

import datetime
import json
import sys
import time
import urllib.request
import warnings

import numpy as np
from caveclient import CAVEclient

warnings.simplefilter("ignore")
THEN = datetime.datetime(2025, 6, 1, tzinfo=datetime.UTC)
SV, ROOT, L2 = (1 << 56) + 1, 7 << 56, 2 << 56


def session(address, token):
    """Seconds for a client's construction and 50 calls."""
    begin = time.perf_counter()
    client = CAVEclient("minnie_demo", server_address=address, auth_token=token, write_server_cache=False)
    graph, tables = client.chunkedgraph, client.materialize
    for at in range(10):
        graph.get_root_id(SV + at * 100, timestamp=THEN)
        graph.get_children(ROOT + 1 + at)
        graph.get_leaves(ROOT + 1 + at)
    for at in range(10):
        graph.get_roots(np.arange(SV + at * 50, SV + at * 50 + 50, dtype=np.uint64), timestamp=THEN)
    for name in ("nuclei", "cells", "synapses"):
        tables.query_table(name, limit=100, metadata=False, merge_reference=False)
        tables.get_annotation_count(name)
    client.info.get_datastacks()
    client.schema.get_schemas()
    tables.get_versions()
    tables.get_tables()
    return time.perf_counter() - begin


def large(address, token):
    """Seconds for the roots of 200,000 supervoxels."""
    client = CAVEclient("minnie_demo", server_address=address, auth_token=token, write_server_cache=False)
    graph = client.chunkedgraph
    ids = np.arange(200_000, dtype=np.uint64) % np.uint64(20_000) + np.uint64(SV)
    graph.get_roots(ids[:1])
    begin = time.perf_counter()
    graph.get_roots(ids, timestamp=THEN)
    return time.perf_counter() - begin


def purge(operator, token):
    """Have the gate forget everything."""
    request = urllib.request.Request(
        f"{operator}/-/cache/purge",
        b'{"all": true}',
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).read()


def main(direct, gate, operator, nginx, token, operators, runs):
    found = {
        "direct": [],
        "nginx": [],
        "cold": [],
        "warm": [],
        "own": [],
        "large direct": [],
        "large gate": [],
    }
    session(direct, token)
    for _ in range(int(runs)):
        found["direct"].append(session(direct, token))
        found["nginx"].append(session(nginx, token))
        purge(operator, operators)
        found["cold"].append(session(gate, token))
        began = time.process_time()
        found["warm"].append(session(gate, token))
        found["own"].append(time.process_time() - began)
        found["large direct"].append(large(direct, token))
        found["large gate"].append(large(gate, token))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
