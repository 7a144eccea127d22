"""The console in a real browser: what people see, press and type, and what nobody can make of it."""

import asyncio
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import pytest_asyncio
from console_lab import MANY, console_lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

MORE = """\
  many: {dialect: jsonrpc, url: URL, rpc_path: /many, methods: {"*": {safe: true}}}
  dvid: {dialect: dvid, url: "DVID", mount: /dvid}
  data: {dialect: intake, url: "DATA", mount: /data}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(tmp_path_factory, chromium_lab, dvid_lab, intake_lab):
    """A gate, and a browser that looks at it."""
    small = dvid_lab.small()
    folder = tmp_path_factory.mktemp("console")
    with dvid_lab.running(small.store) as dvid, intake_lab.running() as data:
        more = MORE.replace("DVID", dvid.url).replace("DATA", data.url)
        async with (
            console_lab(folder, more) as lab,
            chromium_lab.chromium(tmp_path_factory.mktemp("browser")) as browser,
        ):
            lab.browser, lab.small, lab.dvid = browser, small, dvid
            yield lab


@pytest_asyncio.fixture(loop_scope="module")
async def page(console):
    """A page of its own; nothing may have gone wrong in it at the end."""
    made = await console.browser.page()
    yield made
    troubles = made.troubles
    await made.close()
    assert troubles == []


async def at(page, console, place="", *groups, token=None):
    """Open the console there, as somebody of these groups."""
    await page.goto(f"{console.address}/#token={token or console.token('ada', *(groups or ('admins',)))}")
    await page.until("document.querySelectorAll('nav a').length > 0")
    if place:
        await page.get(f"location.hash = {place!r}")


async def test_a_token_in_the_address_leaves_it_at_once_and_is_kept_nowhere(console, page):
    await at(page, console)
    assert "token" not in await page.get("location.href")
    assert await page.get("history.length") <= 2
    kept = await page.get("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})")
    assert kept == "{}"
    await page.goto(f"{console.address}/?again")
    await page.has("Sign in", "dialog")
    page.troubles.clear()  # the browser itself tells of the 401


async def test_a_method_tells_which_request_and_which_scopes_it_is(console, page):
    await at(page, console, "#/methods/dvid.api.get_server_info")
    await page.has("As a request to the gate: GET /dvid/api/", ".detail")
    await at(page, console, "#/methods/odd.get_value", token=console.token("zoe", "readers"))
    await page.has("scope odd.read", ".detail .badges")
    assert "As a request" not in await page.get("document.querySelector('.detail').innerText")


async def test_somebody_signs_in_searches_calls_and_sees_every_digit(console, page):
    await page.goto(console.address)
    await page.has("Sign in", "dialog")
    await page.fill("dialog input", "no.token.atall")
    await page.press("Enter")
    await page.until("!!document.querySelector('dialog .trouble:not([hidden])')?.innerText")
    await page.fill("dialog input", console.token("ada", "lab"))
    await page.press("Enter")
    await page.has("7 methods", "main")
    await page.press("/")
    await page.until("document.activeElement.matches('[data-search]')")
    await page.fill("[data-search]", "value number")
    await page.press("Enter")
    await page.has("odd.get_value", ".detail h2")
    await page.fill(".detail input", "9007199254740993")
    await page.has("lab.odd.get_value(number=9007199254740993)", ".snippet")
    await page.press("Enter", modifiers=2)
    await page.has("18446744073709551615", ".result")
    assert "9007199254740993" in await page.text(".result")
    assert "stored now" in await page.text(".result")
    await page.click("Call")
    await page.has("from the cache", ".result")
    page.troubles.clear()  # the 401 before there was a token


async def test_where_nobody_needs_a_token_the_page_is_there_at_once_and_somebody_may_sign_in(
    console, page, tmp_path
):
    async with console_lab(tmp_path, identity="identity: {local_tokens: true, anonymous: true}") as open_lab:
        await page.goto(open_lab.address)
        await page.has("0 methods", ".tally")
        await page.has("anonymous", "#account")
        await page.click("Sign in")
        await page.press("Escape")
        await page.until("!document.querySelector('dialog')")
        await page.click("Sign in")
        await page.fill("dialog input", open_lab.token("gil", "guests"))
        await page.press("Enter")
        await page.has("1 method", ".tally")
        await page.has("gil", "#account")
        await page.goto("about:blank")  # what it still asks is of no gate that ends


async def test_anybody_has_their_own_call_explained(console, page):
    await at(page, console, "#/methods/odd.get_value", "lab")
    await page.fill(".detail input", "3")
    await page.click("Explain", ".detail button")
    await page.has("number 2 lets them", ".explanation")
    await page.has("get_*", ".explanation")


async def test_what_is_typed_wrongly_is_said_before_anything_is_sent(console, page):
    await at(page, console, "#/methods/odd.get_value")
    await page.has("odd.get_value", ".detail h2")
    await page.fill(".detail input", "12.5")
    await page.click("Call")
    await page.has("it is a whole number", ".result")
    assert await page.get("document.activeElement.tagName") == "INPUT"


async def test_what_may_change_something_is_asked_about_first(console, page):
    await at(page, console, "#/methods/odd.set_value")
    await page.click("Call, which may change something")
    await page.has("may change something", "dialog")
    await page.press("Escape")
    await page.until("!document.querySelector('dialog')")
    assert await page.text(".result") == ""
    await page.click("Call, which may change something")
    await page.click("Call it")
    await page.has("kept", ".result")


async def test_markup_in_names_documentation_and_results_stays_text(console, page):
    await at(page, console)
    await page.has("methods", ".tally")
    await page.fill("[data-search]", "onerror")
    await page.click("odd.get_markup", "[role=option]")
    await page.has("<img src=x onerror", ".detail .prose")
    await page.has("<img src=x onerror", ".detail label")
    await page.click("Call")
    await page.has("<script>", ".result")
    await page.get("location.hash = '#/methods/odd.get_rows'")
    await page.click("Call")
    await page.has("<img src=x", ".result table")
    assert await page.get("document.querySelectorAll('main img, main script').length") == 0
    assert await page.get("document.title") == "Methods · labgate"


async def test_fifty_mebibytes_are_shown_by_their_beginning_and_offered_as_a_file(console, page):
    await at(page, console, "#/methods/odd.get_large")
    await page.click("Call")
    await page.has("the first 64.0 KiB are shown", ".result")
    await page.has("50.0 MiB", ".result")
    assert await page.get("document.querySelector('.result pre').textContent.length") == 64 << 10
    assert await page.get("document.querySelector('.result a[download]').download") == "odd.get_large.json"


async def test_a_token_that_ends_while_somebody_looks_is_asked_for_again_and_nothing_is_lost(console, page):
    token = console.token("ada", "admins")
    await at(page, console, "#/methods/odd.get_value", token=token)
    await page.fill(".detail input", "7")
    console.revoke(token)
    while (await console.ask("GET", "/-/whoami", token))[0] != 401:
        pass
    await page.click("Call")
    await page.has("revoked", "dialog")
    await page.fill("dialog input", console.token("ada", "admins"))
    await page.press("Enter")
    await page.has("number", ".result")
    assert await page.get("document.querySelector('.detail input').value") == "7"
    page.troubles.clear()


async def test_whoever_does_not_operate_sees_no_operators_panel_and_is_refused_by_the_gate(console, page):
    await at(page, console, "#/services", "lab")
    await page.has("methods", ".tally")
    assert (
        await page.get("[...document.querySelectorAll('nav a')].map((one) => one.innerText).join()")
        == "Methods,Contents,Explain"
    )
    for path in ("/-/status", "/-/cache", "/-/switches"):
        assert (await console.ask("GET", path, console.token("eve", "lab")))[0] == 403


async def test_the_services_show_how_they_are_and_can_be_taken_out_of_service(console, page):
    await at(page, console, "#/services/odd")
    await page.has("up", ".service[open]")
    await page.click("Take out of service")
    await page.fill("dialog input[maxlength]", "New disks")
    await page.click("Take it out", "dialog button")
    await page.has("drained", ".service[open] summary")
    await page.has("New disks", ".service[open]")
    token = console.token("eve", "lab")
    status, _, said = await console.ask("POST", "/rpc/odd.set_value", token, {})
    assert (status, "New disks" in said["message"]) == (503, True)
    await page.click("Put back into service")
    await page.click("Put it back", "dialog button")
    await page.until("!document.querySelector('.service[open] summary').innerText.includes('drained')")
    assert (await console.ask("POST", "/rpc/odd.set_value", token, {}))[0] == 200
    await page.click("Settings")
    await page.until("!!document.querySelector('#news p')")
    page.troubles.clear()  # a gate without `labgated serve` around it has no file to read again: that was said


async def test_it_is_all_reached_by_keys(console, page):
    await at(page, console)
    await page.has("methods", ".tally")
    await page.press("?")
    await page.has("go to a panel", "dialog")
    await page.press("Escape")
    await page.until("!document.querySelector('dialog')")
    await page.press("j")
    await page.until("location.hash.startsWith('#/methods/')")
    await page.press("g")
    await page.press("s")
    await page.has("all up", "main")


async def test_ten_thousand_methods_are_searched_and_only_those_in_sight_are_elements(console, page):
    await at(page, console)
    await page.has("10,", ".tally")
    await page.fill("[data-search]", "thing 09876")
    await page.has("1 of 10,", ".tally")
    await page.fill("[data-search]", "thing")
    await page.has(f"{MANY} of", ".tally")
    await page.press("Escape")
    await page.get("document.querySelector('.virtual').focus()")
    await page.press("End")
    await page.has("many.get_thing_09999", ".detail h2")
    assert await page.get("document.querySelectorAll('.virtual-row').length") < 80
    assert await page.get("document.querySelector('.virtual-row').getAttribute('aria-setsize')") == str(MANY)


async def ran(console, text, *command):
    """What a snippet prints, run as somebody would who has a token."""
    environ = os.environ | {
        "LABGATE_TOKEN": console.token("ada", "admins"),
        "XDG_CACHE_HOME": str(console.state),
    }
    done = await asyncio.to_thread(
        subprocess.run, [*command, text], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_snippets_do_what_the_page_does(console, page):
    await at(page, console, "#/methods/odd.get_value")
    await page.fill(".detail input", "9007199254740993")
    await page.has("9007199254740993", ".snippet")
    python = await page.text(".snippet")
    *before, last = python.strip().split("\n")
    assert "9007199254740993" in await ran(
        console, "\n".join([*before, f"print({last})"]), sys.executable, "-c"
    )
    await page.click("curl")
    assert "9007199254740993" in await ran(console, await page.text(".snippet"), "sh", "-c")
    await page.click("command line")
    assert (await page.text(".snippet")).startswith("labgate call")
    shell = (await page.text(".snippet")).replace("labgate call", f"{sys.executable} -m labgate.cli call", 1)
    assert "9007199254740993" in await ran(console, shell, "sh", "-c")


async def test_versions_are_drawn_with_their_parents_and_locked_ones_are_told_from_open_ones(console, page):
    small = console.small
    await at(page, console, f"#/contents/repositories/dvid/{small.root.uuid}")
    await page.has("For tests", ".detail .summary")
    rows = await page.get(
        "[...document.querySelectorAll('.dag-row')].map((one) => [one.innerText, one.className])"
    )
    assert len(rows) == 4
    assert [("locked" in kind) for _, kind in rows] == [False, False, True, True]
    assert await page.get("document.querySelectorAll('.dag-line').length") == 3
    await page.has("40 × 70 × 100", ".detail table")
    await page.click(small.branch.uuid[:8], ".dag-row")
    await page.has(small.branch.uuid, ".detail")
    await page.has("side", ".dag-row[aria-pressed=true]")


async def test_a_volume_is_seen_in_three_planes_and_its_labels_to_the_last_digit(console, page):
    small = console.small
    place = f"#/contents/repositories/dvid/{small.root.uuid}/{small.root.uuid}/labels?at=10,20,30"
    await at(page, console, place)
    await page.until("document.querySelector('.slices')?.dataset.ready === 'true'")
    assert await page.get("document.querySelectorAll('.planes canvas').length") == 3
    for _ in range(4):
        await page.click("+", ".slices button")
    label = int(small.labels[10, 20, 30])
    assert label > 1 << 53
    await page.has(f"z 10, y 20, x 30: {label}", ".slices output")
    await page.get("document.querySelector('.planes canvas').focus()")
    await page.press("n")
    await page.has(f"z 11, y 20, x 30: {int(small.labels[11, 20, 30])}", ".slices output")
    colours = (
        "(() => { const c = document.querySelector('.planes canvas'); "
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; "
        "const s = new Set(); for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return s.size })()"
    )
    assert await page.get(colours) > 4


async def test_an_array_is_given_to_a_method_as_a_numpy_file(console, page, tmp_path):
    small, file = console.small, tmp_path / "block.npy"
    block = np.arange(32**3, dtype=np.uint8).reshape(32, 32, 32)
    np.save(file, block)
    await at(page, console, "#/methods/dvid.write")

    async def named(label):
        script = f"[...document.querySelectorAll('.detail label')].find((one) => one.innerText.startsWith('{label}'))?.htmlFor"
        return f"#{await page.until(script)}"

    await page.fill(await named("node"), small.open.uuid)
    await page.fill(await named("instance"), "gray")
    await page.fill(await named("start"), "[0, 0, 0]")
    await page.choose(await named("data"), file)
    await page.click("Call, which")
    await page.click("Call it", "dialog button")
    await page.has("past the cache", ".result")
    said = {"node": small.open.uuid, "instance": "gray", "start": [0, 0, 0], "stop": [32, 32, 32]}
    _, _, body = await console.ask("POST", "/rpc/dvid.read?format=npy", console.token("ada", "admins"), said)
    assert (np.load(io.BytesIO(body)) == block).all()


async def test_what_is_too_deep_to_be_read_can_still_be_saved(console, page):
    await at(page, console, "#/methods/odd.get_deep")
    await page.click("Call")
    await page.has("Save as a file", ".result")
    await page.has("[[[[", ".result pre")


async def test_a_service_that_fails_while_somebody_looks_is_asked_again_when_they_say_so_and_not_before(
    console, page, dvid_lab
):
    small, dvid = console.small, console.dvid
    broken = dvid_lab.refusal(500, b"the disk is gone\n")
    with dvid.fault(lambda *_: broken, "raw"):
        await at(page, console, f"#/contents/repositories/dvid/{small.root.uuid}/{small.open.uuid}/labels")
        await page.has("Try again", ".slices .trouble")
        await page.until("document.querySelector('.slices').dataset.ready === 'true'")
        asked = len([one for one in page.requests if "dvid.read" in one])
        for _ in range(5):
            await page.get("new Promise((done) => requestAnimationFrame(done))")
        assert len([one for one in page.requests if "dvid.read" in one]) == asked <= 12
    await page.click("Try again")
    await page.has("z 32, y 32, x 64", ".slices output")
    await page.until("document.querySelector('.slices').dataset.ready === 'true'")
    await page.until("document.querySelector('.slices .trouble').hidden")
    page.troubles.clear()


async def test_a_box_says_how_large_it_is_before_it_is_fetched_and_its_snippet_is_that_box(console, page):
    small = console.small
    await at(page, console, f"#/contents/repositories/dvid/{small.root.uuid}/{small.root.uuid}/gray")
    await page.has("40 × 70 × 100 voxels, 273 KiB", ".flat")
    snippet = await page.text(".flat .snippet")
    *before, last = snippet.strip().split("\n")
    printed = await ran(console, "\n".join([*before, f"print(int({last}.sum()))"]), sys.executable, "-c")
    assert int(printed) == int(small.gray.sum())
    url = await page.text("#volume-url")
    headers = {"Authorization": f"Bearer {console.token('ada', 'admins')}"}
    async with console.session.get(f"{url}/info", headers=headers) as answer:
        assert (await answer.json(content_type=None))["Base"]["Name"] == "gray"


async def test_data_without_voxels_show_what_the_service_says_of_them(console, page):
    small = console.small
    await at(page, console, f"#/contents/repositories/dvid/{small.root.uuid}/{small.root.uuid}/keys")
    await page.has("keyvalue", ".detail .badges")
    await page.has(f"/dvid/api/node/{small.root.uuid}/keys", ".detail .row code")
    await page.has("dvid.keys", ".detail ul")
    page.troubles.clear()  # the service said that there are no voxels


async def test_new_data_is_specified_in_an_open_version_alone_and_under_a_name_of_its_own(console, page):
    small = console.small
    await at(page, console, f"#/contents/repositories/dvid/{small.root.uuid}?mode=new")
    await page.has("New data in this version".upper(), ".detail")
    locked = "[...document.querySelectorAll('.dag-row')].map((one) => one.disabled)"
    assert await page.get(locked) == [False, False, True, True]
    button = (
        "[...document.querySelectorAll('.detail button')].find((one) => one.innerText === 'Make it').disabled"
    )
    assert await page.get(button)
    await page.fill(".detail .form input", "gray")
    await page.has("has data of this name already", ".detail")
    assert await page.get(button)
    await page.fill(".detail .form input", "edges")
    await page.has("/edges", ".detail .row code")
    await page.click("Make it")
    await page.has("edges", ".detail h2")
    assert "edges" in console.small.repo.instances


async def test_an_entry_of_a_catalog_shows_what_it_is_and_a_part_of_it(console, page):
    await at(page, console, "#/contents/catalog/data/frames")
    await page.has("12 × 96 × 128", ".detail")
    await page.click("Read this part")
    await page.has("3 × 48 × 64", ".result")
    assert await page.get("document.querySelector('.result canvas').width") == 64
    await page.get("location.hash = '#/contents/catalog/data/runs'")
    await page.has("Particle picks", ".detail")
    await page.click("Read this part")
    await page.has("diameter", ".result table")


async def test_operators_see_traffic_purge_the_cache_and_make_and_revoke_a_token(console, page):
    token = console.token("ada", "admins")
    for _ in range(3):
        await console.ask("POST", "/rpc/odd.get_rows", token, {})
    await at(page, console, "#/cache", token=token)
    await page.has("odd.get_rows", "main table")
    await page.click("odd.get_rows", "details summary")
    await page.click("Purge this entry", "details[open] button")
    await page.click("Purge", "dialog button")
    await page.has("Purged", "#news")
    _, fields, _ = await console.ask("POST", "/rpc/odd.get_rows", token, {})
    assert "fwd=miss" in fields["Cache-Status"]
    await page.get("location.hash = '#/traffic'")
    await page.has("odd.get_rows", "main table")
    await page.until("document.querySelectorAll('.chart canvas').length === 4")
    await page.get("location.hash = '#/tokens'")
    await page.click("Make a token")
    await page.fill("dialog input", "zoe")
    await page.click("Make it", "dialog button")
    made = await page.until("document.querySelector('dialog .secret')?.innerText")
    assert (await console.ask("GET", "/-/whoami", made))[2]["subject"] == "zoe"
    await page.click("Close", "dialog button")
    await page.until("!document.querySelector('dialog')")
    await page.fill("[data-search]", "zoe")
    await page.click("Revoke", "tbody button")
    await page.click("Revoke", "dialog button")
    await page.has("Revoked", "#news")
    while (await console.ask("GET", "/-/whoami", made))[0] != 401:
        pass


FIRST = "document.querySelector('main tbody th')?.innerText"
SORTED = "document.querySelector('[aria-sort]')"


async def test_operators_find_the_slowest_method_sort_by_every_column_and_find_by_name(console, page):
    token = console.token("ada", "admins")
    for number in (100, 101, 100, 101, 100):
        await console.ask("POST", "/rpc/odd.get_value", token, {"number": number})
    for _ in range(2):
        await console.ask("POST", "/rpc/odd.set_value", token, {})
    await console.ask("POST", "/rpc/odd.get_value", token, {"number": []})
    await at(page, console, "#/latency?find=odd._value", token=token)
    await page.has("Nothing of that name", "main")
    await page.fill("[data-search]", "odd. VALUE")
    await page.has("2 methods", "main")
    assert await page.get(f"{SORTED}.innerText + {SORTED}.getAttribute('aria-sort')") == "p99descending"
    for title, first in (
        ("Calls", "odd.get_value"),
        ("From the cache", "odd.get_value"),
        ("Name", "odd.get_value"),
    ):
        await page.click(title, "main thead button")
        await page.until(f"{SORTED}.innerText === {title!r} && {FIRST} === {first!r}")
        assert await page.get(f"{SORTED}.getAttribute('aria-sort')") == (
            "ascending" if title == "Name" else "descending"
        )
        await page.get(f"{SORTED}.querySelector('button').focus()")
        await page.press("Enter")
        await page.until(f"{FIRST} === 'odd.set_value'")
        assert await page.get("document.activeElement.innerText") == title
    assert "sort=name&order=desc" in await page.get("location.hash")
    await page.get("document.querySelector('main select[aria-label=Rows]').value = 'service'")
    await page.get(
        "document.querySelector('main select[aria-label=Rows]').dispatchEvent(new Event('change'))"
    )
    await page.has("Nothing of that name", "main")
    await page.fill("[data-search]", "odd")
    await page.until(f"{FIRST} === 'odd'")
    await page.click("odd", "main tbody a")
    await page.until("location.hash.startsWith('#/services/odd')")


async def test_operators_see_policies_audit_and_what_would_happen_to_anybodys_call(console, page):
    await console.ask(
        "POST", "/rpc", console.token("gil", "guests"), {"jsonrpc": "2.0", "id": 1, "method": "odd.set_value"}
    )
    await at(page, console, "#/policies")
    await page.has("group:guests", ".matrix")
    await page.has("1 of 7", ".matrix")
    await page.get("location.hash = '#/audit'")
    await page.has("odd.set_value", "main table")
    await page.get("location.hash = '#/explain/odd.get_value'")
    await page.fill("main textarea", '{"number": 1}')
    await page.click("Explain", "main button")
    await page.has("number 1 lets them", ".explanation")


async def test_over_https_and_below_a_path_of_nginx_it_is_the_same(
    console, page, authority, https_proxy_lab, tmp_path
):
    mine, path = authority.issue(), "/lab/console/"
    await page.ask("Security.setIgnoreCertificateErrors", ignore=True)
    proxy = https_proxy_lab.nginx(tmp_path, mine.certificate, mine.key, path, console.address)
    async with proxy as origin:
        await page.goto(f"{origin}{path}#token={console.token('ada', 'admins')}")
        await page.until("document.querySelectorAll('nav a').length > 0")
        await page.get("location.hash = '#/methods/odd.get_rows'")
        await page.click("Call")
        await page.has("J0", ".result table")
        await page.get("location.hash = '#/services'")
        await page.has("all up", "main")
        assert [one for one in page.requests if not one.startswith((f"{origin}{path}", "blob:"))] == []


async def test_the_page_has_names_for_all_that_can_be_pressed_and_filled_in(console, page):
    await at(page, console, token=console.token("ada", "admins"))
    unnamed = (
        "[...document.querySelectorAll('input, select, textarea, button, a, canvas')].filter((one) => one.checkVisibility()"
        " && !one.labels?.length && !one.getAttribute('aria-label') && !one.innerText.trim() && one.tagName !== 'OPTION').map((one) => one.outerHTML)"
    )
    small = console.small
    places = (
        "methods/odd.get_value",
        "explain",
        "services/odd",
        "traffic",
        "latency",
        "cache",
        "tokens",
        "policies",
        "audit",
    )
    for place in (*places, f"contents/repositories/dvid/{small.root.uuid}/{small.root.uuid}/gray"):
        await page.get(f"location.hash = '#/{place}'")
        await page.until(
            "document.querySelector('main h1, main h2') && !document.querySelector('.detail > .quiet')"
        )
        assert await page.get(unnamed) == [], place
