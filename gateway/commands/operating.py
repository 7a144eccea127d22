"""How does a command speak to the operator's door of a gate that runs?"""

import argparse
import ipaddress
import json
import os
import ssl
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from gateway.commands.options import add_config, settings_of, url
from gateway.settings.addresses import Address
from gateway.settings.socket_files import SocketFile

_SECONDS = 10.0
_LARGEST = 64 << 20
_OF_A_GATE = "Labgate-Catalog"
_EVERY_RELEASE_HAS = "/-/status"
"""The address of the operator's listener that is named, among others, where nothing is served at another one."""
_MAKE_ONE = (
    "`labgated token create --subject ME --group G` makes one, for a group whose policy says `operate: true`"
)


class NoAnswerError(Exception):
    """There is nothing to show; the text says why, and what to do."""


def add_operator(parser: argparse.ArgumentParser) -> None:
    """The options of every command that speaks to a running gate: which one, and who asks."""
    add_config(parser)
    text = "the operator's address (default: `operator.listen` of the settings file)"
    parser.add_argument("--url", metavar="URL", help=text)
    text = "an operator's token (default: $LABGATE_TOKEN, which other users of this machine cannot see)"
    parser.add_argument("--token", metavar="T", help=text)


def asked(
    args: argparse.Namespace, verb: str, path: str, said: object = None, seconds: float = _SECONDS
) -> Any:
    """What the gate answers within so many seconds, out of JSON; None after stderr was told why there is no answer."""
    try:
        token = token_of(args)
        where = operator_address(args)
        if where is None:
            return None
        return _exchange(*where, verb, path, said, token, seconds)
    except NoAnswerError as error:
        print(f"labgated {args.command}: {error}", file=sys.stderr)
        return None


def token_of(args: argparse.Namespace) -> str:
    """The operator's token. Raises `NoAnswerError`."""
    token = (args.token or os.environ.get("LABGATE_TOKEN") or "").strip()
    if not token:
        raise NoAnswerError(f"a token is needed: set LABGATE_TOKEN, or say --token TOKEN; {_MAKE_ONE}")
    if not token.isascii() or not token.isprintable():
        raise NoAnswerError("the token holds characters that no token has: copy it again")
    return token


def operator_address(args: argparse.Namespace) -> tuple[str, str | None] | None:
    """The operator's address, and the Host that the gate wants to hear; None when the settings cannot be used."""
    if args.url:
        return args.url, None
    settings = settings_of(args)
    if settings is None:
        return None
    listen = settings.operator.listen
    if not listen.port:
        raise NoAnswerError("the settings leave the operator's port open (0): say --url, its log names it")
    return _found_at(listen, settings.operator.tls, settings.hosts)


def gate_address(args: argparse.Namespace) -> tuple[str, str | None] | None:
    """The same of the callers' address, which `--gate` names."""
    if args.gate:
        return args.gate, None
    settings = settings_of(args)
    if settings is None:
        return None
    if isinstance(settings.listen, SocketFile):
        raise NoAnswerError(
            f"callers come by {settings.listen}, which has no port: say --gate, with an address of a server before it"
        )
    if not settings.listen.port:
        raise NoAnswerError(
            "the settings leave the callers' port open (0): say --gate, the gate's log names it"
        )
    return _found_at(settings.listen, settings.tls, settings.hosts)


def _found_at(listen: Address, tls: object, hosts: Sequence[str]) -> tuple[str, str | None]:
    named = next(iter(hosts), None)
    # A certificate is for a name.
    host = named if tls is not None and named and not listen.is_loopback else _reachable(listen.host)
    return url(host, listen.port, tls), named


def _reachable(host: str) -> str:
    """Where somebody on this machine finds a gate that listens at this host."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def _exchange(
    url: str, host: str | None, verb: str, path: str, said: object, token: str, seconds: float
) -> Any:
    connection, base = connection_to(url, seconds)
    fields = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if host is not None:
        fields["Host"] = host
    body = None
    if said is not None:
        # What is JSON already goes as it was written: to the cache 1e2 is not 100.
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        fields["Content-Type"] = "application/json"
    try:
        connection.request(verb, base + path, body, fields)
        answer = connection.getresponse()
        return _read(answer, url)
    except (OSError, HTTPException, UnicodeError) as error:
        raise NoAnswerError(
            f"no gate answers at {url} ({_reason(error)}): `labgated serve` starts one, "
            "--url says where else it is"
        ) from error
    finally:
        connection.close()


def answered(url: str, host: str | None, path: str, token: str) -> bytes:
    """The body of what is answered to a GET. Raises `NoAnswerError`."""
    connection, base = connection_to(url, _SECONDS)
    fields = {"Authorization": f"Bearer {token}"} | ({} if host is None else {"Host": host})
    try:
        connection.request("GET", base + path, headers=fields)
        answer = connection.getresponse()
        body = answer.read(_LARGEST)
    except (OSError, HTTPException, UnicodeError) as error:
        raise NoAnswerError(f"no gate answers at {url} ({_reason(error)})") from error
    finally:
        connection.close()
    if answer.status != 200:
        try:
            why = str(json.loads(body)["error"]["message"])
        except (ValueError, LookupError, TypeError):
            why = "that is no gate"
        raise NoAnswerError(f"{url}{path} answers {answer.status}: {why}")
    return body


def trusted() -> ssl.SSLContext:
    """Whom commands trust. Raises `NoAnswerError`."""
    return _context(os.environ)


def connection_to(url: str, seconds: float) -> tuple[HTTPConnection, str]:
    """A connection, and the path that stands before every request's own. It follows no redirect: it carries a token.

    Raises `NoAnswerError` for what is no address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _no_address() from error
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise _no_address()
    if parts.scheme == "http":
        return HTTPConnection(parts.hostname, port, timeout=seconds), parts.path.rstrip("/")
    context = _context(os.environ)
    return HTTPSConnection(parts.hostname, port, timeout=seconds, context=context), parts.path.rstrip("/")


def _context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Whom this machine or SSL_CERT_FILE trusts, and the certificate that a listener with `client_ca` asks for."""
    made = ssl.create_default_context()
    if file := environ.get("LABGATE_CERTIFICATE"):
        try:
            made.load_cert_chain(file, environ.get("LABGATE_CERTIFICATE_KEY") or None)
        except OSError as error:
            why = error.strerror or error
            raise NoAnswerError(
                f"the certificate that LABGATE_CERTIFICATE names cannot be used ({why}): name a PEM file with it and its "
                "private key, or the key as LABGATE_CERTIFICATE_KEY"
            ) from error
    return made


def _no_address() -> NoAnswerError:
    return NoAnswerError("what --url or --gate says is no address: write http://127.0.0.1:8701")


def _read(answer: HTTPResponse, url: str) -> Any:
    if answer.status == 200 and _OF_A_GATE not in answer.headers:
        raise _no_door(answer, url)  # a service that answers everything
    try:
        value = json.loads(answer.read(_LARGEST))
        if answer.status == 200:
            return value
        why = str(value["error"]["message"])
    except (ValueError, LookupError, TypeError) as error:
        raise _no_door(answer, url) from error
    match answer.status:
        case 401:
            raise NoAnswerError(f"{why} The token must be one that this gate takes; {_MAKE_ONE}")
        case 403:
            raise NoAnswerError(f"{why} {_MAKE_ONE[0].upper()}{_MAKE_ONE[1:]}")
        case 404:
            if _EVERY_RELEASE_HAS in why:
                raise NoAnswerError(
                    f"the gate at {url} is of another release than this command, and has no such page: use the `labgated` "
                    "that it was started by"
                )
            raise NoAnswerError(f"{why} Is {url} the operator's address, and not that of callers?")
    raise NoAnswerError(why)


def _no_door(answer: HTTPResponse, url: str) -> NoAnswerError:
    return NoAnswerError(
        f"what answers at {url} ({answer.status}) is no operator's door of labgate: "
        "say its address with --url, it is `operator.listen` of its settings"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted here: {error.verify_message}; SSL_CERT_FILE names further authorities"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
