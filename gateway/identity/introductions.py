"""Who tells services who asks: with whose tokens, and in which fields?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import ClientSession
from msgspec import Struct

from gateway.core.faults import Forbidden, Unavailable
from gateway.core.introducing import Introduction
from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.core.service import Service
from gateway.identity.exchange import Exchange
from gateway.identity.exchange import Terms as ExchangeTerms
from gateway.identity.granting import Endpoint, Grant, granted
from gateway.identity.grants import Grants
from gateway.identity.passport import Passports


class Account(Struct, frozen=True):
    """The gate's own account with a service: where it gets tokens, and the members of the form that say for what."""

    endpoint: Endpoint
    wanted: tuple[tuple[str, str], ...] = ()


class Introductions:
    """The `Introducer` of a gate. Accounts and exchanges are by the name of the service's entry in the settings."""

    def __init__(
        self,
        kept: Callable[[Service, Principal], str | None],
        passports: Passports | None,
        accounts: Mapping[str, Account],
        exchanges: Mapping[str, ExchangeTerms],
        session: ClientSession,
        wall: Callable[[], float],
    ) -> None:
        """`kept` says which token a service is sent that nobody has to be asked for, see `vouching.bearer_of`."""
        self._kept = kept
        self._passports = passports
        self._accounts = accounts
        self._exchanges = {name: Exchange(terms, session, passports) for name, terms in exchanges.items()}
        self._session = session
        self._wall = wall
        self._grants = Grants(max(1, len(accounts)))

    def at_hand(self, service: Service, principal: Principal) -> Introduction | None:
        """See `Introducer`."""
        if service.bearer == "exchanged":
            if principal.anonymous:
                return Introduction(None, self._fields(service, principal))
            token = self._exchange(service).at_hand(principal, self._wall())
        elif service.bearer == "gate" and service.granted:
            name = _entry(service)
            token = self._grants.at_hand(name, self._wall(), lambda _: self._ask(name))
        else:
            return Introduction(self._kept(service, principal), self._fields(service, principal))
        return None if token is None else Introduction(token, self._fields(service, principal))

    async def obtain(self, service: Service, principal: Principal) -> Introduction:
        """See `Introducer`."""
        if service.bearer == "exchanged" and not principal.anonymous:
            token = await self._exchange(service).obtain(principal, self._wall())
            return Introduction(token, self._fields(service, principal))
        if service.bearer == "gate" and service.granted:
            return Introduction(await self.own_token(service), self._fields(service, principal))
        return Introduction(self._kept(service, principal), self._fields(service, principal))

    async def own_token(self, service: Service) -> str:
        """The gate's own token for a service that it has an account with. Raises `Unavailable`."""
        name = _entry(service)
        try:
            return await self._grants.obtain(name, self._wall(), lambda _: self._ask(name))
        except Forbidden as fault:
            raise Unavailable(
                fault.message, retry_after=5
            ) from fault  # of the gate's account, and no caller's

    async def close(self) -> None:
        """End the questions under way."""
        for exchange in self._exchanges.values():
            await exchange.close()
        await self._grants.close()

    def _exchange(self, service: Service) -> Exchange:
        return self._exchanges[_entry(service)]

    async def _ask(self, name: str) -> Grant:
        account = self._accounts[name]
        form = {"grant_type": "client_credentials", **dict(account.wanted)}
        return await granted(
            self._session, account.endpoint, form, f"token of the gate's for the service {name!r}"
        )

    def _fields(self, service: Service, principal: Principal) -> Fields:
        identity = service.identity
        if identity is None or self._passports is None or principal.anonymous:
            return ()
        token = self._passports.of(principal, identity.audience, identity.claims, self._wall())
        return ((identity.name.encode("ascii"), token.encode("ascii")),)


def _entry(service: Service) -> str:
    return service.entry or service.qualified
