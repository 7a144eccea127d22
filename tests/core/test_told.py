"""Laws of what workers tell each other of a service: it arrives as it was, so that all advertise the same."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.catalog import build
from gateway.core.listing import Offer
from gateway.core.method import HttpBinding, Param, Place, RpcBinding
from gateway.core.policy import Policies, Policy
from gateway.core.principal import Principal
from gateway.core.service import Described, Description, Service
from gateway.core.told import Told, offer_of, read, told, written

SERVICE = Service("files", "auto", ("http://127.0.0.1:1",))

TEXTS = st.text(st.characters(), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
SCHEMAS = st.dictionaries(TEXTS, VALUES, max_size=3)
PARAMS = st.builds(Param, name=TEXTS, required=st.booleans(), schema=SCHEMAS, description=TEXTS)
BINDINGS = (
    st.none()
    | st.builds(RpcBinding, TEXTS)
    | st.builds(
        HttpBinding,
        verb=st.sampled_from(["GET", "POST"]),
        path=TEXTS,
        places=st.tuples(
            st.builds(Place, TEXTS, st.sampled_from(["path", "query"]), TEXTS, st.just("comma"))
        ),
    )
)
METHODS = st.builds(
    Described,
    name=st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True),
    params=st.none() | st.lists(PARAMS, max_size=2).map(tuple),
    result=st.none() | SCHEMAS,
    summary=TEXTS,
    deprecated=st.booleans(),
    safe=st.booleans(),
    binding=BINDINGS,
    facts=SCHEMAS,
)
DESCRIPTIONS = st.builds(
    Description,
    methods=st.lists(METHODS, max_size=3).map(tuple),
    convention=TEXTS,
    address=TEXTS,
    version=TEXTS,
    rpc_path=st.none() | st.just("/rpc"),
    schemas=st.dictionaries(st.just("S"), SCHEMAS),
    left_out=st.integers(0, 9),
)


@given(DESCRIPTIONS)
def test_a_description_arrives_as_it_was_whatever_its_schemas_hold(description):
    # A NaN is equal to nothing, but is written as it is.
    assert repr(read(written(description))) == repr(description)
    assert written(description).isascii()


def test_the_catalogs_of_the_one_who_asked_and_of_the_one_who_heard_are_the_same():
    schema = {"maximum": 2**80, "minimum": float("-inf"), "z": 1, "a": {"enum": ("x", "y")}}
    description = Description(
        methods=(
            Described(
                "tile", (Param("x", True, schema),), binding=HttpBinding("GET", "/tiles/{x}"), safe=True
            ),
            Described("stop", None, facts={"result": "array"}),
        ),
        convention="openapi",
        address="/v2",
    )
    offer = Offer(SERVICE, description, dialect="openapi")
    heard = told(offer, None, written(description), same=False)
    heard = Told(**json.loads(json.dumps({name: getattr(heard, name) for name in heard.__struct_fields__})))
    access = Policies([Policy(("authenticated",), ("*",), False)]).access(Principal("ada", "here"))
    views = [build([one]).view(access) for one in (offer, offer_of(heard, SERVICE, read(heard.description)))]
    assert views[0].names == ("files.stop", "files.tile")
    assert views[0].version == views[1].version


def test_what_is_told_again_without_its_description_keeps_it():
    first = Told("files", "openapi", False, None, None, "text")
    later = Told("files", "openapi", True, "away", "away", None, same=True)
    assert later.after(first) == Told("files", "openapi", True, "away", "away", "text")
    assert later.after(None) is later
    assert first.after(later) is first
