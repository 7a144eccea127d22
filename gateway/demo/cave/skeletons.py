"""What does the skeleton service answer?"""

# ruff: noqa: ARG005 - every endpoint takes what its path names
from __future__ import annotations

import gzip
import json
from typing import Any

from gateway.demo.cave.documents import SKELETON
from gateway.demo.cave.http import Route

_K = "/skeletoncache/api/v1/{stack}"


def routes() -> list[Route]:
    """Its addresses."""
    view = "view"
    return [
        Route("GET", "/skeletoncache/api/version", lambda _: "0.23.9", None),
        Route("GET", "/skeletoncache/api/versions", lambda _: [1, 2, 3, 4], None),
        Route("GET", "/skeletoncache/api/swagger.json", lambda _: SKELETON, None),
        Route(
            "GET",
            _K + "/precomputed/skeleton/{version}/info",
            lambda *_, **__: {
                "@type": "neuroglancer_skeletons",
                "vertex_attributes": [{"id": "radius", "data_type": "float32", "num_components": 1}],
            },
            view,
        ),
        Route(
            "GET",
            _K + "/precomputed/skeleton/get_refusal_list",
            lambda *_, **__: (
                gzip.compress(b"DATASTACK_NAME,ROOT_ID\nminnie_demo,7\n"),
                {"Content-Type": "application/octet-stream"},
            ),
            view,
        ),
        Route(
            "POST",
            _K + "/precomputed/skeleton/exists",
            lambda asked, stack: {str(one): _has(one) for one in asked.said["root_ids"]},
            view,
        ),
        Route(
            "GET POST",
            _K + "/precomputed/skeleton/query_cache/{version}/{prefixes}/{limit}",
            lambda *_, **__: {"num_found": 0, "files": []},
            view,
        ),
        Route(
            "GET",
            _K + "/async/get_skeleton/{version}/{root}/{form}",
            lambda asked, stack, version, root, form: (
                _packed(int(root), form),
                {"Content-Type": "application/octet-stream"},
            ),
            view,
        ),
        Route(
            "GET",
            _K + "/bulk/get_skeletons/{version}/{form}/{missing}/{roots}",
            lambda asked, stack, version, form, missing, roots: {
                one: _packed(int(one), form).hex() if _has(int(one)) else "async" for one in roots.split(",")
            },
            view,
        ),
        Route(
            "POST",
            _K + "/bulk/get_cached_skeletons/{version}/{form}",
            lambda asked, stack, version, form: {
                str(one): _packed(int(one), form).hex() for one in asked.said["root_ids"] if _has(one)
            },
            view,
        ),
        Route(
            "POST", _K + "/bulk/gen_skeletons", lambda asked, stack: 12.5 * len(asked.said["root_ids"]), view
        ),
        Route(
            "POST",
            _K + "/bulk/get_skeleton_token/{version}",
            lambda *_, **__: {"token": "none", "expiry": "2020-01-01T00:00:00+00:00"},
            view,
        ),
    ]


def _has(root: Any) -> bool:
    return int(root) % 3 != 0


def _packed(root: int, form: str) -> bytes:
    if form == "swccompressed":
        return gzip.compress(b"0 1 1.0 2.0 3.0 0.5 -1\n1 3 2.0 2.0 3.0 0.5 0\n", mtime=0)
    skeleton = {
        "vertices": [[1.0, 2.0, 3.0], [2.0, 2.0, 3.0]],
        "edges": [[0, 1]],
        "radius": [0.5, 0.5],
        "lvl2_ids": [2 << 56, (2 << 56) + 1],
        "root": root,
        "meta": {"root_id": root, "skeleton_type": "pcg_skel"},
    }
    return gzip.compress(json.dumps(skeleton).encode(), mtime=0)
