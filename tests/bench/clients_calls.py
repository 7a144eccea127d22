"""Calls of CommandClient, timed: `clients_calls.py DIRECT_PORT GATE_PORT NGINX_PORT FORWARDER_PORT TOKEN LICENSE CALLS` prints JSON, seconds a call.

A new connection each, as the client does it; direct, through the gate, through nginx and through a bare forwarder take turns in blocks.
"""

import json
import sys
import time
import warnings

from cryosparc.command import CommandClient

warnings.simplefilter("ignore")
BLOCKS = 20


def main(direct, gate, nginx, forwarder, token, license_id, calls):
    headers = {"License-ID": license_id}
    clients = {
        "direct": CommandClient("core", "127.0.0.1", int(direct), headers=headers),
        "nginx": CommandClient("core", "127.0.0.1", int(nginx), headers=headers),
        "forwarder": CommandClient("core", "127.0.0.1", int(forwarder), headers=headers),
        "gate": CommandClient(
            "core", "127.0.0.1", int(gate), "/cryosparc", headers={"Authorization": f"Bearer {token}"}
        ),
    }
    spent = {name: [] for name in clients}
    for _ in range(BLOCKS):
        for name, client in clients.items():
            begin = time.perf_counter()
            for _ in range(int(calls)):
                client.job_set_param("P3", "J42", "box_size", 64)
            spent[name].append((time.perf_counter() - begin) / int(calls))
    print(json.dumps(spent))


if __name__ == "__main__":
    main(*sys.argv[1:])
