"""Where does what an upstream says of its own addresses lead, as callers of the gate see it?"""

from __future__ import annotations

import re

from msgspec import Struct

_scheme = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:")
_refresh = re.compile(rb"(\s*[0-9.]+\s*[;,]\s*(?:url\s*=\s*)?)(.*)", re.IGNORECASE | re.DOTALL)
_attribute = re.compile(rb"(\s*)(path|domain)\s*(?:=.*)?", re.IGNORECASE | re.DOTALL)


class Places(Struct, frozen=True):
    """A service's addresses, and the one below which callers reach it.

    `origins` are the upstream's own, in lower case (`http://10.0.0.5:8080`); `base` is the path of its address there.
    `mount` is the path below the gate's origin, empty for the root.
    """

    origins: frozenset[bytes]
    base: bytes
    mount: bytes

    def reference(self, value: bytes, public: bytes) -> bytes:
        """A URI reference (RFC 3986 section 4.1) that leads back through the gate, whose origin is `public`.

        Only what is at the service's own host is led back; other hosts, and relative references, stay.
        """
        if _scheme.match(value):
            origin, path = _split(value)
            if origin not in self.origins:
                return value
            return public + self._moved(path)
        if value.startswith(b"//"):
            for scheme in (b"http:", b"https:"):
                origin, path = _split(scheme + value)
                if origin in self.origins:
                    return public + self._moved(path)
            return value
        if not value.startswith(b"/"):
            return value
        moved = self._moved(value)
        # What is left without the base may begin as if it named another host.
        return public + moved if moved != value and moved[1:2] in (b"/", b"\\") else moved

    def address(self, value: bytes, public: bytes, others: frozenset[bytes] = frozenset()) -> bytes | None:
        """An absolute URL that leads back through the gate; None for what is none, or leads elsewhere.

        `others` are further origins at which the service may take itself to be.
        """
        if not _scheme.match(value):
            return None
        origin, path = _split(value)
        return public + self._moved(path) if origin in self.origins or origin in others else None

    def _moved(self, path: bytes) -> bytes:
        """A path, with what follows it, below the mount; what is beside the service's own address goes there too."""
        base = self.base
        if path.startswith(base) and path[len(base) : len(base) + 1] in (b"", b"/", b"?", b"#"):
            path = path[len(base) :]
        return self.mount + path if self.mount or path.startswith(b"/") else b"/" + path

    def refresh(self, value: bytes, public: bytes) -> bytes:
        """The value of a Refresh field: its seconds, then perhaps where to."""
        found = _refresh.fullmatch(value)
        if found is None:
            return value
        before, rest = found.groups()
        quote = rest[:1] if rest[:1] in (b"'", b'"') else b""
        end = rest.find(quote, 1) if quote else -1
        if end < 0:
            end = len(rest)
        return before + quote + self.reference(rest[len(quote) : end], public) + rest[end:]

    def cookie(self, value: bytes, asked: bytes) -> bytes:
        """The value of a Set-Cookie field, moved below the mount and without a Domain; at the root it stays as it is.

        `asked` is the path below the mount that was asked for: by it browsers find the path of a cookie that names none.
        """
        if not self.mount and not self.base:
            return value
        pair, *attributes = value.split(b";")
        kept, placed = [pair], False
        for attribute in attributes:
            found = _attribute.fullmatch(attribute)
            if found is None:
                kept.append(attribute)
            elif found[2].lower() == b"domain":
                kept += [] if self.mount else [attribute]
            else:
                path = attribute.partition(b"=")[2].strip()
                placed = path.startswith(b"/")
                if placed:
                    moved = self.mount or b"/" if path == b"/" else self._moved(path)
                    kept.append(b"%b%b=%b" % (found[1], found[2], moved))
                elif not self.mount:
                    kept.append(attribute)
        if not placed and not asked and self.mount:
            kept.append(b" Path=" + self.mount)
        return b";".join(kept)


def _split(url: bytes) -> tuple[bytes, bytes]:
    """The origin of an absolute URL in lower case, its port left out where it is the scheme's, and what follows."""
    scheme, _, rest = url.partition(b"://")
    end = min((at for at in map(rest.find, (b"/", b"?", b"#")) if at >= 0), default=len(rest))
    return normal_origin(scheme + b"://" + rest[:end]), rest[end:]


def normal_origin(origin: bytes) -> bytes:
    """An origin as two of them are compared."""
    origin = origin.lower()
    for scheme, port in ((b"http://", b":80"), (b"https://", b":443")):
        if origin.startswith(scheme) and origin.endswith(port):
            return origin[: -len(port)]
    return origin


def cookie_names(value: bytes) -> list[tuple[bytes, bytes]]:
    """The cookies of a Cookie field: each one's name, and the whole as it was sent (RFC 6265 section 5.4)."""
    pairs = [pair.strip(b" \t") for pair in value.split(b";")]
    return [(pair.partition(b"=")[0].strip(b" \t"), pair) for pair in pairs if pair]


def set_name(value: bytes) -> bytes:
    """The name of the cookie that a Set-Cookie field sets."""
    return value.partition(b";")[0].partition(b"=")[0].strip(b" \t")
