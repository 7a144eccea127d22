"""How does a server come to grant tokens: to a person by a code, or to an account of its own by its secret?"""

from __future__ import annotations

import os
import time

from labgate._credential import account_form, tokens_of
from labgate._device import GRANT, Granted, Offer, poll, refused
from labgate._issuer import endpoints_of
from labgate._logins import Login
from labgate._outside import ask, host_of
from labgate._shown_code import say, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from labgate._address import Address
    from labgate._advertised import Way
    from labgate._issuer import Endpoints
    from labgate._outside import Told


class Server:
    """An authorization server as one login speaks with it."""

    def __init__(
        self, address: Address, way: Way, hosts: Collection[str], *, timeout: float, ca_file: str | None
    ) -> None:
        """
        Args:
            address: the gate that the tokens are for.
            way: what the gate says of logging in there.
            hosts: further hosts at which its endpoints may be.
            timeout: seconds for each request.
            ca_file: certificates that are trusted beside the system's.
        """
        self.host = host_of(way.issuer)
        self._address = address
        self._way = way
        self._hosts = frozenset(one.lower() for one in hosts)
        self._timeout = timeout
        self._ca_file = None if ca_file is None else os.path.abspath(os.path.expanduser(ca_file))

    def by_code(self) -> Login:
        """The login of a person who types a code into a browser (RFC 8628).

        Raises:
            LoginError: it came to nothing.
        """
        ends, way = self._ends(device=True), self._way
        wishes = {"scope": way.scope, "audience": way.audience, "resource": way.resource}
        form = {"client_id": way.client_id, **{name: value for name, value in wishes.items() if value}}
        offer = Offer(self._ask(ends.device, form), self.host)
        show(offer)
        wanted = {"grant_type": GRANT, "device_code": offer.secret, "client_id": way.client_id}
        if way.resource:
            wanted["resource"] = way.resource
        began = time.time()

        def once() -> Told:
            nonlocal began
            began = time.time()
            return self._ask(ends.token, wanted)

        granted = poll(offer, once, self.host, wait=time.sleep, clock=time.monotonic)
        return self._login(ends, granted, began, client_id=way.client_id)

    def by_account(self, name: str, secret: str) -> Login:
        """The login of an account of its own (RFC 6749 section 4.4), which programs have that run without a person.

        Raises:
            LoginError: the server does not know it.
        """
        ends, began = self._ends(device=False), time.time()
        told = self._ask(ends.token, account_form(self._way), (name, secret))
        if told.status != 200:
            raise refused(told, self.host, f"does not let {name} in")
        return self._login(ends, Granted(told, self.host), began, client_id=name, client_secret=secret)

    def _ends(self, *, device: bool) -> Endpoints:
        # Before anything is sent there: it is the gate that named this server.
        say(f"Logging in to {self._address.origin} at {self.host}.")
        return endpoints_of(self._way.issuer, self._ask, self._hosts, device=device)

    def _ask(
        self, url: str, form: Mapping[str, str] | None = None, account: tuple[str, str] | None = None
    ) -> Told:
        return ask(url, form, timeout=self._timeout, ca_file=self._ca_file, account=account)

    def _login(self, ends: Endpoints, granted: Granted, began: float, **client: str) -> Login:
        way = self._way
        members = {
            "id": os.urandom(12).hex(),
            "gate": self._address.origin,
            "issuer": way.issuer,
            "token_endpoint": ends.token,
            "revocation_endpoint": ends.revocation,
            "resource": way.resource,
            "audience": way.audience,
            "scope": way.scope,
            "ca_file": self._ca_file,
        }
        return Login({**members, **client, **tokens_of(granted, began)})
