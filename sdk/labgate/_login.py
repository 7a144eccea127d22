"""How does a user come to a token for a gate, and how is it given up again?"""

from __future__ import annotations

import os
import sys

from labgate._address import Address, parse_address
from labgate._advertised import Way, advertised
from labgate._grants import Server
from labgate._logins import Login, forget, guarded, keep_login, keep_token, read_login
from labgate._outside import ask, host_of
from labgate._profiles import wanted_profile
from labgate._shown_code import say
from labgate._tokens import checked_token, find_source, login_path, refuse_exposure, stored_token_path
from labgate._whereabouts import find_gate
from labgate.errors import Error, LoginError, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from labgate._advertised import Advertised
    from labgate._client import Client
    from labgate._whoami import Whoami

_PASTE_HINT = "Give it: labgate.login(token=...), or `labgate login --paste < FILE`."


def login(
    lab: Client | str | None = None,
    *,
    profile: str | None = None,
    token: str | None = None,
    issuer: str | None = None,
    account: str | None = None,
    secret: str | None = None,
    paste: bool = False,
    hosts: Collection[str] = (),
    timeout: float = 30.0,
    ca_file: str | os.PathLike[str] | None = None,
    insecure: bool = False,
) -> Whoami:
    """Come to a token for a gate, and keep it for all programs of yours: `labgate.login("https://gate.lab.org")`.

    Where the gate names a server at which its people log in, you are shown a page and a code, and the token renews
    itself from then on, as long as that server lets it. Otherwise you are asked for a token, unseen. The gate is asked
    whom it takes you for before anything is kept; what is kept stands in a file that only you can read.

    Args:
        lab: the gate's address, or a client of it; default: as `labgate.connect` finds it.
        profile: the name of a gate in `profiles.toml`. One that is not there is written, where an address is given.
        token: keep this token.
        issuer: where to log in, if the gate names several servers; default: the first.
        account, secret: log in as an account of its own, as programs do that run without a person (RFC 6749 section 4.4).
            The secret is kept with the login; without one you are asked for it, unseen.
        paste: ask for a token, also where one could log in.
        hosts: further hosts at which the server's endpoints may be; by default they have to be at its own address.
        timeout: seconds for each step but your own.
        ca_file: a file with certificates (PEM) that are trusted beside the system's; default: the profile's.
        insecure: let the token travel over plain http beyond this machine (also LABGATE_INSECURE=1).

    Raises:
        LoginError: it came to nothing.
        SetupError: the gate cannot be told, or there is nobody to ask.
        Error: the gate does not answer, or does not take the token.
    """
    given = None if ca_file is None else os.path.abspath(os.path.expanduser(os.fspath(ca_file)))
    address, trusted, written = _gate(lab, profile, given)
    insecure = insecure or os.environ.get("LABGATE_INSECURE") == "1"
    refuse_exposure(address, True, insecure=insecure)

    def check(shown: str) -> Whoami:
        return _known(address, shown, timeout=timeout, ca_file=trusted, insecure=insecure)

    way = said = None
    if token is None:
        said = advertised(address, timeout=timeout, ca_file=trusted)
        way = None if paste else _chosen(said, issuer, address, account=account)
    if way is not None:
        server = Server(address, way, hosts, timeout=timeout, ca_file=trusted)
        login = server.by_code() if account is None else server.by_account(account, _secret(account, secret))
        me = _checked(login, server, check)
        with guarded(address):
            keep_login(address, login)
            forget(stored_token_path(address))
    else:
        token = checked_token(token or _asked_for(address, said), "the login")
        me = check(token)
        with guarded(address):
            keep_token(address, token)
            forget(login_path(address))
    written()
    _tell_of_shadow(address)
    return me


def logout(lab: Client | str | None = None, *, profile: str | None = None, timeout: float = 30.0) -> bool:
    """Give up the login or the stored token of a gate; False where there was none.

    The server of a login is told, if it takes that (RFC 7009); if it cannot be reached, the login is forgotten here all
    the same, and a line says so.

    Args:
        lab: the gate's address, or a client of it; default: as `labgate.connect` finds it.
        profile: the name of a gate in `profiles.toml`.
        timeout: seconds for telling the server.

    Raises:
        SetupError: the gate cannot be told.
        OSError: a file cannot be removed.
    """
    address, _, _ = _gate(lab, profile, None)
    with guarded(address):
        try:
            login = read_login(address)
        except SetupError:
            login = None  # it is removed all the same
        gone = [forget(login_path(address)), forget(stored_token_path(address))]
    if login is not None:
        _revoke(login, timeout)
    return any(gone)


def _gate(
    lab: Client | str | None, profile: str | None, ca_file: str | None
) -> tuple[Address, str | None, Callable[[], object]]:
    """The gate, the certificates that are trusted for it, and what writes the profile down if it is a new one."""
    if lab is not None and not isinstance(lab, str):
        link = lab._session.link  # noqa: SLF001
        return link.address, ca_file or link.trust()[0], lambda: None
    if profile is not None and lab is not None:
        from labgate._profiles import read_profiles, write_profile

        address = parse_address(lab)
        if profile not in read_profiles():
            members = {"url": str(address), "ca_file": ca_file}
            return address, ca_file, lambda: write_profile(profile, members)
    chosen = wanted_profile(profile, lab, None, os.environ)
    address = find_gate(lab or (chosen.url if chosen else None), None, os.environ).address
    return address, ca_file or (chosen.ca_file if chosen else None), lambda: None


def _chosen(said: Advertised, issuer: str | None, address: Address, *, account: str | None) -> Way | None:
    """The way to log in. An account of its own needs no client that is public: any server of the gate's is one."""
    ways = list(said.ways)
    if account is not None:
        named = {way.issuer for way in ways}
        ways += [Way.plain(one, str(address)) for one in said.servers if one not in named]
    if issuer is None:
        if account is not None and not ways:
            raise SetupError(f"{address} names no server that gives tokens to accounts")
        return ways[0] if ways else None
    for way in ways:
        if way.issuer.rstrip("/") == issuer.rstrip("/"):
            return way
    names = ", ".join(way.issuer for way in ways) or "none"
    raise SetupError(f"{address} names no login at {issuer}", hint=f"There are: {names}.")


def _secret(account: str, given: str | None) -> str:
    """The secret of an account."""
    if given is None and not _somebody_is_here():
        raise SetupError(
            f"no secret of {account!r} was given, and nobody is here to be asked",
            hint="Give it: labgate.login(account=..., secret=...), or `labgate login --account NAME < FILE`.",
        )
    if given is None:
        from getpass import getpass

        given = getpass(f"The secret of {account} (it is not shown): ")
    if not given.strip():
        raise SetupError(f"the secret of {account!r} is empty")
    return given.strip()


def _checked(login: Login, server: Server, check: Callable[[str], Whoami]) -> Whoami:
    """Whom the gate takes who has logged in for."""
    try:
        return check(login.access)
    except Error as error:
        raise LoginError(
            f"{server.host} let you in, and the gate does not take its token: {error.message}",
            http_status=error.http_status,
            hint="Tell the lab's engineer: these tokens are for another audience, or the gate lacks their keys.",
        ) from error


def _known(address: Address, token: str, *, timeout: float, ca_file: str | None, insecure: bool) -> Whoami:
    """Whom the gate takes the owner of a token for, asked without keeping anything."""
    from tempfile import TemporaryDirectory

    from labgate._connect import connect
    from labgate._whoami import whoami

    with TemporaryDirectory() as folder:
        client = connect(
            str(address),
            token=token,
            timeout=timeout,
            cache_dir=folder,
            ca_file=ca_file,
            insecure=insecure,
            remember=False,
        )
        return whoami(client)


def _asked_for(address: Address, said: Advertised | None) -> str:
    """The token that a person pastes."""
    say(
        f"A token for {address.origin} is made by the lab's engineer, with `labgated token create --subject NAME`."
    )
    if said is not None and said.servers:
        say(f"It also takes tokens of {', '.join(host_of(one) for one in said.servers)}.")
    if not _somebody_is_here():
        raise SetupError("no token was given, and nobody is here to be asked", hint=_PASTE_HINT)
    from getpass import getpass

    return getpass("Your token (it is not shown): ")


def _tell_of_shadow(address: Address) -> None:
    """Say so where programs do not get to what was just kept."""
    try:
        _, source = find_source(address, None, os.environ)
    except SetupError:
        source = "LABGATE_TOKEN, or its file,"
    if source.startswith(("LABGATE_TOKEN", "the file of")):
        say(f"Mind that {source} goes before this login as long as it is set.")


def _somebody_is_here() -> bool:
    return "ipykernel" in sys.modules or (sys.stdin is not None and sys.stdin.isatty())


def _revoke(login: Login, timeout: float) -> None:
    """Tell the server that the login is over."""
    if not login.revocation_endpoint:
        return
    shown = login.refresh or login.access
    account = (login.client_id, login.secret) if login.secret else None
    kind = "refresh_token" if login.refresh else "access_token"
    form = {"token": shown, "token_type_hint": kind, "client_id": login.client_id}
    try:
        told = ask(
            login.revocation_endpoint, form, timeout=timeout, ca_file=login.ca_file or None, account=account
        )
    except Error as error:
        say(f"The login is forgotten here, and {host_of(login.issuer)} could not be told: {error.message}.")
        return
    if told.status != 200:
        say(f"The login is forgotten here; {host_of(login.issuer)} answered {told.status} to that.")
