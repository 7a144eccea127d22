"""The same for async clients: read by type checkers, never run."""

from typing import assert_type

import labgate


async def main() -> None:
    async with labgate.aconnect() as lab:
        assert_type(lab, labgate.AsyncClient)
        image = await lab.files.get_image("I1")
        assert_type(image["title"], str)
        volume = await lab.dvid.volume("prod", "grayscale")
        print(volume.shape, (await lab.data["frames"]).shape)
        await lab.files.get_image(1)  # wrong
        lab.files.get_image("I1")["title"]  # wrong
        await lab.files.get_img("x")  # wrong
        stack = await lab(datastack="minnie_demo")
        print(await stack.chunkedgraph.get_root_id(72057594037927937))
        await stack.chunkedgraph.get_root_id("x")  # wrong
        quick = lab(timeout=5)
        assert_type(await quick.files.get_thumbnail("I1"), bytes)
        print(await labgate.refresh(lab), len(labgate.methods(lab)))
        async with labgate.batch(lab) as batch:
            one = batch.info.get_datastacks()
        print(one.result())
    other = await labgate.aconnect(datastack="minnie_demo")
    print(await other.chunkedgraph.get_root_id(72057594037927937))
    print(await labgate.gather(other.info.get_datastacks(), limit=2))
    await labgate.aclose(other)
