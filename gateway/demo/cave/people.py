"""Who has which token, and may do what with which dataset?"""

from collections.abc import Mapping
from typing import Any

DATASETS = {"minnie_demo": "minnie", "minnie_public": "minnie_public", "fly_demo": "fly"}
"""Whose permissions hold for each datastack."""


def user(
    number: int, name: str, permissions: Mapping[str, list[str]], *groups: str, **more: Any
) -> dict[str, Any]:
    """A user as middle_auth tells of them."""
    level = {dataset: 2 if "edit" in kinds else 1 for dataset, kinds in permissions.items()}
    return {
        "id": number,
        "parent_id": None,
        "service_account": False,
        "name": name.capitalize(),
        "email": f"{name}@lab.example",
        "admin": False,
        "pi": "",
        "affiliations": [],
        "groups": list(groups),
        "permissions": level,
        "permissions_v2": dict(permissions),
        "permissions_v2_ignore_tos": dict(permissions),
        "missing_tos": [],
        **more,
    }


def people() -> dict[str, dict[str, Any]]:
    """The users of the lab, by a word for each."""
    both = ["view", "edit"]
    terms = {"dataset_id": 3, "dataset_name": "fly", "tos_id": 5, "tos_name": "Fly data"}
    return {
        "ada": user(
            11, "ada", {"minnie": both, "minnie_public": ["view"], "fly": ["view"]}, "proofreaders", "lab"
        ),
        "eve": user(12, "eve", {"minnie_public": ["view"]}, "guests"),
        "tom": user(
            13,
            "tom",
            {"minnie": ["view"]},
            "lab",
            permissions_v2_ignore_tos={"minnie": ["view"], "fly": ["view"]},
            missing_tos=[terms],
        ),
        "gate": user(
            1, "gate", {"minnie": ["view"], "minnie_public": ["view"], "fly": ["view"]}, service_account=True
        ),
    }
