"""Where is the Redis or Valkey that replicas share?"""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, PlainSerializer, PlainValidator, SecretStr
from pydantic_core import PydanticCustomError

from gateway.settings.addresses import host_name
from gateway.settings.document import Written
from gateway.settings.sections import Section
from gateway.settings.values import FilePath, Secret, Size, Text, Timeout, refusal, shown, text

_FIX = "write a URL like redis://valkey:6379/0, or rediss://… for TLS"
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True, slots=True, repr=False)
class RedisUrl:
    """A Redis server's address in its parts; `str` and `repr` give what may be shown."""

    host: str
    port: int
    database: int
    tls: bool
    user: str | None = None
    password: SecretStr | None = None
    secret: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        database = "…" if self.secret else self.database
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{database}"

    def __repr__(self) -> str:
        return f"RedisUrl({str(self)!r})"


def redis_url(value: Any) -> RedisUrl:
    """`redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS."""
    if isinstance(value, RedisUrl):
        return value
    written = text(value)
    if not written.isascii() or any(char in written for char in ' \\<>"{}|^`'):
        raise refusal("the URL holds a character that URLs cannot hold", "percent-encode it")
    if not written.startswith(("redis://", "rediss://")):
        raise refusal("the URL does not begin with redis:// or rediss://", _FIX)
    try:
        parts = urlsplit(written)
        host, port = host_name(parts.hostname or ""), parts.port
    except (ValueError, PydanticCustomError):
        raise refusal("the URL has no valid host or port", _FIX) from None
    if port == 0:
        raise refusal("the URL has no valid host or port", _FIX)
    if "?" in written or "#" in written:
        fix = "end it at the database; what else can be set are keys beside `url`"
        raise refusal("the URL has a query or a fragment", fix)
    database = parts.path.strip("/")
    if database and not (database.isdigit() and len(database) < 6):
        raise refusal("the URL's path is no number of a database", _FIX)
    return RedisUrl(
        host=host,
        port=port or 6379,
        database=int(database or 0),
        tls=parts.scheme == "rediss",
        user=unquote(parts.username) if parts.username else None,
        password=SecretStr(unquote(parts.password)) if parts.password else None,
        secret=isinstance(value, Written) and value.secret,
    )


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise refusal(
            f"{shown(value)} is no prefix of keys", "use at most 64 letters, digits and _ . : -, like labgate"
        )
    return value


class Redis(Section):
    """A Redis or Valkey server that the replicas of this gate share: entries, and what was ended.

    `user` and `password` go over those of the URL; `ca` is a file of certificates to trust instead of the system's.
    Gates share what has the same `prefix`. `timeout` (seconds) is how long a call waits for it at most; larger bodies
    than `max_size` (bytes) stay local.
    """

    url: Annotated[RedisUrl, PlainValidator(redis_url), PlainSerializer(str, when_used="json")]
    user: Text | None = None
    password: Secret | None = None
    ca: FilePath | None = None
    prefix: Annotated[Text, AfterValidator(_prefix)] = "labgate"
    timeout: Timeout = 0.25
    max_size: Size = 16 << 20

    def place(self) -> dict[str, Any]:
        """Where it is and how it is asked; the password is readable here."""
        password = self.password or self.url.password
        return {
            "host": self.url.host,
            "port": self.url.port,
            "database": self.url.database,
            "tls": self.url.tls,
            "user": self.user or self.url.user,
            "password": None if password is None else password.get_secret_value(),
            "ca": self.ca,
        }

    def secret(self) -> bytes:
        """What the gates that share it have in common and nobody else knows, as far as there is a password."""
        return blake2b(repr((self.prefix, self.place()["password"])).encode(), digest_size=32).digest()
