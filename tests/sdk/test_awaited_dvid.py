"""Do async clients read and write the volumes of a real DVID's kind through a real gate, over TLS too?"""

from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one

globals().update(
    laws_of(
        "test_sdk_dvid",
        # They show the picture of a volume, and write by an assignment: neither can be awaited.
        "test_a_volume_is_read_like_an_array_and_its_second_reading_asks_nobody",
        "test_an_open_version_is_written_to_and_a_locked_one_is_not",
    )
)
