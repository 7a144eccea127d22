"""Who may do what? By DVID's three ways: anybody, whoever has a token of the server, or the datasets of a gateway."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Literal

from gateway.demo.dvid.dag import Node, Repo
from gateway.demo.dvid.errors import DvidError, PlainError

Way = Literal["none", "token", "dsg"]
Right = Literal["view", "edit"]

_COOKIE = re.compile(r"(?:^|;\s*)dsg_token=([^;]*)")
_BEARER = re.compile("bearer +(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, and the rights they have for each dataset: `view`, `edit`."""

    name: str
    rights: Mapping[str, frozenset[str]] = field(default_factory=dict)
    admin: bool = False


@dataclass
class Access:
    """The rules of a server. `people` are known by the credential that they show.

    A repo's dataset is its alias. `public` names nodes that, with all their ancestors, anybody may read. With
    `believes_internal` the header X-DVID-Internal opens everything, as DVID has it without a list of trusted proxies.
    """

    way: Way = "none"
    people: Mapping[str, Person] = field(default_factory=dict)
    admin_token: str | None = None
    public: frozenset[str] = frozenset()
    believes_internal: bool = True
    blocked: set[str] = field(default_factory=set)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def is_admin(self, fields: Message, query: Mapping[str, str]) -> bool:
        """Whether the caller may make repos and more."""
        said = query.get("admintoken", "")
        if self.admin_token and hmac.compare_digest(said.encode(), self.admin_token.encode()):
            return True
        person = self._person(fields) if self.way == "dsg" else None
        return person is not None and person.admin

    def check(self, repo: Repo, node: Node, right: Right, fields: Message, query: Mapping[str, str]) -> None:
        """Raise what a caller without this right at a node is answered."""
        if self.way == "none" or self._is_internal(fields) or self.is_admin(fields, query):
            return
        if self.way == "token":
            self._check_token(fields)
            return
        if right == "view" and self._is_public(repo, node):
            return
        person = self._person(fields)
        if person is None:
            raise PlainError(401, "a valid DatasetGateway token is required")
        if right not in person.rights.get(repo.alias, ()):
            raise PlainError(403, f"user {person.name!r} has no {right} permission on dataset {repo.alias!r}")

    def shown(self, repo: Repo, fields: Message, query: Mapping[str, str]) -> list[Node]:
        """The nodes of a repo that its description in `repos/info` may have."""
        nodes = list(repo.nodes.values())
        if self.way != "dsg" or self._is_internal(fields) or self.is_admin(fields, query):
            return nodes
        person = self._person(fields)
        if person is not None and "view" in person.rights.get(repo.alias, ()):
            return nodes
        return [node for node in nodes if self._is_public(repo, node)]

    def token(self, fields: Message) -> str:
        """The server's own token for somebody it knows. Raises DvidError."""
        if self.way != "token":
            raise DvidError("this server issues no tokens")
        person = self._person(fields)
        if person is None:
            raise DvidError("unable to identify the user: log in first")
        return self._signed({"user": person.name})

    def _is_internal(self, fields: Message) -> bool:
        return self.believes_internal and fields.get("X-DVID-Internal") == "true"

    def _is_public(self, repo: Repo, node: Node) -> bool:
        named = [one for one in list(repo.nodes.values()) if one.uuid in self.public]
        return any(node.version in repo.lineage(one) for one in named)

    def _person(self, fields: Message) -> Person | None:
        cookie = _COOKIE.search(fields.get("Cookie", ""))
        shown = _bearer(fields) or (cookie[1] if cookie else "")
        return self.people.get(shown)

    def _check_token(self, fields: Message) -> None:
        shown = _bearer(fields)
        if shown is None:
            raise DvidError("JWT required via Authorization in request header")
        try:
            claims = json.loads(_decoded(shown.split(".")[1]))
            known = any(person.name == claims["user"] for person in self.people.values())
        except (IndexError, KeyError, TypeError, ValueError):
            known = False
        if not known or not hmac.compare_digest(self._signed(claims).encode(), shown.encode()):
            raise DvidError("JWT in request header is invalid")

    def _signed(self, claims: Mapping[str, str]) -> str:
        """The claims as a JSON Web Token with HMAC-SHA256 (RFC 7519)."""
        parts = [_encoded(json.dumps(one).encode()) for one in ({"alg": "HS256", "typ": "JWT"}, claims)]
        signed = ".".join(parts)
        return f"{signed}.{_encoded(hmac.digest(self.secret, signed.encode(), hashlib.sha256))}"


def _bearer(fields: Message) -> str | None:
    found = _BEARER.fullmatch(fields.get("Authorization", "").strip())
    return found[1] if found else None


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
