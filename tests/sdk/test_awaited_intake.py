"""Do async clients read the catalogs of a real Intake server through a real gate?"""

from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one

globals().update(
    laws_of(
        "test_sdk_intake",
        # They reach entries as attributes, for which an async client would have to ask.
        "test_nested_catalogs_list_and_give_their_entries",
        "test_the_parameters_of_a_catalog_reach_what_is_in_it",
    )
)
