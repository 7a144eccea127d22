"""Which policy opens how much of which service, and which of them lets a certain principal in?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.core.catalog import Catalog
from gateway.core.limits import in_words
from gateway.core.policy import Access, Policies, Policy
from gateway.core.principal import Principal


def told_policies(policies: Sequence[Policy]) -> list[dict[str, Any]]:
    """The policies as they stand in the settings, numbered from 1."""
    return [
        {
            "number": number,
            "to": policy.to,
            "allow": policy.allow,
            "operate": policy.operate,
            "limit": None if policy.limit is None else in_words(policy.limit),
        }
        for number, policy in enumerate(policies, 1)
    ]


def opened(policies: Sequence[Policy], catalog: Catalog) -> Iterator[dict[str, Any]]:
    """For each service, how many of its methods there are, and how many of them each policy allows, in the order of these."""
    each = [Access((policy,), (at,)) for at, policy in enumerate(policies)]
    for service, listing in sorted(catalog.listings.items()):
        names = [item.method.qualified for item in listing.items.values()]
        allowed = [sum(map(access.allows, names)) for access in each]
        yield {"service": service, "methods": len(names), "allowed": allowed}


def of_principal(
    policies: Policies, catalog: Catalog, principal: Principal, service: str | None
) -> dict[str, Any]:
    """What the principal may call: how much of each service, and of one of them every method with its policy's number.

    The number is null for what they may not call.
    """
    access = policies.access(principal)
    services = []
    for name, listing in sorted(catalog.listings.items()):
        allowed = sum(access.allows(item.method.qualified) for item in listing.items.values())
        services.append({"service": name, "allowed": allowed})
    told: dict[str, Any] = {
        "subject": principal.subject,
        "groups": principal.groups,
        "scopes": principal.scopes,
        "operates": access.operate,
        "policies": [at + 1 for at in access.key[0]],
        "services": services,
    }
    if service is not None:
        listing = catalog.listings[service]
        told["methods"] = {
            item.method.qualified: number + 1 if number >= 0 else None
            for item in listing.items.values()
            for number in (access.first(item.method.qualified),)
        }
    return told
