"""What does a Jupyter kernel answer to the cells of a notebook? Reads steps as JSON, prints a line for each.

A step is {"run": code}, {"complete": code} (with the cursor at its end) or {"inspect": code}.
"""

import json
import sys

from jupyter_client.manager import start_new_kernel

SECONDS = 100


def run(client, code):
    """What a cell displayed and printed, and its error."""
    found = {"data": [], "text": "", "error": None}

    def hear(message):
        content = message["content"]
        if message["msg_type"] in ("execute_result", "display_data"):
            found["data"].append(content["data"])
        elif message["msg_type"] == "stream":
            found["text"] += content["text"]
        elif message["msg_type"] == "error":
            found["error"] = f"{content['ename']}: {content['evalue']}"

    client.execute_interactive(code, timeout=SECONDS, output_hook=hear)
    return found


def asked(client, ask, code):
    """What the kernel says of the code before its end."""
    number = ask(code, len(code))
    while True:
        reply = client.get_shell_msg(timeout=SECONDS)
        if reply["parent_header"].get("msg_id") == number:
            return reply["content"]


def main():
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=SECONDS)
    try:
        for step in json.load(sys.stdin):
            [(kind, code)] = step.items()
            if kind == "run":
                outcome = run(client, code)
            elif kind == "complete":
                said = asked(client, client.complete, code)
                outcome = sorted(said["matches"])
            else:
                said = asked(client, client.inspect, code)
                outcome = said["data"].get("text/plain", "") if said["found"] else None
            print(json.dumps({"call": code, "outcome": outcome}), flush=True)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
