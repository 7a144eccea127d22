"""The demo's DVID with a large volume in a locked version: `dvid_upstream.py Z Y X`.

It prints its address, the version and an open one after it; for a line `sent` of its input how many bytes of voxels it has
sent by then, and for `pace N` that from then on each of its answers brings so many MiB of voxels a second.
"""

from __future__ import annotations

import sys
import threading
import time

import numpy as np

from gateway.demo.dvid.access import Access
from gateway.demo.dvid.http import Answer, DvidServer, Request
from gateway.demo.dvid.lab import add_volume
from gateway.demo.dvid.routes import respond
from gateway.demo.dvid.store import Store


class Counting(DvidServer):
    """A server that counts the bytes of voxels that it sends, and may take its time."""

    sent = 0
    pace = 0.0

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        if request.kind == "raw":
            self.sent += answer.length
            if self.pace:
                time.sleep(answer.length / self.pace)
        return answer


def main() -> None:
    """Serve until the standard input ends."""
    shape = tuple(int(one) for one in sys.argv[1:4])
    store = Store()
    repo = store.new_repo("bench", "for measurements")
    plane = np.random.default_rng(1).integers(0, 255, shape[1:], np.uint8)
    volume = np.empty(shape, np.uint8)
    for z in range(shape[0]):
        volume[z] = np.roll(plane, z, 1)
    add_volume(store, repo, repo.root, "uint8blk", "big", volume)
    store.commit(repo.root)
    child = store.new_child(repo, [repo.root])
    del volume
    with Counting(("127.0.0.1", 0), store, Access(), respond) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.url, repo.root.uuid, child.uuid, flush=True)
        for line in sys.stdin:
            word, *said = line.split()
            if word == "pace":
                server.pace = float(said[0]) * (1 << 20)
            print(server.sent, flush=True)


if __name__ == "__main__":
    main()
