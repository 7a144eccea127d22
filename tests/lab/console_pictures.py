"""Makes the pictures of docs/console: python tests/lab/console_pictures.py. They show the demo, as it is after a minute of use."""

import asyncio
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import aiohttp

HERE = Path(__file__).parent
TO = HERE.parent.parent / "docs" / "console"
LOOKS = 12
"""How many times the page has looked at the traffic before its picture is taken."""


def _chromium() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chromium_lab", HERE / "chromium.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _use(address: str, token: str, rounds: int) -> None:
    """Call as people do, so that there is something to see."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        for at in range(rounds):
            for method, said in (
                ("files.get_image", {"uid": f"I{at % 4 + 1}"}),
                ("jobs.list_projects", {}),
                ("jobs.get_scheduler_status", {}),
                (
                    "dvid.read",
                    {
                        "node": "prod",
                        "instance": "grayscale",
                        "start": [at % 60, 0, 0],
                        "stop": [at % 60 + 1, 128, 128],
                    },
                ),
            ):
                async with session.post(f"{address}/rpc/{method}", json=said) as answer:
                    await answer.read()


async def _take(operator: str, address: str, token: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with _chromium().chromium(Path(folder)) as browser:

            async def opened(place: str, **how: object):
                page = await browser.page(**how)
                await page.goto(f"{operator}/#token={token}")
                await page.until("document.querySelectorAll('nav a').length > 0")
                await page.get(f"location.hash = {place!r}")
                return page

            page = await opened("#/methods/files.list_images", height=900)
            await page.click("Call")
            await page.has("microscope", ".result table")
            await page.picture(TO / "methods.png")

            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
                async with session.post(f"{address}/rpc/dvid.node", json={"node": "prod"}) as answer:
                    node = await answer.json()
            place = f"#/contents/repositories/dvid/{node['repo']}"
            page = await opened(f"{place}/{node['uuid']}/segmentation", dark=True, height=900)
            await page.until("document.querySelector('.slices')?.dataset.ready === 'true'")
            await page.click("+", ".slices button")
            await page.until("document.querySelector('.slices output').innerText.includes('scale 0')")
            await page.until("document.querySelector('.slices').dataset.ready === 'true'")
            await page.picture(TO / "volume.png")

            page = await opened("#/traffic", height=900)
            looks = f"performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/-/traffic')).length >= {LOOKS}"
            while not await page.get(looks):
                await _use(address, token, 5)
            await page.picture(TO / "traffic.png")

            page = await opened("#/latency", height=680)
            await page.until("document.querySelectorAll('main tbody tr').length > 3")
            await page.picture(TO / "latency.png")

            page = await opened(place, width=420, height=860)
            await page.until("document.querySelectorAll('.dag-row').length > 0")
            await page.get("document.querySelector('.detail').scrollIntoView()")
            await page.picture(TO / "narrow.png")


def main() -> None:
    """Start the demo, take the pictures, end it."""
    TO.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "gateway.cli", "demo", "--port", "0", "--operator-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        said = {}
        assert demo.stdout is not None
        for line in demo.stdout:
            words = line.split()
            if len(words) > 1:
                said[words[0]] = words[1]
            if "ends it" in line:
                break
        try:
            asyncio.run(_take(said["operator"], said["address"], said["token"]))
        finally:
            demo.terminate()
            demo.stdout.read()


if __name__ == "__main__":
    main()
