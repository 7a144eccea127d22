"""Where is the Redis or Valkey that replicas share?"""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, PlainSerializer, PlainValidator, SecretStr
from pydantic_core import PydanticCustomError

from gateway.settings.addresses import host_name
from gateway.settings.document import Written
from gateway.settings.sections import Section
from gateway.settings.values import FilePath, Secret, Size, Text, Timeout, refusal, shown, text

_FIX = "write a URL like redis://valkey:6379/0, or rediss://… for TLS"
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


_SCHEMES: Final = {
    "redis": "server",
    "rediss": "server",
    "redis-sentinel": "sentinels",
    "rediss-sentinel": "sentinels",
    "redis-cluster": "cluster",
    "rediss-cluster": "cluster",
}
_PORTS: Final = {"server": 6379, "sentinels": 26379, "cluster": 6379}
_MASTER: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True, repr=False)
class RedisUrl:
    """A Redis server's address in its parts; `str` and `repr` give what may be shown.

    `kind` says who is at it: the server, `sentinels` that know the master called `master`, or nodes of a `cluster`; `others` are
    the addresses of further ones.
    """

    host: str
    port: int
    database: int
    tls: bool
    user: str | None = None
    password: SecretStr | None = None
    secret: bool = False
    kind: str = "server"
    others: tuple[tuple[str, int], ...] = ()
    master: str = ""

    def __str__(self) -> str:
        database = "…" if self.secret else self.database
        scheme = next(
            name
            for name, kind in _SCHEMES.items()
            if kind == self.kind and name.startswith("rediss") == self.tls
        )
        hosts = ",".join(_host(*one) for one in ((self.host, self.port), *self.others))
        path = {"server": f"/{database}", "sentinels": f"/{self.master}/{database}", "cluster": ""}[self.kind]
        return f"{scheme}://{hosts}{path}"

    def __repr__(self) -> str:
        return f"RedisUrl({str(self)!r})"


def _host(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def redis_url(value: Any) -> RedisUrl:
    """`redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS; also of several, and who they are.

    `redis-sentinel://host:port,host:port/MASTER[/database]`: sentinels, who know the master of this name.
    `redis-cluster://host:port,host:port`: some nodes of a cluster.
    """
    if isinstance(value, RedisUrl):
        return value
    written = text(value)
    if not written.isascii() or any(char in written for char in ' \\<>"{}|^`'):
        raise refusal("the URL holds a character that URLs cannot hold", "percent-encode it")
    scheme, colon, rest = written.partition("://")
    if not colon or scheme not in _SCHEMES:
        raise refusal("the URL does not begin with redis:// or rediss://", _FIX)
    if "?" in written or "#" in written:
        fix = "end it at the database; what else can be set are keys beside `url`"
        raise refusal("the URL has a query or a fragment", fix)
    kind = _SCHEMES[scheme]
    where, _, path = rest.partition("/")
    access, _, hosts = where.rpartition("@")
    (host, port), *others = _addresses(hosts, kind)
    master, database = _path(path.strip("/"), kind)
    user, _, password = access.partition(":")
    return RedisUrl(
        host=host,
        port=port,
        database=database,
        tls=scheme.startswith("rediss"),
        user=unquote(user) if user else None,
        password=SecretStr(unquote(password)) if password else None,
        secret=isinstance(value, Written) and value.secret,
        kind=kind,
        others=tuple(others),
        master=master,
    )


def _addresses(hosts: str, kind: str) -> list[tuple[str, int]]:
    """The hosts and ports; of one server there is one."""
    found = []
    for one in hosts.split(",") if kind != "server" else [hosts]:
        try:
            parts = urlsplit(f"redis://{one}")
            host, port = host_name(parts.hostname or ""), parts.port
        except (ValueError, PydanticCustomError):
            raise refusal("the URL has no valid host or port", _FIX) from None
        if port == 0:
            raise refusal("the URL has no valid host or port", _FIX)
        found.append((host, port or _PORTS[kind]))
    return found


def _path(path: str, kind: str) -> tuple[str, int]:
    """The master's name, where sentinels are asked for it, and the number of the database."""
    master = ""
    if kind == "sentinels":
        master, _, path = path.partition("/")
        if not _MASTER.fullmatch(master):
            raise refusal(
                "the URL does not name the master that the sentinels know",
                "write a URL like redis-sentinel://one:26379,two:26379/mymaster",
            )
    if path and not (path.isdigit() and len(path) < 6):
        raise refusal("the URL's path is no number of a database", _FIX)
    if kind == "cluster" and int(path or 0):
        raise refusal("a cluster has no databases but 0", "end the URL at the last node")
    return master, int(path or 0)


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise refusal(
            f"{shown(value)} is no prefix of keys", "use at most 64 letters, digits and _ . : -, like labgate"
        )
    return value


class Redis(Section):
    """A Redis or Valkey server that the replicas of this gate share: entries, and what was ended.

    `user` and `password` go over those of the URL; `ca` is a file of certificates to trust instead of the system's.
    `sentinel_password` is that of the sentinels, where they are asked for the server.
    Gates share what has the same `prefix`. `timeout` (seconds) is how long a call waits for it at most; larger bodies
    than `max_size` (bytes) stay local.
    """

    url: Annotated[RedisUrl, PlainValidator(redis_url), PlainSerializer(str, when_used="json")]
    user: Text | None = None
    password: Secret | None = None
    sentinel_password: Secret | None = None
    ca: FilePath | None = None
    prefix: Annotated[Text, AfterValidator(_prefix)] = "labgate"
    timeout: Timeout = 0.25
    max_size: Size = 16 << 20

    def place(self) -> dict[str, Any]:
        """Where it is and how it is asked; the password is readable here."""
        password, sentinel = self.password or self.url.password, self.sentinel_password
        return {
            "host": self.url.host,
            "port": self.url.port,
            "database": self.url.database,
            "tls": self.url.tls,
            "user": self.user or self.url.user,
            "password": None if password is None else password.get_secret_value(),
            "ca": self.ca,
            "kind": self.url.kind,
            "others": self.url.others,
            "master": self.url.master,
            "sentinel_password": None if sentinel is None else sentinel.get_secret_value(),
            "key": f"{{{self.prefix}}}:",
        }

    def secret(self) -> bytes:
        """What the gates that share it have in common and nobody else knows, as far as there is a password."""
        return blake2b(repr((self.prefix, self.place()["password"])).encode(), digest_size=32).digest()
