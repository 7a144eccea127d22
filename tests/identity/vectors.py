"""Tokens that must be refused, and tokens that must be taken: built for one issuer, against any gate that trusts it.

`World(now)` is an issuer with its keys. A gate under test trusts `world.issuer` with the key set `world.jwks()`;
`VECTORS` and `GOOD` then build tokens that hold around `now`.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec as elliptic
from cryptography.hazmat.primitives.asymmetric import rsa as rivest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.core.claims import Issuer

ISSUER = "https://issuer.test/"
AUDIENCE = "labgate"
SMALL_ORDER = b"\x01" + bytes(31)


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def dump(value: object) -> bytes:
    """JSON, as PyJWT writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass
class World:
    """An issuer with its keys; `now` is in seconds since 1970."""

    now: float
    rsa: rivest.RSAPrivateKey = field(default_factory=lambda: rivest.generate_private_key(65537, 2048))
    short: rivest.RSAPrivateKey = field(default_factory=lambda: rivest.generate_private_key(65537, 1024))
    ec: elliptic.EllipticCurvePrivateKey = field(
        default_factory=lambda: elliptic.generate_private_key(elliptic.SECP256R1())
    )
    ec384: elliptic.EllipticCurvePrivateKey = field(
        default_factory=lambda: elliptic.generate_private_key(elliptic.SECP384R1())
    )
    ed: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    enc: elliptic.EllipticCurvePrivateKey = field(
        default_factory=lambda: elliptic.generate_private_key(elliptic.SECP256R1())
    )
    stranger: rivest.RSAPrivateKey = field(default_factory=lambda: rivest.generate_private_key(65537, 2048))

    @property
    def issuer(self) -> Issuer:
        """What its tokens must say."""
        return Issuer(ISSUER, (AUDIENCE,), ("RS256", "ES256", "EdDSA"), max_lifetime=86400.0, leeway=60.0)

    def jwks(self) -> dict[str, Any]:
        """Its public keys, with some that must not be used."""
        small = {"kty": "OKP", "crv": "Ed25519", "x": b64(SMALL_ORDER), "kid": "small"}
        return {
            "keys": [
                jwk(self.rsa, "rsa"),
                jwk(self.short, "short"),
                jwk(self.ec, "ec", use="sig"),
                jwk(self.ec384, "ec384"),
                jwk(self.ed, "ed", alg="EdDSA"),
                jwk(self.enc, "enc", use="enc"),
                {"kty": "oct", "k": b64(b"secret" * 8), "kid": "oct"},
                small,
                {"kty": "XYZ", "kid": "future"},
                "no key at all",
            ]
        }

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims that hold, with changes; `...` leaves one out."""
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": int(self.now) - 10,
            "exp": int(self.now) + 3600,
        }
        return {name: value for name, value in (said | changes).items() if value is not ...}

    def token(self, header: dict[str, Any] | None = None, key: str = "rsa", **changes: Any) -> str:
        """A token, signed by one of the keys; `header` changes the header, `...` leaves a member out."""
        return self.signed(dump(self.header(header or {}, key)), dump(self.claims(**changes)), key)

    def of_length(self, length: int) -> str:
        """A good token of so many bytes."""
        bare = len(self.token({"x": ""}, filler=""))
        about = (length - bare) * 3 // 4
        made = (
            self.token({"x": "x" * more}, filler="a" * (about - less))
            for less in range(5)
            for more in range(4)
        )
        return next(token for token in made if len(token) == length)

    def header(self, changes: dict[str, Any], key: str = "rsa") -> dict[str, Any]:
        """A header for one of the keys."""
        said = {"alg": ALGORITHMS[key], "kid": key, "typ": "JWT"} | changes
        return {name: value for name, value in said.items() if value is not ...}

    def signed(self, header: bytes, payload: bytes, key: str = "rsa") -> str:
        """A token of these very bytes."""
        signing_input = f"{b64(header)}.{b64(payload)}"
        return f"{signing_input}.{b64(self.signature(signing_input.encode(), key))}"

    def signature(self, text: bytes, key: str) -> bytes:
        """What the key makes of a text."""
        private = getattr(self, key)
        algorithm = jwt.get_algorithm_by_name(ALGORITHMS[key])
        return algorithm.sign(text, private)

    def unsigned(self, algorithm: object) -> str:
        """A token without a signature."""
        return f"{b64(dump(self.header({'alg': algorithm})))}.{b64(dump(self.claims()))}."

    def by_hmac(self, secret: bytes) -> str:
        """A token signed with the public key as if it were a secret."""
        text = f"{b64(dump(self.header({'alg': 'HS256'})))}.{b64(dump(self.claims()))}"
        return f"{text}.{b64(hmac.digest(secret, text.encode(), hashlib.sha256))}"

    def with_signature(self, signature: bytes, key: str) -> str:
        """A token with a signature of our choice."""
        head, payload, _ = self.token(key=key).split(".")
        return f"{head}.{payload}.{b64(signature)}"


ALGORITHMS = {
    "rsa": "RS256",
    "short": "RS256",
    "stranger": "RS256",
    "ec": "ES256",
    "enc": "ES256",
    "ec384": "ES384",
    "ed": "EdDSA",
    "small": "EdDSA",
}


def jwk(key: Any, kid: str, **members: str) -> dict[str, Any]:
    """The public half of a key as a JSON Web Key."""
    public = key.public_key()
    kinds = {rivest.RSAPublicKey: RSAAlgorithm, elliptic.EllipticCurvePublicKey: ECAlgorithm}
    kind = next((kinds[cls] for cls in kinds if isinstance(public, cls)), OKPAlgorithm)
    return {**kind.to_jwk(public, as_dict=True), "kid": kid} | members


def _public(world: World, encoding: Encoding) -> bytes:
    return world.rsa.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def _payload(world: World, *members: str) -> str:
    """A token whose payload has these members as written after those that hold."""
    return world.signed(
        dump(world.header({})), dump(world.claims())[:-1] + ("," + ",".join(members) + "}").encode()
    )


def _header(world: World, *members: str) -> str:
    return world.signed(
        dump(world.header({}))[:-1] + ("," + ",".join(members) + "}").encode(), dump(world.claims())
    )


def _deep(levels: int) -> Callable[[World], str]:
    return lambda w: w.signed(dump(w.header({})), b'{"a":' + b"[" * levels + b"]" * levels + b"}")


def _brought(world: World, **header: Any) -> str:
    """Signed by a stranger, whose key the header brings."""
    return world.token({"kid": "rsa", **header}, key="stranger")


@dataclass(frozen=True)
class Vector:
    """A token that must be refused, and part of the text that says why."""

    name: str
    build: Callable[[World], str]
    says: str


VECTORS: tuple[Vector, ...] = (
    # --- the header
    *(
        Vector(f"alg {alg}", lambda w, alg=alg: w.unsigned(alg), "is signed by")
        for alg in ("none", "None", "NONE", "nOnE")
    ),
    Vector("alg absent", lambda w: w.token({"alg": ...}), "is signed by None"),
    Vector("alg no text", lambda w: w.token({"alg": ["RS256"]}), "is signed by list"),
    Vector(
        "alg of HMAC, public key as PEM",
        lambda w: w.by_hmac(_public(w, Encoding.PEM)),
        "is signed by 'HS256'",
    ),
    Vector(
        "alg of HMAC, public key as DER",
        lambda w: w.by_hmac(_public(w, Encoding.DER)),
        "is signed by 'HS256'",
    ),
    Vector(
        "alg of HMAC, public key as JWK", lambda w: w.by_hmac(dump(jwk(w.rsa, "rsa"))), "is signed by 'HS256'"
    ),
    Vector("alg not of this issuer", lambda w: w.token({"alg": "PS256"}), "is signed by 'PS256'"),
    Vector("alg of another kind of key", lambda w: w.token({"kid": "ed"}), "unknown key"),
    Vector("alg of another curve", lambda w: w.token({"alg": "ES256"}, key="ec384"), "unknown key"),
    Vector("crit unknown", lambda w: w.token({"crit": ["exp"], "exp": 1}), "extensions"),
    Vector("crit empty", lambda w: w.token({"crit": []}), "extensions"),
    Vector("b64 false", lambda w: w.token({"b64": False, "crit": ["b64"]}), "extensions"),
    Vector("kid a number", lambda w: w.token({"kid": 7}), "(kid)"),
    Vector("kid a path", lambda w: w.token({"kid": "../../etc/passwd"}), "unknown key"),
    Vector("kid SQL", lambda w: w.token({"kid": "' OR 1=1; --"}), "unknown key"),
    Vector("kid a URL", lambda w: w.token({"kid": "http://127.0.0.1:1/"}), "unknown key"),
    Vector("kid with a surrogate", lambda w: w.token({"kid": "\ud800\n"}), "unknown key"),
    Vector("kid of 4 kB", lambda w: w.token({"kid": "k" * 4096}), "longer than 256 bytes"),
    Vector("kid absent, several keys fit", lambda w: w.token({"kid": ...}), "does not say by which"),
    Vector("kid of a key for encryption", lambda w: w.token(key="enc"), "unknown key"),
    Vector("kid of a secret", lambda w: w.token({"kid": "oct"}), "unknown key"),
    Vector("jwk", lambda w: _brought(w, jwk=jwk(w.stranger, "rsa")), "signature does not hold"),
    Vector("jku", lambda w: _brought(w, jku="http://127.0.0.1:1/jwks.json"), "signature does not hold"),
    Vector("x5u", lambda w: _brought(w, x5u="http://127.0.0.1:1/cert.pem"), "signature does not hold"),
    Vector("x5c", lambda w: _brought(w, x5c=["AAAA"]), "signature does not hold"),
    Vector(
        "jwk with its own kid",
        lambda w: _brought(w, kid="stranger", jwk=jwk(w.stranger, "stranger")),
        "unknown key",
    ),
    Vector("typ of a logout token", lambda w: w.token({"typ": "logout+jwt"}), "of the type 'logout+jwt'"),
    Vector("typ no text", lambda w: w.token({"typ": 1}), "of the type 1"),
    Vector("header member twice", lambda w: _header(w, '"kid":"rsa"'), "a member twice"),
    Vector("header member twice, escaped", lambda w: _header(w, '"k\\u0069d":"rsa"'), "a member twice"),
    Vector("header a list", lambda w: w.signed(b"[1]", dump(w.claims())), "no JSON object"),
    Vector("header no JSON", lambda w: w.signed(b"{", dump(w.claims())), "header cannot be read"),
    # --- times
    Vector("exp absent", lambda w: w.token(exp=...), "(exp)"),
    Vector("exp null", lambda w: w.token(exp=None), "(exp)"),
    Vector("exp a text", lambda w: w.token(exp=str(int(w.now) + 60)), "exp is no time"),
    Vector("exp true", lambda w: w.token(exp=True), "exp is no time"),
    Vector("exp 10^400", lambda w: w.token(exp=10**400), "exp is no time"),
    Vector("exp of 5000 digits", lambda w: _payload(w, '"exp2":1' + "0" * 5000), "cannot be read"),
    Vector("exp NaN", lambda w: w.token(exp=float("nan")), "NaN"),
    Vector(
        "exp 1e400",
        lambda w: w.signed(dump(w.header({})), dump(w.claims(exp=...))[:-1] + b',"exp":1e400}'),
        "exp is no time",
    ),
    Vector("exp years ahead", lambda w: w.token(exp=int(w.now) + 10**8), "made to last longer"),
    Vector(
        "exp years ahead, no iat", lambda w: w.token(exp=int(w.now) + 10**8, iat=...), "made to last longer"
    ),
    Vector("expired", lambda w: w.token(exp=int(w.now) - 301), "expired 5 minutes ago"),
    Vector("nbf ahead", lambda w: w.token(nbf=int(w.now) + 300), "begins to hold in"),
    Vector("iat ahead", lambda w: w.token(iat=int(w.now) + 300), "begins to hold in"),
    Vector("iat a text", lambda w: w.token(iat="now"), "iat is no time"),
    # --- for whom, by whom
    Vector(
        "iss unknown", lambda w: w.token(iss="https://evil.test/"), "unknown issuer, 'https://evil.test/'"
    ),
    Vector("iss almost", lambda w: w.token(iss=ISSUER[:-1]), "unknown issuer"),
    Vector("iss absent", lambda w: w.token(iss=...), "does not name its issuer"),
    Vector("iss a list", lambda w: w.token(iss=[ISSUER]), "does not name its issuer"),
    Vector(
        "iss of the gate, key of another",
        lambda w: w.token({"typ": "at+jwt"}, key="ed", iss="labgate"),
        "unknown",
    ),
    Vector("iss anonymous", lambda w: w.token(iss="anonymous"), "unknown issuer"),
    Vector("aud absent", lambda w: w.token(aud=...), "(aud)"),
    Vector("aud of another", lambda w: w.token(aud="elsewhere"), "for another audience: 'elsewhere'"),
    Vector("aud empty", lambda w: w.token(aud=[]), "another audience"),
    Vector("aud a number", lambda w: w.token(aud=7), "(aud)"),
    Vector("aud with a number", lambda w: w.token(aud=[AUDIENCE, 7]), "(aud)"),
    Vector("sub absent", lambda w: w.token(sub=...), "(sub)"),
    Vector("sub empty", lambda w: w.token(sub=""), "or empty"),
    Vector("sub a number", lambda w: w.token(sub=7), "no text"),
    Vector("sub with NUL", lambda w: w.token(sub="ada\0"), "control characters"),
    Vector("sub with a line break", lambda w: w.token(sub="ada\r\nX-Admin: 1"), "control characters"),
    Vector("sub with a surrogate", lambda w: w.token(sub="\ud800"), "control characters"),
    Vector("sub too long", lambda w: w.token(sub="a" * 257), "longer than 256"),
    Vector("sub twice", lambda w: _payload(w, '"sub":"root"'), "a member twice"),
    Vector("sub twice, escaped", lambda w: _payload(w, '"s\\u0075b":"root"'), "a member twice"),
    Vector("a member twice, deep inside", lambda w: _payload(w, '"a":{"b":1,"b":2}'), "a member twice"),
    Vector("groups a number", lambda w: w.token(groups=7), "neither text nor a list"),
    Vector("groups with a number", lambda w: w.token(groups=["a", 7]), "no text"),
    Vector("groups with a control", lambda w: w.token(groups=["a\x1b[2J"]), "control characters"),
    Vector("groups by the hundred", lambda w: w.token(groups=["a"] * 257), "more than 256 entries"),
    Vector("scope an object", lambda w: w.token(scope={"a": 1}), "neither text nor a list"),
    Vector("jti a number", lambda w: w.token(jti=7), "no text"),
    # --- the form
    Vector("payload a list", lambda w: w.signed(dump(w.header({})), b"[]"), "no JSON object"),
    Vector("payload no JSON", lambda w: w.signed(dump(w.header({})), b"hello"), "payload cannot be read"),
    Vector(
        "payload in UTF-16",
        lambda w: w.signed(dump(w.header({})), dump(w.claims()).decode().encode("utf-16")),
        "cannot be read",
    ),
    Vector("payload no UTF-8", lambda w: w.signed(dump(w.header({})), b'{"sub":"\xff"}'), "cannot be read"),
    Vector("payload deep", _deep(2900), "cannot be read"),
    Vector("payload deep beyond all limits", _deep(100_000), "at most 8192"),
    Vector("one part", lambda _: "abc", "no whole JWT"),
    Vector("two parts", lambda w: w.token().rpartition(".")[0], "no whole JWT"),
    Vector("five parts", lambda w: w.token() + ".a.b", "no whole JWT"),
    Vector("an empty part", lambda w: "." + w.token().partition(".")[2], "no whole JWT"),
    Vector("padding", lambda w: w.token() + "==", "no whole JWT"),
    Vector("a padded part", lambda w: w.token().replace(".", "=.", 1), "no whole JWT"),
    Vector("signature absent", lambda w: w.token().rpartition(".")[0] + ".", "cut off"),
    Vector("cut off in the signature", lambda w: w.token()[:-12], "cut off"),
    Vector("cut off in the payload", lambda w: w.token()[: len(w.token()) // 3], "cut off"),
    Vector("one byte too long, well signed", lambda w: w.of_length(8193), "at most 8192"),
    Vector("1 MB, well signed", lambda w: w.token(filler="a" * 10**6), "at most 8192"),
    Vector("8 MB of junk", lambda w: w.token() + "A" * (8 << 20), "at most 8192"),
    # --- the signature
    Vector(
        "signed by a stranger", lambda w: w.token({"kid": "rsa"}, key="stranger"), "signature does not hold"
    ),
    Vector("signed by an unknown key", lambda w: w.token(key="stranger"), "unknown key"),
    Vector(
        "another payload",
        lambda w: ".".join(
            (w.token().split(".")[0], b64(dump(w.claims(sub="root"))), w.token().split(".")[2])
        ),
        "signature does not hold",
    ),
    Vector("RSA key of 1024 bits", lambda w: w.token(key="short"), "too short"),
    Vector("ECDSA, zeros", lambda w: w.with_signature(bytes(64), "ec"), "signature"),
    Vector("ECDSA, ones", lambda w: w.with_signature(b"\xff" * 64, "ec"), "signature"),
    Vector("ECDSA, wrong length", lambda w: w.with_signature(bytes(63), "ec"), "signature"),
    Vector("EdDSA, zeros", lambda w: w.with_signature(bytes(64), "ed"), "signature"),
    Vector("EdDSA, of small order", lambda w: w.with_signature(SMALL_ORDER + bytes(32), "ed"), "signature"),
    Vector("EdDSA, wrong length", lambda w: w.with_signature(bytes(10), "ed"), "signature"),
    Vector(
        "EdDSA, key of small order",
        lambda w: (
            f"{b64(dump(w.header({}, 'small')))}.{b64(dump(w.claims()))}.{b64(SMALL_ORDER + bytes(32))}"
        ),
        "unknown key",
    ),
)
"""Each must be refused with 401, and the text must contain `says`."""

GOOD: tuple[tuple[str, Callable[[World], str]], ...] = (
    ("RS256", lambda w: w.token()),
    ("ES256", lambda w: w.token(key="ec")),
    ("EdDSA", lambda w: w.token(key="ed")),
    ("no kid, one key fits", lambda w: w.token({"kid": ...}, key="ed")),
    ("nearly as long as may be", lambda w: w.of_length(8150)),
    ("no typ", lambda w: w.token({"typ": ...})),
    ("access token", lambda w: w.token({"typ": "application/AT+jwt"})),
    ("one of several audiences", lambda w: w.token(aud=["elsewhere", AUDIENCE])),
    ("no iat", lambda w: w.token(iat=...)),
    ("clocks that differ a little", lambda w: w.token(iat=int(w.now) + 30, nbf=int(w.now) + 30)),
    ("a fraction of a second", lambda w: w.token(exp=w.now + 3600.5)),
    (
        "unknown members",
        lambda w: w.token({"cty": "x", "jku": "http://127.0.0.1:1/"}, nonce="n", azp="a", x=None),
    ),
)
"""Each must be taken, for the subject `ada`."""
