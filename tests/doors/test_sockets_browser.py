"""A real browser's WebSocket at /rpc: from a page of the operator's door, and from one that is nobody's."""

import pytest
from aiohttp import web
from console_lab import console_lab

pytestmark = pytest.mark.timeout(120)

PLAIN = """
(async () => {
  const line = new WebSocket(%r, %s);
  return await new Promise((go) => {
    line.onerror = () => go("refused");
    line.onopen = () => line.send('{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}');
    line.onmessage = (event) => go(JSON.parse(event.data).result.methods.length);
  });
})()
"""
SHOWN = """["labgate.json", "labgate.bearer." + btoa(%r).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")]"""


@pytest.fixture
async def elsewhere():
    """A page of another origin."""

    async def answer(_):
        return web.Response(text="<p>nobody's page</p>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/page", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/page"
    await runner.cleanup()


async def test_a_page_opens_a_websocket_with_its_token_and_none_without(tmp_path, chromium_lab, elsewhere):
    async with console_lab(tmp_path, "") as lab, chromium_lab.chromium(tmp_path / "browser") as browser:
        page = await browser.page()
        shown = SHOWN % lab.token("ada", "lab")
        public = "ws://{}:{}/rpc".format(*lab.gate.address)
        own = lab.address.replace("http", "ws") + "/rpc"
        await page.goto(lab.address)
        assert await page.get(PLAIN % (own, shown)) > 0
        assert await page.get(PLAIN % (own, '["labgate.json"]')) == "refused"
        await page.goto(elsewhere)
        await page.until(f"location.href === {elsewhere!r} && document.readyState === 'complete'")
        assert await page.get(PLAIN % (public, shown)) > 0
        assert await page.get(PLAIN % (public, '["labgate.json"]')) == "refused"
        assert await page.get(PLAIN % (own, shown)) == "refused"
        await page.close()
