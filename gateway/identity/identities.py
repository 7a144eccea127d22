"""Who is calling? Verdicts about credentials, remembered for as long as they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from cachetools import LRUCache
from msgspec import Struct
from msgspec.structs import replace

from gateway.core.api_keys import PREFIX, is_key
from gateway.core.certificates import ISSUER as CERTIFICATE
from gateway.core.claims import ADVICE, LOCAL, Issuer, judge_claims, judge_header, shown
from gateway.core.credentials import MAX_CREDENTIAL
from gateway.core.faults import BadRequest, Fault, Unauthenticated, Unavailable
from gateway.core.introducing import with_rights
from gateway.core.principal import ANONYMOUS_ISSUER, Bearer, Principal
from gateway.core.vouching import Vouched
from gateway.identity import local, state
from gateway.identity.api_keys import ApiKeys
from gateway.identity.errors import IdentityError
from gateway.identity.introspection import Introspection, Terms
from gateway.identity.keysets import FileKeys, FixedKeys, KeySource, UrlKeys
from gateway.identity.ledger import Revocations
from gateway.identity.signing import SigningKeys, signing_keys
from gateway.identity.tokens import opened, verify

MEMO = 65536
"""Verdicts that are remembered."""

LATEST = 1024
"""Of these how many by the credential itself, which stays no longer than until the next look."""

FOREIGN_VERDICT = 60.0
"""Seconds that a verdict about another issuer's token, or a key, serves before it is looked at again."""

LOOK = 0.25
"""Seconds from one look for revoked tokens to the next."""


class Trusted(Struct, frozen=True):
    """An issuer, and where its keys are: a URL or the path of a file (a JSON Web Key Set); None = its metadata tells it."""

    issuer: Issuer
    jwks: str | Path | None


class Showing(Struct, frozen=True):
    """What services are shown of callers: whose tokens are exchanged (issuers' names), whether what they may do is told, and
    whether the gate signs what it tells."""

    exchanged: frozenset[str] = frozenset()
    rights: bool = False
    signs: bool = False

    def finished(self, principal: Principal, credential: str | None = None) -> Principal:
        """A principal with what their introductions need."""
        if (
            credential is not None
            and principal.bearer is None
            and principal.issuer in self.exchanged - {LOCAL}
        ):
            principal = replace(principal, bearer=Bearer(credential, exchanged=True))
        return with_rights(principal) if self.rights else principal


class _Verdict(Struct, frozen=True, gc=False):
    principal: Principal
    until: float


class Identities:
    """The port `Identity`: known callers from memory, others by their token's issuer.

    Times are seconds since 1970 and come in with each question.
    """

    def __init__(
        self,
        revocations: Revocations | None,
        vouching: Sequence[Introspection] = (),
        showing: Showing = Showing(),  # noqa: B008 - it is frozen
    ) -> None:
        """Made by `open`; `revocations` are what was taken back at the gate, `vouching` is asked in order."""
        self._showing = showing
        self.signing: SigningKeys | None = None
        self._vouching = vouching
        self._revocations = revocations
        self._keys: ApiKeys | None = None
        self.public_keys: dict[str, Any] = {"keys": []}
        """What the gate signs is verified by these; a JSON Web Key Set."""
        self._issuers: dict[str, tuple[Issuer, KeySource]] = {}
        self._memo: LRUCache[bytes, _Verdict] = LRUCache(MEMO)
        # Finding a digest is a good part of what a known token costs.
        self._latest: dict[str, _Verdict] = {}
        self.verdicts: Counter[tuple[str, str]] = Counter()
        """Credentials that were looked at so far, by kind (`key`, `token`, `opaque`) and by what was found."""
        self._looked = float("-inf")
        self._changed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        state_dir: Path,
        local_tokens: bool,
        keys: Sequence[str],
        trusted: Sequence[Trusted],
        session: ClientSession,
        now: float,
        vouching: Sequence[Terms] = (),
        showing: Showing = Showing(),  # noqa: B008 - it is frozen
    ) -> AsyncIterator[Identities]:
        """Ready to be asked; keys of other issuers are fetched in the background, by the session.

        `keys` are PEM texts: without any the gate's own key is the one in `state_dir`, made if there is none. `vouching` are
        asked about tokens that say nothing of themselves, `showing` is what services are shown of callers.
        Raises IdentityError when a key, a file or the folder cannot be used.
        """
        revocations = None
        if local_tokens or vouching or showing.signs:
            state.prepare(state_dir)
            revocations = Revocations(state_dir)
        asked = [Introspection(terms, session, showing.finished) for terms in vouching]
        identities = cls(revocations, asked, showing)
        if local_tokens or showing.signs:
            identities.signing = signing_keys(state_dir, keys)
            identities.public_keys = identities.signing.public
        if local_tokens and identities.signing is not None:
            identities._keys = ApiKeys(state_dir)
            identities._keys.poll()
            identities._trust(local.ISSUER, FixedKeys(local.ISSUER, identities.signing.ring))
        for entry in trusted:
            _check_name(entry.issuer.issuer, identities._issuers)
            identities._trust(entry.issuer, identities._source(entry, session))
        try:
            for _, source in identities._issuers.values():
                source.start(now)
            identities._look(now)
            identities._changed = False
            yield identities
        finally:
            for _, source in identities._issuers.values():
                await source.close()
            for one in identities._vouching:
                await one.close()

    def known(self, credential: str, now: float) -> Principal | None:
        """The principal of a credential that was verified before, if that verdict still holds."""
        self._look(now)
        verdict = self._latest.get(credential)
        if verdict is not None and now < verdict.until:
            return verdict.principal
        verdict = self._memo.get(_key(credential))
        if verdict is not None:
            if now >= verdict.until:
                return None
            if len(self._latest) < LATEST:
                self._latest[credential] = verdict
            return verdict.principal
        vouched = self.vouched(credential, now)
        return None if vouched is None else vouched[1].principal

    def vouched(self, credential: str, now: float) -> tuple[str, Vouched] | None:
        """Who vouches for a credential that says nothing of itself, and what they say; if they were asked before."""
        for one in self._vouching:
            found = one.vouched(credential, now)
            if found is not None and not self._is_revoked(found.principal):
                return one.name, found
        return None

    def _is_revoked(self, principal: Principal) -> bool:
        return self._revocations is not None and principal.token_id in self._revocations

    def may_know(self, credential: str) -> bool:
        """Whether it is a token of an issuer that is known here, or somebody would be asked about it."""
        if self._keys is not None and is_key(credential):
            return True
        try:
            return opened(credential).issuer in self._issuers
        except Unauthenticated:
            return bool(self._vouching)

    async def identify(self, credential: str, now: float) -> Principal:
        """The principal for whom the credential speaks.

        Raises `Unauthenticated` with what is wrong and how to get a token, and `Unavailable` while the keys of the
        token's issuer cannot be had.
        """
        self._look(now)
        dots = credential.count(".", 0, MAX_CREDENTIAL)
        kind = "key" if credential.startswith(PREFIX) else "token" if dots == 2 else "opaque"
        try:
            principal = await self._verified(credential, now)
        except Unauthenticated:
            self.verdicts[kind, "refused"] += 1
            raise
        except Fault:
            self.verdicts[kind, "unavailable"] += 1
            raise
        self.verdicts[kind, "accepted"] += 1
        return principal

    async def _verified(self, credential: str, now: float) -> Principal:
        if self._keys is not None and credential.startswith(PREFIX):
            return self._of_key(self._keys, credential, now)
        try:
            token = opened(credential)
            issuer, source = self._of(token.issuer)
        except Unauthenticated:
            if not self._vouching:
                raise
            return await self._ask_around(credential, now)
        signature = judge_header(token.header, issuer)
        key = await source.find(signature.key_id, signature.algorithm, now)
        verify(token, key, signature.algorithm, issuer)
        principal = self._showing.finished(judge_claims(token.claims, issuer, now), credential)
        until = principal.expires
        if issuer is not local.ISSUER:
            until = min(until, now + FOREIGN_VERDICT)
        elif self._is_revoked(principal):
            raise issuer.refusal("The token was revoked.")
        self._memo[_key(credential)] = _Verdict(principal, until)
        return principal

    def _of_key(self, keys: ApiKeys, credential: str, now: float) -> Principal:
        principal = self._showing.finished(keys.find(credential, now))
        if self._is_revoked(principal):
            raise Unauthenticated(f"The key was revoked. {ADVICE}")
        self._memo[_key(credential)] = _Verdict(principal, min(principal.expires, now + FOREIGN_VERDICT))
        return principal

    async def _ask_around(self, credential: str, now: float) -> Principal:
        """Whom a token speaks for that says nothing of itself: the first who knows it decides."""
        refused: Unauthenticated | None = None
        away: Unavailable | None = None
        for one in self._vouching:
            try:
                principal = await one.ask(credential, now)
            except Unauthenticated as fault:
                refused = fault
            except Unavailable as fault:
                away = fault
            else:
                if self._is_revoked(principal):
                    raise Unauthenticated("The token was revoked at this gate: ask whoever runs it.")
                return principal
        if away is not None:
            raise away
        if refused is not None and len(self._vouching) == 1:
            raise refused
        raise Unauthenticated(f"The token is none that anybody here knows. {ADVICE}")

    async def vouch(self, token: str, url: str, now: float) -> None:
        """Check that who vouches there knows a token. Raises `BadRequest` if not, and `Unavailable`.

        Nothing is checked where nobody is asked.
        """
        for one in self._vouching:
            if one.name == url:
                try:
                    await one.ask(token, now)
                except Unauthenticated as fault:
                    raise BadRequest(f"The token is not linked: {url} does not know it.") from fault

    def changed(self, now: float) -> bool:
        """Whether, since the last question, a token was revoked or an issuer withdrew a key.

        Then verdicts that were kept elsewhere no longer hold either: the epoch must be raised.
        """
        self._look(now)
        changed, self._changed = self._changed, False
        return changed

    def _look(self, now: float) -> None:
        """Reads new revocations, at most every `LOOK` seconds; also when the clock was put back."""
        if 0 <= now - self._looked < LOOK:
            return
        self._looked = now
        self._latest.clear()
        if self._revocations is not None and self._revocations.poll():
            self._forget()

    def _forget(self) -> None:
        self._memo.clear()
        self._latest.clear()
        self._changed = True

    def _of(self, name: str | None) -> tuple[Issuer, KeySource]:
        found = self._issuers.get(name) if name is not None else None
        if found is None:
            whose = (
                "does not name its issuer (iss)"
                if name is None
                else f"is of an unknown issuer, {shown(name)}"
            )
            raise Unauthenticated(f"The token {whose}. {ADVICE}")
        return found

    def _trust(self, issuer: Issuer, source: KeySource) -> None:
        self._issuers[issuer.issuer] = issuer, source

    def _source(self, entry: Trusted, session: ClientSession) -> KeySource:
        if isinstance(entry.jwks, Path):
            return FileKeys(entry.issuer, entry.jwks, self._forget)
        return UrlKeys(entry.issuer, entry.jwks, session, self._forget)


def _check_name(name: str, taken: Container[str]) -> None:
    # The name decides whose keys verify a token, and keeps principals of several issuers apart.
    if name in taken or name in (LOCAL, ANONYMOUS_ISSUER, CERTIFICATE):
        raise IdentityError(f"identity.issuers: the name {name!r} is taken")


def _key(credential: str) -> bytes:
    return sha256(credential.encode("utf-8", "surrogatepass")).digest()
