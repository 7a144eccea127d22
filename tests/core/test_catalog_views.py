"""What does each caller see of the catalog?"""

from typing import Any

import orjson
import pytest

from gateway.core.catalog import VIEWS, Catalog, build
from gateway.core.faults import UnknownDatastack
from gateway.core.listing import Offer
from gateway.core.policy import Access, Policies, Policy
from gateway.core.principal import Principal
from gateway.core.service import Described, Description, Rule, Service


def offer(name: str, *methods: str, datastack: str | None = None, **more: Any) -> Offer:
    one = Service(name, "jsonrpc", ("http://127.0.0.1:1",), datastack=datastack)
    description = Description(tuple(Described(method) for method in methods), "rpc.discover", "/")
    return Offer(one, description if methods else None, **more)


def access(*allow: str) -> Access:
    return Policies([Policy(("authenticated",), allow)]).access(Principal("someone", "here"))


EVERYTHING = access("*")


def lab() -> Catalog:
    return build(
        [
            offer("jobs", "kill", "get"),
            offer("jobs_old", "get"),
            offer("info", "get", "set"),
            offer("chunks", "roots", datastack="fly"),
            offer("chunks", "roots", datastack="minnie"),
            offer("info", "get", datastack="fly"),
            offer("silent", down=True, why="gone"),
        ],
        release="1.2",
    )


def about(catalog: Catalog, access: Access, datastack: str | None = None) -> Any:
    return orjson.loads(catalog.view(access, datastack).openrpc())["x-labgate"]


def test_methods_are_sorted_by_their_whole_names() -> None:
    names = lab().view(EVERYTHING, "fly").names
    assert list(names) == sorted(names)
    assert names == ("chunks.roots", "info.get", "jobs.get", "jobs.kill", "jobs_old.get")
    assert [method.name for method in lab().view(EVERYTHING).methods] == list(lab().view(EVERYTHING).names)


def test_what_may_not_be_called_is_absent_everywhere() -> None:
    view = lab().view(access("jobs.get"))
    assert view.names == ("jobs.get",)
    assert view.get("jobs.kill") is None
    assert view.similar("jobs.kil") == []
    text = view.openrpc()
    for hidden in (b"kill", b"info.get", b"chunks", b"fly", b"minnie", b"silent", b"jobs_old"):
        assert hidden not in text


def test_without_a_datastack_there_are_global_methods_only_and_the_local_namespaces_are_named() -> None:
    said = about(lab(), EVERYTHING)
    assert lab().view(EVERYTHING).names == ("info.get", "info.set", "jobs.get", "jobs.kill", "jobs_old.get")
    assert said["datastacks"] == ["fly", "minnie"]
    assert said["local"] == {"chunks": ["fly", "minnie"]}
    assert "datastack" not in said


def test_with_a_datastack_its_services_join_and_stand_in_front() -> None:
    view = lab().view(EVERYTHING, "fly")
    assert [method.service for method in view.methods][:2] == ["fly/chunks", "fly/info"]
    assert "info.set" not in view.names
    assert about(lab(), EVERYTHING, "fly")["datastack"] == "fly"
    with pytest.raises(UnknownDatastack):
        lab().view(EVERYTHING, "mini")


def test_a_policy_for_a_local_service_does_not_open_the_global_one_nor_the_other_way_round() -> None:
    assert lab().view(access("fly/info.*"), "fly").names == ("info.get",)
    assert lab().view(access("fly/info.*")).names == ()
    assert lab().view(access("info.*"), "fly").names == ()
    assert about(lab(), access("fly/chunks.*"))["local"] == {"chunks": ["fly"]}


def test_a_namespace_without_methods_is_shown_to_those_who_may_call_all_of_it() -> None:
    assert about(lab(), EVERYTHING)["namespaces"]["silent"] == {"dialect": "jsonrpc", "down": True}
    assert "silent" in about(lab(), access("silent.*"))["namespaces"]
    assert "silent" not in about(lab(), access("silent.get"))["namespaces"]


def test_the_version_names_the_list_and_nothing_else() -> None:
    made = lab()
    jobs = build([offer("jobs", "kill", "get")], release="1.2").view(EVERYTHING)
    assert (
        made.view(access("jobs.*")).version == made.view(access("jobs.k*", "jobs.g*")).version == jobs.version
    )
    versions = {
        made.view(EVERYTHING).version,
        made.view(EVERYTHING, "fly").version,
        made.view(EVERYTHING, "minnie").version,
        made.view(access("jobs.*")).version,
        build([offer("jobs", "kill", "get")], release="1.3").view(EVERYTHING).version,
    }
    assert len(versions) == 5
    assert all(len(version) >= 16 and version.isalnum() for version in versions)


def test_a_change_that_a_caller_cannot_see_leaves_their_version_alone() -> None:
    few = access("jobs.get")
    more = build([offer("jobs", "kill", "get", "new"), offer("files", "get")], release="1.2")
    less = build([offer("jobs", "get")], release="1.2")
    assert more.view(few).version == less.view(few).version
    assert more.view(EVERYTHING).version != less.view(EVERYTHING).version


def test_a_view_is_made_once_for_all_callers_of_the_same_policies() -> None:
    made = lab()
    policies = Policies([Policy(("authenticated",), ("jobs.*",))])
    one, other = (made.view(policies.access(Principal(name, "here"))) for name in ("a", "b"))
    assert one is other


def test_a_view_made_under_former_policies_does_not_serve_new_ones() -> None:
    made = lab()
    former, present = access("*"), access("info.get")
    assert former.key == present.key
    assert made.view(former).names != made.view(present).names == ("info.get",)


def test_a_method_says_which_scopes_it_needs_to_those_alone_whose_policies_speak_of_them() -> None:
    safe = {"get": Rule(safe=True)}
    service = Service("jobs", "jsonrpc", ("http://127.0.0.1:1",), rules=safe)
    # Of one `x-labgate` says nothing else.
    described = Description((Described("get"), Described("kill", ())), "rpc.discover", "/")
    made = build([Offer(service, described)])
    policies = Policies(
        [
            Policy(("scope:jobs",), ("jobs.*",)),
            Policy(("scope:read", "group:people"), ("jobs.get",)),
            Policy(("group:admins",), ("*",)),
        ]
    )

    def told(kind: str, *scopes: str, groups: tuple[str, ...] = ()) -> dict[str, Any]:
        view = made.view(policies.access(Principal("ada", "here", groups=groups, scopes=scopes)))
        text = view.openrpc() if kind == "openrpc" else view.openapi("/")
        read = orjson.loads(text)
        found = (
            {one["name"]: one for one in read["methods"]}
            if kind == "openrpc"
            else {one["operationId"]: one for item in read["paths"].values() for one in item.values()}
        )
        return {name: one.get("x-labgate", {}) for name, one in found.items()}

    for kind in ("openrpc", "openapi"):
        bare = told(kind, groups=("admins",))
        assert "scopes" not in bare["jobs.get"]
        assert bare["jobs.kill"] == {}
        both = told(kind, "jobs", "read")
        assert both["jobs.get"] == {**bare["jobs.get"], "scopes": ["jobs", "read"]}
        assert both["jobs.kill"] == {"scopes": ["jobs"]}
        assert told(kind, groups=("people",)) == {"jobs.get": {**bare["jobs.get"], "scopes": ["read"]}}
        assert told(kind, "jobs", groups=("admins",)) == bare


def test_the_version_is_another_where_other_scopes_are_needed() -> None:
    made = lab()
    views = [
        made.view(
            Policies([Policy((f"scope:{one}",), ("*",))]).access(Principal("ada", "here", scopes=("a", "b")))
        )
        for one in "ab"
    ]
    assert len({view.version for view in (*views, made.view(EVERYTHING))}) == 3


def test_many_views_do_not_pile_up() -> None:
    made = lab()
    for number in range(VIEWS + 20):
        assert made.view(Access([Policy(("authenticated",), ("*",))], (number,))).names
    assert len(made._views) <= VIEWS


def test_ten_thousand_methods_are_listed_whole() -> None:
    names = [f"get_{number}" for number in range(10_000)]
    made = build([offer("jobs", *names)])
    view = made.view(EVERYTHING)
    document = orjson.loads(view.openrpc())
    assert [method["name"] for method in document["methods"]] == sorted(f"jobs.{name}" for name in names)
    assert document["x-labgate"]["catalog"] == view.version
    assert made.view(EVERYTHING) is view
    assert made.view(access("jobs.get_99*")).names == tuple(
        sorted(f"jobs.{n}" for n in names if n.startswith("get_99"))
    )


def test_an_empty_catalog_is_a_list_too() -> None:
    document = orjson.loads(Catalog().view(EVERYTHING).openrpc())
    assert document["methods"] == []
    assert document["x-labgate"]["namespaces"] == {}
