"""Laws of the schema: what contradicts itself is refused, all of it at once, each at its line and with its fix."""

from pathlib import Path

import pytest

from gateway.settings import Problem, Settings, SettingsError, examine, load

FINE = """
services:
  jobs:
    url: http://127.0.0.1:39002
policies:
  - {to: [authenticated], allow: ["*"]}
"""


def examined(tmp_path: Path, text: str, **environ: str) -> tuple[Settings | None, tuple[Problem, ...]]:
    file = tmp_path / "labgate.yaml"
    file.write_text(text)
    return examine(file, {"HOME": str(tmp_path), **environ})


def levels(problems: tuple[Problem, ...], level: str) -> dict[str, str]:
    return {problem.path: f"{problem.text} | {problem.fix}" for problem in problems if problem.level == level}


def test_two_keys_are_enough_and_the_rest_has_defaults(tmp_path: Path) -> None:
    settings, problems = examined(tmp_path, FINE)
    assert settings is not None
    assert problems == ()
    jobs = settings.services["jobs"]
    assert (jobs.dialect, str(jobs.url[0]), jobs.rpc_path, jobs.timeout) == (
        "auto",
        "http://127.0.0.1:39002",
        None,
        300,
    )
    assert (settings.identity.local_tokens, settings.identity.anonymous, settings.behind_proxy) == (
        True,
        False,
        False,
    )
    assert (settings.cache.memory, settings.limits.batch, settings.limits.describe) == (
        256 << 20,
        1000,
        64 << 20,
    )


def test_all_problems_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    _, problems = examined(
        tmp_path,
        """listen: 8700
prot: 5
services:
  Jobs: {url: http://h}
  tools:
    ulr: http://h
    methods:
      "get_*": {saef: true, cache: {fresh: soon}}
policies:
  - {to: [everybody], alow: ["*"]}
""",
    )
    found = {(problem.line, problem.path): problem.fix for problem in problems if problem.level == "error"}
    assert found == {
        (1, "listen"): "write 127.0.0.1:8700",
        (2, "prot"): found[(2, "prot")],
        (4, "services.Jobs"): "use small letters, digits and _, beginning with a letter",
        (5, "services.tools.url"): "add `url: …`",
        (6, "services.tools.ulr"): "did you mean `url`?",
        (8, 'services.tools.methods["get_*"].saef'): "did you mean `safe`?",
        (8, 'services.tools.methods["get_*"].cache.fresh'): found[
            (8, 'services.tools.methods["get_*"].cache.fresh')
        ],
        (10, "policies[0].to[0]"): "write subject:S, group:G, scope:S, authenticated or anonymous",
        (10, "policies[0].alow"): "did you mean `allow`?",
    }


def test_a_problem_says_file_line_path_text_and_fix_on_one_line(tmp_path: Path) -> None:
    _, problems = examined(tmp_path, FINE + "cach: {memory: 1GiB}\n")
    assert [str(problem) for problem in problems] == [
        f"{tmp_path}/labgate.yaml:7: cach: no such setting (fix: did you mean `cache`?)"
    ]
    assert (problems[0].line, problems[0].column) == (7, 1)


def test_an_unknown_key_that_another_section_knows_is_sent_there(tmp_path: Path) -> None:
    _, problems = examined(tmp_path, "memory: 1GiB\nfresh: 5s\n")
    errors = levels(problems, "error")
    assert errors["memory"].endswith("it belongs under `cache`")
    assert (
        errors["fresh"].endswith("it belongs under `services.NAME.methods.NAME.cache`")
        or "known here" in errors["fresh"]
    )


@pytest.mark.parametrize(
    "name", ["Jobs", "1jobs", "_jobs", "job-s", "jobs.x", "", "__class__", "rpc", "system", "jöbs"]
)
def test_names_that_no_service_may_have_are_refused(tmp_path: Path, name: str) -> None:
    settings, problems = examined(tmp_path, f"services: {{'{name}': {{url: 'http://h'}}}}\n")
    assert settings is None
    assert len(levels(problems, "error")) == 1


@pytest.mark.parametrize(
    ("rule", "path", "words"),
    [
        ("{safe: true, cache: {stale: 1s}}", ".cache.fresh", "is missing"),
        (
            "{safe: true, cache: {fresh: 1s, share: all}}",
            ".cache.share",
            "'nobody', 'authorized' or 'everyone'",
        ),
        ("{safe: true, cache: {fresh: 1s, share: authorized}}", ".cache.share", "does not say which right"),
        ("{safe: true, cache: {fresh: 1s, authorized: a}}", ".cache.authorized", "nobody is asked for"),
        *(
            (
                f"{{safe: true, cache: {{fresh: 1s, share: authorized, authorized: '{right}'}}}}",
                ".cache.authorized",
                words,
            )
            for right, words in (
                ("view:{other}", "placeholder that is none"),
                ("view:{params.dataset", "placeholder that is none"),
                ("{params.kind}:x", "begins with what a caller says"),
                ("group:", "does not say which group"),
                ("view:a b", "spaces"),
            )
        ),
        ("{safe: true, cache: {fresh: 1s, when: {fresh: 1d}}}", ".cache.when", "it holds always"),
        (
            "{safe: true, cache: {fresh: 1s, when: {params: {a: []}, fresh: 1d}}}",
            ".cache.when[0].params.a",
            "empty list",
        ),
        (
            "{safe: true, cache: {fresh: 1s, when: {params: {a: {b: c}}, fresh: 1d}}}",
            ".cache.when[0].params.a",
            "plain values",
        ),
        ("{safe: true, cache: {fresh: 1s, when: {params: {a: b}}}}", ".cache.when[0].fresh", "is missing"),
        ("{safe: false, cache: {fresh: 1s}}", ".cache", "only safe methods are cached"),
        ("{safe: true, invalidates: [x]}", ".invalidates", "a safe method changes nothing"),
        ("{item: true}", ".item", "under a glob"),
        ("{params: [a]}", ".params", "under a glob"),
        ("{result: picture}", ".result", "'array'"),
        ("[]", "", "expected a mapping, found a list"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused_at_its_key(
    tmp_path: Path, rule: str, path: str, words: str
) -> None:
    _, problems = examined(
        tmp_path, f"services: {{jobs: {{url: 'http://h', methods: {{'get_*': {rule}}}}}}}\n"
    )
    errors = levels(problems, "error")
    assert list(errors) == [f'services.jobs.methods["get_*"]{path}']
    assert words in errors[f'services.jobs.methods["get_*"]{path}']


def test_one_method_alone_is_the_item_of_its_service(tmp_path: Path) -> None:
    text = "services: {jobs: {url: 'http://h', methods: {a: {item: true}, b: {item: true}}}}\n"
    _, problems = examined(tmp_path, text)
    assert levels(problems, "error") == {
        "services.jobs.methods.b.item": "`a` is the service's `item` already | mark one method"
    }


def test_parameters_are_names_or_descriptions(tmp_path: Path) -> None:
    rule = "{params: [a, {name: class, schema: {type: integer, default: 3}, required: true}], result: array}"
    settings, _ = examined(tmp_path, f"services: {{jobs: {{url: 'http://h', methods: {{get: {rule}}}}}}}\n")
    assert settings is not None
    found = settings.services["jobs"].methods["get"]
    assert found.params is not None
    assert [(one.name, one.required, one.json_schema) for one in found.params] == [
        ("a", False, {}),
        ("class", True, {"type": "integer", "default": 3}),
    ]
    assert found.result == "array"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ("{'a b': x}", "no name of a header field"),
        ("{Content-Length: '5'}", "the gate writes this header field itself"),
        ("{transfer-encoding: chunked}", "the gate writes this header field itself"),
        ("{X-A: b, x-a: c}", "the same header field twice"),
        ('{X-A: "b\\r\\nX-B: c"}', "a character that a header field cannot hold"),
        ("{X-A: 5}", "expected text, found a whole number"),
        ("{X-A: ' b'}", "spaces around it"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(tmp_path: Path, headers: str, words: str) -> None:
    _, problems = examined(tmp_path, f"services: {{jobs: {{url: 'http://h', headers: {headers}}}}}\n")
    errors = levels(problems, "error")
    assert len(errors) == 1
    assert words in next(iter(errors.values()))


def test_replicas_are_kept_in_order_and_none_twice(tmp_path: Path) -> None:
    settings, _ = examined(tmp_path, "services: {jobs: {url: ['http://b', 'http://a']}}\n")
    assert settings is not None
    assert [str(url) for url in settings.services["jobs"].url] == ["http://b", "http://a"]
    for urls in ("[]", "['http://a', 'http://a/']", "5", "['http://a', 5]"):
        settings, _ = examined(tmp_path, f"services: {{jobs: {{url: {urls}}}}}\n")
        assert settings is None, urls


@pytest.mark.parametrize("path", ["api", "/a b", "/a?b", "/a#b", "//ü", "5"])
def test_an_rpc_path_is_a_path(tmp_path: Path, path: str) -> None:
    settings, _ = examined(tmp_path, f"services: {{jobs: {{url: 'http://h', rpc_path: '{path}'}}}}\n")
    assert settings is None


@pytest.mark.parametrize(
    "key", ["listen: 0.0.0.0:8700", "operator: {listen: '[::]:8701'}", "listen: gate.lab.org:80"]
)
def test_a_door_to_other_machines_needs_a_proxy_in_front(tmp_path: Path, key: str) -> None:
    settings, problems = examined(tmp_path, key + "\n")
    assert settings is None
    assert [problem.line for problem in problems if problem.level == "error"] == [1]
    assert "behind_proxy: true" in next(iter(levels(problems, "error").values()))
    settings, _ = examined(tmp_path, key + "\nbehind_proxy: true\n")
    assert settings is not None


def test_the_command_line_moves_the_door_under_the_same_law(tmp_path: Path) -> None:
    settings, _ = examined(tmp_path, FINE)
    assert settings is not None
    assert str(settings.listening_on(None, 0).listen) == "127.0.0.1:0"
    assert str(settings.listening_on("::1", None).listen) == "[::1]:8700"
    with pytest.raises(SettingsError, match="behind_proxy: true"):
        settings.listening_on("0.0.0.0", None)
    open_, _ = examined(tmp_path, FINE + "behind_proxy: true\n")
    assert open_ is not None
    assert str(open_.listening_on("0.0.0.0", 1).listen) == "0.0.0.0:1"


@pytest.mark.parametrize(
    ("host", "port", "told"),
    [
        (
            None,
            99999,
            "--port: listen: `127.0.0.1:99999` has no port between 0 and 65535 (fix: write HOST:PORT",
        ),
        (None, -1, "has no port between 0 and 65535"),
        ("", None, "--host: listen: `:8700` has no host"),
        ("http://h", None, "is no address"),
        ("gate lab", None, "is no address"),
        (None, 8701, "the operator's door listens on 127.0.0.1:8701 already (fix: choose another port)"),
        (None, 8702, "`a` listens on 127.0.0.1:8702 already (fix: choose another port)"),
    ],
)
def test_an_address_that_cannot_be_is_refused_on_the_command_line_as_in_the_file(
    tmp_path: Path, host: str | None, port: int | None, told: str
) -> None:
    settings, _ = examined(tmp_path, "services: {a: {url: 'http://h:1', listen: '127.0.0.1:8702'}}\n")
    assert settings is not None
    with pytest.raises(SettingsError) as refused:
        settings.listening_on(host, port)
    assert told in str(refused.value)
    assert str(settings.listening_on("[::1]", 8701).listen) == "[::1]:8701"


def test_callers_and_operators_do_not_share_a_port(tmp_path: Path) -> None:
    _, problems = examined(tmp_path, "listen: 127.0.0.1:8701\n")
    assert list(levels(problems, "error")) == ["operator.listen"]
    settings, _ = examined(tmp_path, "listen: 127.0.0.1:0\noperator: {listen: 127.0.0.1:0}\n")
    assert settings is not None


ISSUER = "identity: {{issuers: [{{issuer: 'https://i/', audience: labgate, {}}}]}}\n"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("issuer: login", "no URL, so it is not known where its keys are"),
        ("issuer: 'http://login.lab.org'", "metadata fetched by plain http can be replaced"),
        ("jwks: 'http://login.lab.org/k'", "plain http can be replaced"),
        ("jwks: nowhere.json", "no file `nowhere.json`"),
        ("jwks: 'ftp://h/k'", "http:// or https://"),
        ("jwks: 'https://h/k', algorithms: [HS256]", "lets whoever can verify a token make one"),
        ("jwks: 'https://h/k', algorithms: [none]", "lets whoever can verify a token make one"),
        ("jwks: 'https://h/k', algorithms: [RS255]", "expected 'RS256'"),
        ("jwks: 'https://h/k', algorithms: []", "an empty list"),
        ("jwks: 'https://h/k', leeway: 1h", "keep expired tokens alive"),
        ("jwks: 'https://h/k', max_lifetime: 0", "must be more than 0"),
        ("jwks: 'https://h/k', device: {}", "is missing"),
        ("jwks: 'https://h/k', device: {client_id: a, scopes: ['a b']}", "is no scope"),
        ("issuer: login, jwks: 'https://h/k', device: {client_id: a}", "not known where people log in"),
        ("issuer: 'http://l.org', jwks: 'https://h/k', device: {client_id: a}", "can be replaced"),
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_refused(tmp_path: Path, keys: str, words: str) -> None:
    text = ISSUER.format(keys)
    if keys.startswith("issuer"):
        text = text.replace("issuer: 'https://i/', ", "")
    _, problems = examined(tmp_path, text)
    errors = levels(problems, "error")
    assert len(errors) == 1, errors
    assert words in next(iter(errors.values()))


def test_an_issuers_keys_come_by_https_from_loopback_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    for jwks in ("https://h/k?app=1", "http://127.0.0.1:1/k", "http://localhost/k", "keys.json"):
        settings, _ = examined(tmp_path, ISSUER.format(f"jwks: '{jwks}'"))
        assert settings is not None, jwks
        found = settings.identity.issuers[0]
        assert found.audience == ("labgate",)
        assert (
            found.jwks == tmp_path / "keys.json"
            if jwks == "keys.json"
            else getattr(found.jwks, "text", "") == jwks
        )


def test_people_log_in_at_an_issuer_as_a_public_client(tmp_path: Path) -> None:
    settings, _ = examined(
        tmp_path, ISSUER.format("jwks: 'https://h/k', device: {client_id: cli, scopes: [openid]}")
    )
    assert settings is not None
    device = settings.identity.issuers[0].device
    assert device is not None
    assert (device.client_id, device.scopes, device.audience, device.resource) == (
        "cli",
        ("openid",),
        None,
        True,
    )


def test_where_people_log_in_behind_a_proxy_it_has_to_be_known_by_which_address(tmp_path: Path) -> None:
    text = "behind_proxy: true\n" + ISSUER.format("jwks: 'https://h/k', device: {client_id: cli}")
    _, problems = examined(tmp_path, text)
    assert "not for the proxy's" in levels(problems, "warning")["identity.issuers[0].device"]
    for more in ("public_url: https://gate.lab.org\n", "trusted_proxies: [127.0.0.1]\n"):
        _, problems = examined(tmp_path, text + more)
        assert "identity.issuers[0].device" not in levels(problems, "warning")


def test_each_issuer_stands_once(tmp_path: Path) -> None:
    entry = "{issuer: 'https://i/', audience: a, jwks: 'https://i/k'}"
    _, problems = examined(tmp_path, f"identity: {{issuers: [{entry}, {entry}]}}\n")
    assert list(levels(problems, "error")) == ["identity.issuers[1].issuer"]


@pytest.mark.parametrize("to", ["groups:a", "group:", "group", "authenticated:x", "*", "", "5"])
def test_a_policy_names_kinds_of_principals_that_exist(tmp_path: Path, to: str) -> None:
    settings, _ = examined(tmp_path, f"policies: [{{to: ['{to}'], allow: ['*']}}]\n")
    assert settings is None


@pytest.mark.parametrize("allow", ["get /files/**", " jobs.*", "", "a/b/c", "jobs.*\\n"])
def test_a_policy_allows_methods_or_paths_and_nothing_else(tmp_path: Path, allow: str) -> None:
    settings, _ = examined(tmp_path, f'policies: [{{to: [authenticated], allow: ["{allow}"]}}]\n')
    assert settings is None


def test_a_policy_that_allows_nothing_is_refused_but_operators_need_no_methods(tmp_path: Path) -> None:
    assert examined(tmp_path, "policies: [{to: [authenticated]}]\n")[0] is None
    settings, _ = examined(tmp_path, "policies: [{to: 'group:ops', operate: true}]\n")
    assert settings is not None
    assert (settings.policies[0].to, settings.policies[0].operate) == (("group:ops",), True)


def test_a_local_service_may_not_take_a_global_ones_name(tmp_path: Path) -> None:
    text = (
        FINE
        + "datastacks: {minnie65_public: {services: {jobs: {url: 'http://h'}, roots: {url: 'http://h'}}}}\n"
    )
    _, problems = examined(tmp_path, text)
    assert list(levels(problems, "error")) == ["datastacks.minnie65_public.services.jobs"]
    assert examined(tmp_path, "datastacks: {'a/b': {}}\n")[0] is None


def test_an_empty_value_is_the_default_and_an_unknown_key_stays_unknown(tmp_path: Path) -> None:
    settings, _ = examined(tmp_path, "services:\npolicies:\nlimits: {batch: }\ncache:\n")
    assert settings is not None
    assert (settings.limits.batch, settings.policies) == (1000, ())
    assert examined(tmp_path, "servcies:\n")[0] is None


WARNINGS = {
    "policies: []\n": ("policies", "nobody may call anything"),
    "policies: [{to: [anonymous], allow: ['*']}]\n": ("policies[0].to", "refused before policies"),
    "identity: {local_tokens: false}\n": ("identity", "every call is refused"),
    "services: {}\n": ("services", "nothing to call"),
    "identity: {anonymous: true}\nmcp: {origins: '*'}\n": ("mcp.origins", "any page in a browser"),
    "behind_proxy: true\nlisten: 0.0.0.0:1\n": ("hosts", "any Host name"),
    "services: {jobs: {url: 'http://h', methods: {jobs.get: {safe: true}}}}\n": (
        'services.jobs.methods["jobs.get"]',
        "without the service's",
    ),
    "services: {jobs: {url: 'http://h', methods: {a: {safe: true, cache: {fresh: 1, tags: [jobs]}}, b: {invalidates: jbos}}}}\n": (
        "services.jobs.methods.b.invalidates",
        "did you mean `jobs`",
    ),
    "services: {jobs: {url: 'http://h'}}\npolicies: [{to: [authenticated], allow: [job.get]}]\n": (
        "policies[0].allow",
        "did you mean `jobs`",
    ),
}


@pytest.mark.parametrize("text", WARNINGS)
def test_what_is_allowed_but_hardly_meant_is_a_warning(tmp_path: Path, text: str) -> None:
    settings, problems = examined(tmp_path, text)
    path, words = WARNINGS[text]
    assert settings is not None
    assert words in levels(problems, "warning")[path]


def test_warnings_are_told_together_with_errors(tmp_path: Path) -> None:
    file = tmp_path / "labgate.yaml"
    file.write_text("policies: []\nprot: 1\n")
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert {problem.level for problem in caught.value.problems} == {"error", "warning"}
    assert "prot" in str(caught.value)


def test_settings_cannot_be_changed_once_read(tmp_path: Path) -> None:
    settings, _ = examined(tmp_path, FINE)
    assert settings is not None
    with pytest.raises(ValueError, match="frozen"):
        settings.cache.memory = 1  # type: ignore[misc]


VOUCHING = "identity: {{introspection: [{{url: 'https://login.lab.org/introspect', {}}}]}}\n"


@pytest.mark.parametrize(
    ("said", "path", "words"),
    [
        ("kind: oidc", "kind", "expected"),
        ("kind: rfc7662", "client_id", "is needed"),
        ("kind: rfc7662, client_id: a", "client_secret", "is needed"),
        ("kind: rfc7662, client_id: a, client_secret: b, stand_in: true", "stand_in", "only for middle_auth"),
        ("kind: rfc7662, client_id: a, client_secret: b, auth: digest", "auth", "expected"),
        ("kind: rfc7662, client_id: a, client_secret: b, negative: 1m", "negative", "just made"),
        (
            "kind: rfc7662, client_id: a, client_secret: b, url: 'http://login.lab.org/i'",
            "url",
            "in the clear",
        ),
        ("kind: middle_auth, client_id: a", "client_id", "takes none"),
        ("kind: middle_auth, audience: a", "audience", "takes none"),
    ],
)
def test_who_vouches_is_asked_as_its_kind_wants_it(tmp_path: Path, said: str, path: str, words: str) -> None:
    text = VOUCHING.format(said)
    if "url:" in said:
        text = text.replace("url: 'https://login.lab.org/introspect', ", "")
    errors = levels(examined(tmp_path, text)[1], "error")
    assert list(errors) == [f"identity.introspection[0].{path}"]
    assert words in errors[f"identity.introspection[0].{path}"]


@pytest.mark.parametrize("path", ["", "/introspect", "/o/introspect/", "/introspect?realm=lab"])
def test_an_endpoint_is_asked_as_it_is_written(tmp_path: Path, path: str) -> None:
    said = f"kind: rfc7662, client_id: a, client_secret: b, url: 'https://login.lab.org{path}'"
    settings, _ = examined(
        tmp_path, VOUCHING.format(said).replace("url: 'https://login.lab.org/introspect', ", "")
    )
    assert settings is not None
    assert settings.identity.introspection[0].url.text == f"https://login.lab.org{path}"


CLIENT = "url: 'https://login.lab.org/token', client_id: a, client_secret: b"
INTRODUCED = "services: {{x: {{dialect: listed, url: 'http://127.0.0.1:1', {}}}}}\n"


@pytest.mark.parametrize(
    ("said", "path", "words"),
    [
        ("identity: me", "identity", "expected"),
        ("identity: {header: Content-Length}", "identity.header", "a meaning of its own"),
        ("identity: {header: Via}", "identity.header", "a meaning of its own"),
        ("identity: {header: X_Who}", "identity.header", "no name of a header field"),
        ("identity: {audience: labgate}", "identity.audience", "the gate's own tokens"),
        ("identity: {claims: [sub]}", "identity.claims[0]", "expected"),
        ("identity: true, headers: {labgate-identity: x}", "identity.header", "sends this field already"),
        ("identity: true, underscores: true", "underscores", "another spelling"),
        (
            f"identity: {{header: Authorization}}, exchange: {{{CLIENT}, issuers: labgate}}",
            "identity.header",
            "sent a token",
        ),
        (
            "identity: true, methods: {a: {cache: {fresh: 1s, share: everyone}}}",
            "methods.a.cache.share",
            "sees who asks",
        ),
        (
            f"exchange: {{{CLIENT}, issuers: labgate}}, methods: {{a: {{cache: {{fresh: 1s, share: everyone}}}}}}",
            "methods.a.cache.share",
            "sees who asks",
        ),
        (f"exchange: {{{CLIENT}}}", "exchange.issuers", "is missing"),
        (
            f"exchange: {{{CLIENT}, issuers: [labgate, 'https://no/']}}",
            "exchange.issuers[1]",
            "nobody whose tokens",
        ),
        (f"exchange: {{{CLIENT}, issuers: labgate}}, bearer: linked", "exchange", "two tokens"),
        (
            "exchange: {url: 'http://login.lab.org/token', client_id: a, client_secret: b, issuers: labgate}",
            "exchange.url",
            "in the clear",
        ),
        (f"client_credentials: {{{CLIENT}}}, token: x", "client_credentials", "keep one"),
        ("client_credentials: {client_id: a, client_secret: b}", "client_credentials.url", "is missing"),
        ("bearer: gate", "bearer", "no token of the gate's"),
    ],
)
def test_how_a_service_is_told_who_asks_contradicts_nothing(
    tmp_path: Path, said: str, path: str, words: str
) -> None:
    errors = levels(examined(tmp_path, INTRODUCED.format(said))[1], "error")
    assert list(errors) == [f"services.x.{path}"]
    assert words in errors[f"services.x.{path}"]


@pytest.mark.parametrize("said", ["true", "false", "{}", "{claims: groups}", "{header: Authorization}"])
def test_a_service_may_be_told_who_asks_in_a_field_as_it_is_or_another(tmp_path: Path, said: str) -> None:
    settings, problems = examined(tmp_path, INTRODUCED.format(f"identity: {said}"))
    assert settings is not None, problems
    assert (settings.services["x"].identity is None) == (said == "false")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (
            "identity: {introspection: [{kind: rfc7662, url: 'https://i/i', client_id: a, client_secret: b}]}",
            "identity.introspection[0]",
        ),
        ("cache: {redis: {url: 'redis://r'}}", "cache.redis"),
        (
            "cache: {redis: {url: 'redis://r'}}\nidentity: {local_tokens: false}\nservices: {x: {url: 'http://127.0.0.1:1', identity: true}}",
            "cache.redis",
        ),
    ],
)
def test_what_lets_in_anybody_or_is_known_to_one_replica_alone_is_warned_of(
    tmp_path: Path, text: str, path: str
) -> None:
    settings, problems = examined(tmp_path, text + "\n")
    assert settings is not None
    assert path in levels(problems, "warning")
    fine = text.replace("client_secret: b", "client_secret: b, audience: a").replace(
        "identity: {local", "identity: {signing_keys: 'PRIVATE KEY-----', local"
    )
    if fine == text:
        fine = f"{text}\nidentity: {{signing_keys: 'PRIVATE KEY-----'}}"
    assert path not in levels(examined(tmp_path, fine + "\n")[1], "warning")


def test_a_proxy_that_is_not_named_is_not_counted_as_one_caller(tmp_path: Path) -> None:
    text = FINE + "behind_proxy: true\nlimits: {connections_per_address: 100}\n"
    settings, problems = examined(tmp_path, text)
    assert settings is None
    (told,) = levels(problems, "error").items()
    assert told[0] == "limits.connections_per_address"
    assert "trusted_proxies: [10.0.0.5]" in told[1]
    named, _ = examined(tmp_path, text + "trusted_proxies: [10.0.0.5]\n")
    assert named is not None
    assert named.limits.connections_per_address == 100


@pytest.mark.parametrize("keys", ["expose: []", "expose: [], hide: [a.b]", "enabled: true, expose: []"])
def test_no_empty_list_makes_everything_a_tool(tmp_path: Path, keys: str) -> None:
    settings, problems = examined(tmp_path, f"mcp: {{{keys}}}")
    assert settings is None
    errors = levels(problems, "error")
    assert list(errors) == ["mcp.expose"]
    assert "everything that is safe is a tool" in errors["mcp.expose"]
