"""Keys that stand in a file."""

import json

import pytest

from gateway.core.faults import Unauthenticated
from gateway.identity.errors import IdentityError
from gateway.identity.identities import Trusted

NOW = 1_800_000_000.0


async def test_a_changed_file_is_read_again_and_a_withdrawn_key_is_a_change(opening, keys_file, world, jwk):
    async with opening(Trusted(world.issuer, keys_file)) as identities:
        await identities.identify(world.token(), NOW)
        keys_file.write_text(json.dumps({"keys": [jwk(world.ec, "ec"), jwk(world.ed, "ed")]}))
        assert identities.known(world.token(), NOW) is not None
        assert (await identities.identify(world.token(key="ec"), NOW)).subject == "ada"
        assert identities.changed(NOW)
        assert identities.known(world.token(), NOW) is None
        with pytest.raises(Unauthenticated, match="unknown key"):
            await identities.identify(world.token(), NOW)
        keys_file.write_text(json.dumps(world.jwks()))
        assert (await identities.identify(world.token(), NOW)).subject == "ada"
        assert not identities.changed(NOW)


@pytest.mark.parametrize("damage", ["broken", "gone", "large"])
async def test_a_file_that_is_broken_or_gone_leaves_the_last_good_keys(opening, keys_file, world, damage):
    async with opening(Trusted(world.issuer, keys_file)) as identities:
        if damage == "gone":
            keys_file.unlink()
        else:
            keys_file.write_text("{" if damage == "broken" else " " * 300_000)
        assert (await identities.identify(world.token(), NOW)).subject == "ada"
        assert not identities.changed(NOW)


@pytest.mark.parametrize("content", [None, "{", '{"keys": 1}'])
async def test_a_file_without_keys_is_told_at_the_start(opening, tmp_path, world, content):
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(IdentityError, match=r"the keys of https://issuer\.test/ cannot be read from"):
        async with opening(Trusted(world.issuer, path)):
            pass
