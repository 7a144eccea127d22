"""A real browser for tests: Debian's Chromium without a screen, driven over the DevTools protocol."""

import asyncio
import base64
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

PATIENCE = 45.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""
_LOOK = 0.03
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def program() -> str:
    """The browser. Raises AssertionError where there is none: a test that needs it has not passed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "the console's tests need a browser: ./dev test installs it; or `apt-get install chromium`"
    return found


class PageError(AssertionError):
    """A script in the page has failed."""


class Browser:
    """One browser; its pages share nothing but its process."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._pages: dict[str, Page] = {}

    async def read(self) -> None:
        """Hand out what the browser says, until it says no more."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                future = self._waiting.pop(said["id"], None)
                if future is None or future.done():
                    continue
                if "error" in said:
                    future.set_exception(PageError(said["error"]["message"]))
                else:
                    future.set_result(said["result"])
            elif page := self._pages.get(said.get("sessionId", "")):
                page.heard(said["method"], said["params"])

    async def ask(self, method: str, session: str | None = None, **params: Any) -> Any:
        """One command, and what it gives."""
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        said = {"id": number, "method": method, "params": params}
        await self._socket.send_json(said if session is None else said | {"sessionId": session})
        async with asyncio.timeout(PATIENCE):
            return await future

    async def page(self, *, width: int = 1280, height: int = 860, dark: bool = False) -> "Page":
        """A page of its own context: no cookie and no storage of another."""
        context = (await self.ask("Target.createBrowserContext"))["browserContextId"]
        target = await self.ask("Target.createTarget", url="about:blank", browserContextId=context)
        made = await self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self._pages[made["sessionId"]] = Page(self, made["sessionId"], context)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.ask(f"{domain}.enable")
        await page.size(width, height)
        await page.dark(dark)
        return page


class Page:
    """One page; `troubles` is what went wrong in it, as its console has it."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser = browser
        self._session = session
        self.context = context
        self.troubles: list[str] = []
        self.requests: list[str] = []

    def heard(self, method: str, params: dict[str, Any]) -> None:
        """Something happened in the page."""
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.troubles.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.troubles.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.troubles.append(
                " ".join(str(one.get("description") or one.get("value")) for one in params["args"])
            )
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    async def ask(self, method: str, **params: Any) -> Any:
        """One command to this page."""
        return await self._browser.ask(method, self._session, **params)

    async def close(self) -> None:
        """Close it, and forget its context."""
        await self._browser.ask("Target.disposeBrowserContext", browserContextId=self.context)

    async def size(self, width: int, height: int) -> None:
        """How large the window is, in pixels."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def dark(self, dark: bool) -> None:
        """Which colours its user prefers."""
        value = "dark" if dark else "light"
        await self.ask(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}]
        )

    async def goto(self, url: str) -> None:
        """Go there; what is awaited afterwards is for the test to say."""
        await self.ask("Page.navigate", url=url)

    async def get(self, script: str) -> Any:
        """What an expression gives, or what its promise does."""
        said = await self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in said:
            details = said["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description") or details["text"])
        return said["result"].get("value")

    async def until(self, script: str) -> Any:
        """Wait until the expression gives something that is true, and give it."""
        found = None
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        found = await self.get(script)
                    except PageError as error:
                        found, problem = None, error
                        if "Cannot read properties of null" not in str(problem) and "context" not in str(
                            problem
                        ):
                            raise
                    if found:
                        return found
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            text = await self.get("document.body.innerText.slice(0, 2000)")
            raise PageError(
                f"never came: {script}\nthe page says: {text}\ntroubles: {self.troubles}"
            ) from None

    async def text(self, selector: str = "body") -> str:
        """What is read in the first element of this kind."""
        return await self.get(f"document.querySelector({json.dumps(selector)}).innerText")

    async def has(self, text: str, selector: str = "body") -> None:
        """Wait until this is read there."""
        await self.until(
            f"document.querySelector({json.dumps(selector)}).innerText.includes({json.dumps(text)})"
        )

    async def click(self, text: str, selector: str = "button, a, summary, [role=option]") -> None:
        """Click the first visible element of this kind whose text begins so."""
        found = (
            f"[...document.querySelectorAll({json.dumps(selector)})].find((one) => one.checkVisibility() "
            f"&& one.innerText.trim().startsWith({json.dumps(text)}))"
        )
        await self.until(f"!!{found}")
        await self.get(f"{found}.click()")

    async def fill(self, selector: str, text: str) -> None:
        """Put this into a field, as somebody who types would."""
        at = json.dumps(selector)
        await self.until(f"!!document.querySelector({at})")
        await self.get(
            f"{{const e = document.querySelector({at}); e.focus(); e.value = ''; e.dispatchEvent(new Event('input', {{bubbles: true}}))}}"
        )
        await self.ask("Input.insertText", text=text)
        # Whoever types lets go of keys, too: some pages look at nothing else.
        await self.get(
            f"{{const e = document.querySelector({at}); e.dispatchEvent(new KeyboardEvent('keyup', {{bubbles: true}}));"
            " e.dispatchEvent(new Event('change', {bubbles: true}))}"
        )

    async def choose(self, selector: str, file: Path) -> None:
        """Choose a file for a field that takes one."""
        script = f"document.querySelector({json.dumps(selector)})"
        found = await self.ask("Runtime.evaluate", expression=script)
        await self.ask("DOM.setFileInputFiles", files=[str(file)], objectId=found["result"]["objectId"])

    async def press(self, key: str, code: int = 0, modifiers: int = 0) -> None:
        """Press a key where the focus is; `modifiers` 2 is Ctrl."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        known = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "Tab": 9, "End": 35, "Home": 36}
        told = {"key": key, "windowsVirtualKeyCode": code or known.get(key, 0), "modifiers": modifiers}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", **told, **text)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **told)

    async def picture(self, path: Path) -> None:
        """Keep what is seen as a PNG."""
        said = await self.ask("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(said["data"]))


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Browser]:
    """A running browser, whose profile is in this folder."""
    async with AsyncExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            program(),
            *_FLAGS,
            f"--user-data-dir={folder}",
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        stack.push_async_callback(_ended, process)
        address = await _address(process)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        socket = await stack.enter_async_context(session.ws_connect(address, max_msg_size=1 << 28))
        browser = Browser(socket)
        reading = asyncio.create_task(browser.read(), name="what the browser says")
        drained = asyncio.create_task(_drained(process), name="what the browser complains of")
        yield browser
        await browser.ask("Browser.close")
        await reading
        await drained


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = []
    async with asyncio.timeout(PATIENCE):
        while line := (await process.stderr.readline()).decode("utf-8", "replace"):
            said.append(line)
            if line.startswith("DevTools listening on "):
                return line.split()[-1]
    raise AssertionError(f"the browser did not begin: {''.join(said)}")


async def _drained(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while await process.stderr.read(65536):
        pass


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
