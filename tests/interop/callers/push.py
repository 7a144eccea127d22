"""What does a client of the library `websockets` get at the gate's /rpc?"""

import json
import sys

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect


def main() -> None:
    """`push.py ADDRESS TOKEN`: everything, as JSON."""
    address, token = sys.argv[1:]
    url = address.replace("http", "ws", 1) + "/rpc"
    fields = {"Authorization": f"Bearer {token}"}
    found = {}
    with connect(url, additional_headers=fields, subprotocols=["labgate.json"], max_size=None) as line:
        found["protocol"] = line.subprotocol
        found["extensions"] = len(line.protocol.extensions)
        line.ping().wait(60)
        line.send(call("calc.echo", ["ü" * 300_000], 1))
        found["large"] = len(json.loads(line.recv(60))["result"][0])
        line.send([call("calc.sub", [44, 2], 2)[:10], call("calc.sub", [44, 2], 2)[10:]])
        found["in parts"] = json.loads(line.recv(60))["result"]
        line.send(call("rpc.subscribe", {"topic": "cache", "methods": ["calc.get"]}, 3))
        found["subscribed"] = sorted(json.loads(line.recv(60))["result"])
        line.send(call("calc.set", [], 4))
        told = [json.loads(line.recv(60)) for _ in range(2)]
        found["told"] = sorted(one.get("method", "answer") for one in told)
    found["closed"] = line.protocol.close_code
    try:
        connect(url, additional_headers={"Authorization": "Bearer nonsense"})
    except InvalidStatus as refused:
        found["refused"] = refused.response.status_code
    with connect(url, additional_headers=fields) as line:
        line.send(b"x" * (17 << 20))
        try:
            line.recv(60)
        except ConnectionClosed as closed:
            found["too large"] = closed.rcvd.code
    print(json.dumps(found))


def call(method: str, params: object, token: int) -> str:
    """A JSON-RPC request."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": token})


main()
