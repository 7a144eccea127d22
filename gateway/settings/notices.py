"""What is allowed in a settings file, but probably not meant?"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from gateway.settings.addresses import is_loopback
from gateway.settings.document import Document
from gateway.settings.problems import Problem, Where, near

# These look at the plain data, not at Settings: so they are said together with the errors of a broken file.


def notices(document: Document) -> Iterator[Problem]:
    """The warnings about a whole file, after its includes were merged."""
    yield from _nobody_may_call(document)
    yield from _nobody_is_known(document)
    yield from _anybodys_tokens(document)
    yield from _replicas_sign_alone(document)
    yield from _nothing_is_served(document)
    yield from _any_host_name(document)
    yield from _rules_that_match_nothing(document)
    yield from _tags_without_entries(document)
    yield from _permissions_without_service(document)
    yield from _sources_without_service(document)
    yield from _hosts_that_clients_misread(document)
    yield from _links_past_tls(document)
    yield from _upstreams_that_anybody_can_be(document)
    yield from _certificates_that_nobody_shows(document)
    yield from _logins_by_another_address(document)
    yield from _pages_that_anybody_wrote(document)


def _get(value: Any, *steps: str) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) else []


def _nobody_may_call(document: Document) -> Iterator[Problem]:
    policies = document.data.get("policies")
    if not policies:
        fix = 'add policies, for example: - {to: [authenticated], allow: ["*"]}'
        yield document.problem(("policies",), "no policies: nobody may call anything", fix, warning=True)
    if _get(document.data, "identity", "anonymous"):
        return
    for index, policy in enumerate(_list(policies)):
        if "anonymous" in _list(_get(policy, "to")):
            text = "anonymous callers are refused before policies are asked"
            fix = "write `anonymous: true` under `identity`, or remove the policy"
            yield document.problem(("policies", index, "to"), text, fix, warning=True)


def _nobody_is_known(document: Document) -> Iterator[Problem]:
    identity = document.data.get("identity")
    if not isinstance(identity, dict) or identity.get("local_tokens") is not False:
        return
    if not any(identity.get(key) for key in ("issuers", "introspection", "certificates", "anonymous")):
        text = "no local tokens, no issuers, no anonymous callers: every call is refused"
        fix = "remove `local_tokens: false`, or add `issuers`"
        yield document.problem(("identity",), text, fix, warning=True)


def _anybodys_tokens(document: Document) -> Iterator[Problem]:
    """RFC 9700 section 2.3: a token is for whom it was made for, else one service could act as its callers at all others."""
    for index, one in enumerate(_list(_get(document.data, "identity", "introspection"))):
        if _get(one, "kind") == "rfc7662" and not _get(one, "audience"):
            text = "any token of this server comes in, for whomever it was made"
            fix = "write `audience: labgate`, or as the server calls the gate"
            yield document.problem(("identity", "introspection", index), text, fix, warning=True)


def _replicas_sign_alone(document: Document) -> Iterator[Problem]:
    if not _get(document.data, "cache", "redis") or _get(document.data, "identity", "signing_keys"):
        return
    introduced = any(_get(service, "identity") for _, _, service in _services(document))
    if introduced or _get(document.data, "identity", "local_tokens") is not False:
        text = "each replica signs with a key of its own, which no other one knows"
        fix = (
            'write signing_keys: ["${file:/etc/labgate/key.pem}"] under `identity`, the same for all of them'
        )
        yield document.problem(("cache", "redis"), text, fix, warning=True)


def _nothing_is_served(document: Document) -> Iterator[Problem]:
    if not document.data.get("services") and not document.data.get("datastacks"):
        fix = "add services, for example: jobs: {url: http://127.0.0.1:39002}"
        yield document.problem(("services",), "no services: there is nothing to call", fix, warning=True)


def _any_host_name(document: Document) -> Iterator[Problem]:
    listen = document.data.get("listen")
    allowed = document.data.get("behind_proxy") is True or document.data.get("tls")
    if not isinstance(listen, str) or document.data.get("hosts") or not allowed:
        return
    if not is_loopback(listen.rpartition(":")[0].strip("[]")):
        fix = "add the names that callers use, for example hosts: [gate.lab.org]"
        yield document.problem(("hosts",), "any Host name is accepted from other machines", fix, warning=True)


def _services(document: Document) -> Iterator[tuple[Where, str, Any]]:
    """Every service, global and local, as written."""
    groups: list[tuple[Where, Any]] = [(("services",), document.data.get("services"))]
    datastacks = document.data.get("datastacks")
    groups.extend(
        (("datastacks", name, "services"), _get(datastacks, name, "services"))
        for name in (datastacks if isinstance(datastacks, dict) else ())
    )
    for where, group in groups:
        for name, service in group.items() if isinstance(group, dict) else ():
            yield (*where, name), name, service


def _rules(document: Document) -> Iterator[tuple[Where, str, Any]]:
    """Every rule about methods, with the name of its service."""
    for where, name, service in _services(document):
        methods = _get(service, "methods")
        for glob, rule in methods.items() if isinstance(methods, dict) else ():
            yield (*where, "methods", glob), name, rule


def _rules_that_match_nothing(document: Document) -> Iterator[Problem]:
    for where, name, _ in _rules(document):
        glob = str(where[-1])
        if glob.startswith(f"{name}."):
            fix = f"if `{name}.` is not part of the upstream's own names, write `{glob.removeprefix(f'{name}.')}`"
            yield document.problem(where, "rules are about names without the service's", fix, warning=True)


def _tags_without_entries(document: Document) -> Iterator[Problem]:
    tags = {str(tag) for _, _, rule in _rules(document) for tag in _list(_get(rule, "cache", "tags"))}
    for where, _, rule in _rules(document):
        for tag in _list(_get(rule, "invalidates")):
            if isinstance(tag, str) and tag not in tags:
                meant = near(tag, sorted(tags))
                fix = (
                    f"did you mean `{meant}`?" if meant else "add it to the `tags` of a `cache`, or remove it"
                )
                yield document.problem(
                    (*where, "invalidates"), "no cache rule carries this tag", fix, warning=True
                )


def _hosts_that_clients_misread(document: Document) -> Iterator[Problem]:
    """Intake's client replaces the first `intake` of an address by `http`, twice for what is nested; paths have aliases."""
    if not any(_get(service, "dialect") == "intake" for _, _, service in _services(document)):
        return
    names: list[tuple[Where, Any]] = [
        (("hosts", index), name) for index, name in enumerate(_list(document.data.get("hosts")))
    ]
    names.append(
        (("public_url",), str(document.data.get("public_url") or "").partition("//")[2].partition("/")[0])
    )
    for where, name in names:
        if "intake" in str(name):
            text = "Intake's own client cannot open nested catalogs at a host with this name"
            fix = "give the gate a name without `intake` for callers of the dialect `intake`"
            yield document.problem(where, text, fix, warning=True)


def _sources_without_service(document: Document) -> Iterator[Problem]:
    """What is read by a method of a service that nobody names; a CAVE deployment brings services by names of its own."""
    if any(_get(service, "dialect") == "cave" for _, _, service in _services(document)):
        return
    names = {f"{where[1]}/{name}" if len(where) > 2 else name for where, name, _ in _services(document)}
    entries = _get(document.data, "sources", "entries")
    for entry, source in entries.items() if isinstance(entries, dict) else ():
        method = _get(source, "method")
        service = str(method).partition(".")[0]
        if isinstance(method, str) and "." in method and service not in names:
            meant = near(service, sorted(names))
            fix = f"did you mean `{meant}`?" if meant else "add the service, or remove the entry"
            where = ("sources", "entries", entry, "method")
            yield document.problem(where, f"there is no service `{service}`", fix, warning=True)


def _links_past_tls(document: Document) -> Iterator[Problem]:
    public = str(document.data.get("public_url") or "")
    if document.data.get("tls") and public.startswith("http:"):
        text, fix = (
            "callers are led to http, and the gate speaks TLS",
            f"write https:{public[len('http:') :]}",
        )
        yield document.problem(("public_url",), text, fix, warning=True)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _upstreams_that_anybody_can_be(document: Document) -> Iterator[Problem]:
    for where, _, service in _services(document):
        verify = _get(service, "tls", "verify")
        if str(verify).lower() != "false":
            continue
        urls = _list(_get(service, "url"))
        if not all(is_loopback(_host(str(url))) for url in urls):
            text = "whoever is on the way can pass for the service, read what is sent to it and answer in its place"
            fix = "name the authority of its certificate: tls: {ca: FILE}"
            yield document.problem((*where, "tls", "verify"), text, fix, warning=True)


def _certificates_that_nobody_shows(document: Document) -> Iterator[Problem]:
    if not _get(document.data, "identity", "certificates"):
        return
    listeners = [document.data, _get(document.data, "operator")]
    listeners += [_get(service, "listen") for _, _, service in _services(document)]
    if not any(_get(one, "tls", "client_ca") for one in listeners):
        text, fix = "no listener asks for certificates", "add `client_ca: FILE` to a `tls`, or remove it"
        yield document.problem(("identity", "certificates"), text, fix, warning=True)


def _permissions_without_service(document: Document) -> Iterator[Problem]:
    names = {name for _, name, _ in _services(document)}
    for index, policy in enumerate(_list(document.data.get("policies"))):
        for permission in _list(_get(policy, "allow")):
            space, dot, _ = str(permission).rpartition("/")[2].partition(".")
            if (
                dot
                and "*" not in space
                and " /" not in str(permission)
                and not str(permission).startswith("/")
            ):
                meant = near(space, sorted(names)) if space not in names else None
                if meant:
                    text = f"there is no service `{space}`"
                    where = ("policies", index, "allow")
                    yield document.problem(where, text, f"did you mean `{meant}`?", warning=True)


def _logins_by_another_address(document: Document) -> Iterator[Problem]:
    """RFC 9728 section 3.3: who logs in is told for which address, and refuses another than their own."""
    data = document.data
    if not data.get("behind_proxy") or data.get("public_url") or data.get("trusted_proxies"):
        return
    for index, one in enumerate(_list(_get(data, "identity", "issuers"))):
        if _get(one, "device"):
            text = "people are told to log in for this process's own address, and not for the proxy's, which they use"
            fix = "write `public_url`, or the proxy's address under `trusted_proxies`"
            yield document.problem(("identity", "issuers", index, "device"), text, fix, warning=True)


def _pages_that_anybody_wrote(document: Document) -> Iterator[Problem]:
    """A page in somebody's browser reaches a gate that its author does not: the network is no fence then."""
    if not _get(document.data, "identity", "anonymous") or _get(document.data, "mcp", "enabled") is False:
        return
    if "*" in _list(_get(document.data, "mcp", "origins")):
        text = "any page in a browser that reaches the gate may read what anonymous callers may call"
        fix = 'name the origins, for example origins: ["https://chat.lab.org"]'
        yield document.problem(("mcp", "origins"), text, fix, warning=True)
