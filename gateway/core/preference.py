"""How much does a caller like what they name in a field such as `Accept`, and do they take a body that is packed?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache


def weight_of(parameters: Iterable[str]) -> float:
    """The weight among the parameters of what is named, from 0 (not at all) to 1 (RFC 9110 section 12.4.2)."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


@lru_cache(256)
def takes_gzip(accepted: str) -> bool:
    """Whether this `Accept-Encoding` prefers gzip to nothing (RFC 9110 section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weights[coding.removeprefix("x-")] = weight_of(parameters)
    packed = weights.get("gzip", weights.get("*", 0.0))
    return packed > 0 and packed >= weights.get("identity", 0.0)
