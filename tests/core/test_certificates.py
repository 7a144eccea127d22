"""Laws of whom a certificate names, that was verified already."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.certificates import PeerCertificate, naming, principal_of

ALL = naming(("uri", "email", "dns", "cn"), {}, {})


def shown(*names: tuple[str, str]) -> PeerCertificate:
    return PeerCertificate("f", names, 1000.0)


def test_the_first_kind_that_the_rules_name_is_the_subject_whatever_the_certificates_order() -> None:
    certificate = shown(("CN", "ada"), ("email", "ada@lab.org"), ("uri", "spiffe://lab/ada"))
    for kinds, subject in (
        (("uri", "cn"), "spiffe://lab/ada"),
        (("cn", "uri"), "ada"),
        (("dns", "email"), "ada@lab.org"),
    ):
        found = principal_of(certificate, naming(kinds, {}, {}))
        assert found is not None
        assert (found.subject, found.issuer, found.expires) == (subject, "certificate", 1000.0)


def test_of_several_names_of_one_kind_none_is_the_subject() -> None:
    found = principal_of(shown(("email", "a@l"), ("email", "b@l"), ("CN", "ada")), ALL)
    assert found is not None
    assert found.subject == "ada"
    assert principal_of(shown(("CN", "a"), ("CN", "b")), ALL) is None


def test_names_that_no_log_could_show_are_nobodys() -> None:
    for name in ("", "a\nb", "a\x00admin", "x" * 513):
        assert principal_of(shown(("CN", name)), ALL) is None


def test_groups_and_scopes_come_by_whole_names_alone() -> None:
    rules = naming(
        ("cn",), {"OU=Imaging": ("imaging", "all"), "dns=*.c.org": ("machines", "all")}, {"O=L*b": ("read",)}
    )
    cases = {
        (("OU", "Imaging"),): ("imaging", "all"),
        (("OU", "Imaging 2"),): (),
        (("O", "Imaging"),): (),
        (("CN", "OU=Imaging"),): (),
        (("dns", "n1.c.org"),): ("machines", "all"),
        (("dns", "c.org"), ("OU", "Imaging")): ("imaging", "all"),
        (("dns", "n1.cxorg"),): (),
    }
    for names, groups in cases.items():
        found = principal_of(shown(*names) if names[0][0] == "CN" else shown(("CN", "a"), *names), rules)
        assert found is not None
        assert (found.groups, found.scopes) == (groups, ())
    found = principal_of(shown(("CN", "a"), ("O", "Lab")), rules)
    assert found is not None
    assert found.scopes == ("read",)


@given(st.text(min_size=1), st.text())
def test_a_value_without_a_star_fits_itself_alone(value: str, other: str) -> None:
    value = value.replace("*", "")
    found = principal_of(shown(("CN", "a"), ("OU", other)), naming(("cn",), {f"OU={value}": ("g",)}, {}))
    assert found is not None
    assert (found.groups == ("g",)) == (other == value)
