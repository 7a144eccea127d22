"""What is a service sent for a caller, so that it knows who asks?"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from gateway.core.call import Call
from gateway.core.faults import DeadlineExceeded
from gateway.core.introducing import Introducer, WithFields
from gateway.core.ports import Route


async def introduced(introducer: Introducer, call: Call, route: Route, patience: float) -> tuple[Call, Route]:
    """The call and its route with what tells the service who asks; `patience` is the seconds that the call has left.

    Raises `DeadlineExceeded`, or the fault of a caller who cannot be introduced.
    """
    found = introducer.at_hand(route.service, call.principal)
    if found is None:
        try:
            async with asyncio.timeout(patience):
                found = await introducer.obtain(route.service, call.principal)
        except TimeoutError:
            raise DeadlineExceeded("There was no token for the service within the call's time.") from None
    if found.fields:
        aim, fields = route.aim, found.fields
        route = replace(
            route,
            upstream=WithFields(route.upstream, fields),
            aim=None if aim is None else lambda aimed: WithFields(aim(aimed), fields),
        )
    return replace(call, bearer=found.bearer), route
