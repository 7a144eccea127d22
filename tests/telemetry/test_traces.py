"""What a collector gets of requests: the tree of steps of each kind, one trace from the caller to the service."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from random import Random
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web

from gateway.core.trace_context import TraceContext
from gateway.core.tracing import Span, Tracer
from gateway.telemetry.otlp import ATTEMPTS, Exporter

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SHOWN = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "lab=1"}
SECONDS = 60

CONFIG = """\
telemetry: {{access_log: "off", traceparent: {whose}, otlp: {{url: "{collector}", sample: {sample}, headers: {{X-Key: hunter2}}}}}}
policies: [{{to: [authenticated], allow: ["*", "/**"], operate: true}}]
services:
  calc:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    mount: /calc
    retries: {{attempts: 2, budget: 100%}}
    methods:
      get: {{safe: true, cache: {{fresh: 1h}}}}
      fails: {{safe: true}}
      drops: {{safe: true}}
      put: {{}}
"""


class Collector:
    """Takes OTLP over HTTP as JSON."""

    def __init__(self):
        self.batches = []
        self.headers = []
        self.says = 200

    async def take(self, request):
        body = await request.read()
        self.headers.append(dict(request.headers))
        if self.says == 200:
            self.batches.append(json.loads(body))
        return web.json_response({}, status=self.says)

    @property
    def spans(self):
        return [
            span
            for batch in self.batches
            for resource in batch["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


class Service:
    """Answers calls and requests; drops the connection of `drops` as often as it is told. It keeps what it was sent."""

    def __init__(self):
        self.headers = []
        self.drops = 0

    async def call(self, request):
        said = json.loads(await request.read())
        self.headers.append(dict(request.headers))
        answer = {"jsonrpc": "2.0", "id": said["id"]}
        if said["method"] == "drops" and self.drops:
            self.drops -= 1
            request.transport.abort()
            await asyncio.Event().wait()
        if said["method"] == "fails":
            return web.json_response({**answer, "error": {"code": 7, "message": "no"}})
        return web.json_response({**answer, "result": said.get("params")})

    async def stream(self, request):
        self.headers.append(dict(request.headers))
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await response.write(b"x" * 1000)
            await asyncio.sleep(0)
        return response


@asynccontextmanager
async def served(*routes):
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def lab_of(gate_of, token_for):
    """A gate that records the part of requests that it is asked to."""

    @asynccontextmanager
    async def made(sample=1.0, whose="from_callers"):
        collector, service = Collector(), Service()
        async with (
            served(web.post("/v1/traces", collector.take)) as taking,
            served(web.post("/api", service.call), web.get("/stream", service.stream)) as url,
            gate_of(CONFIG.format(collector=taking, url=url, sample=sample, whose=whose)) as gate,
            aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {token_for('lovelace', 'lab')}"}
            ) as session,
        ):
            lab = SimpleNamespace(
                gate=gate,
                collector=collector,
                service=service,
                session=session,
                address="http://{}:{}".format(*gate.address),
            )
            yield lab

    return made


async def call(lab, *methods, **headers):
    said = [{"jsonrpc": "2.0", "method": one, "params": [1], "id": at} for at, one in enumerate(methods)]
    body = said if len(said) > 1 else said[0]
    async with lab.session.post(f"{lab.address}/rpc", json=body, headers=headers) as got:
        return await got.json()


async def recorded(lab, count):
    """The spans, once so many requests were recorded: the last of a request's own is that of the request."""

    def roots():
        return [span for span in lab.collector.spans if span["kind"] == 2]

    async with asyncio.timeout(SECONDS):
        while len(roots()) < count:
            await asyncio.sleep(0.01)
    return lab.collector.spans


def tree(spans, span):
    """The names of a span and of those below it, in the order in which they began."""
    below = [one for one in spans if one.get("parentSpanId") == span["spanId"]]
    below.sort(key=lambda one: int(one["startTimeUnixNano"]))
    return {span["name"]: [tree(spans, one) for one in below]} if below else span["name"]


def trees(spans):
    return [tree(spans, span) for span in spans if span["kind"] == 2]


def said(span):
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def named(spans, name):
    return [span for span in spans if span["name"] == name]


TRIP = {"trip": ["POST"]}


async def test_a_miss_a_hit_and_an_error_are_told_step_by_step(lab_of):
    async with lab_of() as lab:
        for method in ("calc.get", "calc.get", "calc.fails"):
            await call(lab, method)
        spans = await recorded(lab, 3)
    miss, hit, error = trees(spans)
    steps = miss["POST rpc"]
    assert steps[-1] == {"calc.get": ["judge", TRIP, "store"]}
    assert hit["POST rpc"][-1] == {"calc.get": ["judge"]}
    assert error["POST rpc"][-1] == {"calc.fails": ["judge", TRIP, "store"]}
    assert [said(one)["labgate.stored"] for one in named(spans, "store")] == [True, False]
    first, second = named(spans, "calc.get")
    assert said(first)["labgate.cache"] == "miss"
    assert (said(second)["labgate.cache"], said(second)["labgate.cache.reason"]) == ("hit", "memory")
    assert named(spans, "calc.fails")[0]["status"] == {"code": 2, "message": "error"}
    roots = [span for span in spans if span["kind"] == 2]
    assert len({span["traceId"] for span in roots}) == 3
    assert said(roots[0])["http.response.status_code"] == "200"
    assert said(roots[0])["rpc.method"] == "calc.get"
    assert "lovelace" not in json.dumps(spans), "who asks is in the access log"


async def test_each_call_of_a_batch_has_its_own_steps(lab_of):
    async with lab_of() as lab:
        await call(lab, "calc.get", "calc.fails", "calc.no_such")
        spans = await recorded(lab, 1)
    (whole,) = trees(spans)
    calls = [one for steps in whole.values() for one in steps if one != "identify"]
    assert calls[:2] == [{"calc.get": ["judge", TRIP, "store"]}, {"calc.fails": ["judge", TRIP, "store"]}]


async def test_a_call_that_waits_for_anothers_trip_says_whose(lab_of):
    async with lab_of() as lab:
        await asyncio.gather(*(call(lab, "calc.get") for _ in range(2)))
        spans = await recorded(lab, 2)
    joins = named(spans, "join")
    if joins:  # they may also have come one after the other
        linked = {(one["traceId"], one["spanId"]) for one in joins[0]["links"]}
        assert linked <= {(one["traceId"], one["spanId"]) for one in named(spans, "calc.get")}
    assert len(named(spans, "trip")) == 1


async def test_every_attempt_of_a_call_is_told_and_the_service_knows_which_it_is(lab_of):
    async with lab_of() as lab:
        lab.service.drops = 1
        await call(lab, "calc.drops")
        spans = await recorded(lab, 1)
    lost, good = named(spans, "POST")
    assert (lost["status"]["message"], good.get("status")) == ("ConnectionLostError", None)
    told = [headers["traceparent"] for headers in lab.service.headers]
    assert told == [f"00-{one['traceId']}-{one['spanId']}-03" for one in (lost, good)]


async def test_a_trace_goes_from_the_caller_through_the_gate_to_the_service(lab_of):
    async with lab_of(sample=0) as lab:
        await call(lab, "calc.get", **SHOWN)
        async with lab.session.post(
            f"{lab.address}/calc/api", json={"jsonrpc": "2.0", "method": "put", "id": 1}, headers=SHOWN
        ) as got:
            assert got.status == 200
        spans = await recorded(lab, 2)
    assert {span["traceId"] for span in spans} == {TRACE}
    assert {span["traceState"] for span in spans} == {"lab=1"}
    assert [span["parentSpanId"] for span in spans if span["kind"] == 2] == [PARENT, PARENT]
    asked = named(spans, "POST")
    for span, headers in zip(asked, lab.service.headers, strict=True):
        assert headers["traceparent"] == f"00-{TRACE}-{span['spanId']}-01"
        assert headers["tracestate"] == "lab=1"


async def test_a_request_through_a_mount_and_a_stream_are_told_with_the_trip_to_the_service(lab_of):
    async with lab_of() as lab:
        for _ in range(2):
            async with lab.session.get(f"{lab.address}/calc/stream") as got:
                assert len(await got.read()) == 3000
        async with lab.session.get(f"{lab.address}/calc/none") as got:
            assert got.status == 404
        spans = await recorded(lab, 3)
    assert [one["GET /calc"][-1] for one in trees(spans)] == ["GET", "GET", "GET"]
    roots = [span for span in spans if span["kind"] == 2]
    for root in roots:
        assert said(root)["labgate.service"] == "calc"
    assert [said(root)["http.response.status_code"] for root in roots] == ["200", "200", "404"]
    assert said(roots[0])["http.response.body.size"] == "3000"


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_what_the_caller_does_not_record_is_not_recorded_and_the_service_hears_of_the_trace(
    lab_of, flags
):
    given = {**SHOWN, "traceparent": SHOWN["traceparent"][:-2] + flags}
    async with lab_of() as lab:
        await call(lab, "calc.get", **given)
        await call(lab, "calc.fails")
        spans = await recorded(lab, 1 + int(flags))
    assert (TRACE in {span["traceId"] for span in spans}) == bool(int(flags))
    assert lab.service.headers[0]["traceparent"].startswith(f"00-{TRACE}-")
    assert lab.service.headers[0]["traceparent"].endswith(flags)


async def test_without_a_collector_the_trace_is_passed_on_as_it_came(gate_of, token_for):
    service = Service()
    async with served(web.post("/api", service.call)) as url:
        text = f"""\
        policies: [{{to: [authenticated], allow: ["*", "/**"]}}]
        services: {{calc: {{dialect: listed, url: "{url}", rpc_path: /api, mount: /calc, methods: {{get: {{safe: true}}}}}}}}
        """
        async with gate_of(text) as gate:
            headers = {"Authorization": f"Bearer {token_for('lovelace', 'lab')}", **SHOWN}
            address = "http://{}:{}".format(*gate.address)
            async with aiohttp.ClientSession(headers=headers) as session:
                for path, method in (("/rpc", "calc.get"), ("/rpc", "calc.get"), ("/calc/api", "get")):
                    asked = {"jsonrpc": "2.0", "method": method, "id": 1, "params": []}
                    async with session.post(address + path, json=asked) as got:
                        assert (await got.json())["result"] == []
    assert len(service.headers) == 3
    for told in service.headers:
        assert {name: told[name] for name in SHOWN} == SHOWN


async def asked_in_every_way(lab, times):
    """Requests of a caller's trace: at the rpc door, and through the mount with a body and without."""
    for _ in range(times):
        await call(lab, "calc.fails", **SHOWN)
        asked = {"jsonrpc": "2.0", "method": "put", "id": 1}
        async with lab.session.post(f"{lab.address}/calc/api", json=asked, headers=SHOWN) as got:
            assert got.status == 200
        async with lab.session.get(f"{lab.address}/calc/stream", headers=SHOWN) as got:
            assert len(await got.read()) == 3000


async def test_where_callers_traces_end_a_recorded_request_begins_one_that_links_theirs(lab_of):
    async with lab_of(whose="own") as lab:
        await asked_in_every_way(lab, 2)
        spans = await recorded(lab, 6)
    roots = [span for span in spans if span["kind"] == 2]
    assert len({root["traceId"] for root in roots} | {TRACE}) == 7
    for root in roots:
        assert "parentSpanId" not in root
        assert root["links"] == [{"traceId": TRACE, "spanId": PARENT, "flags": 1, "traceState": "lab=1"}]
    trips = {f"00-{span['traceId']}-{span['spanId']}-03" for span in spans if span["kind"] == 3}
    assert {headers["traceparent"] for headers in lab.service.headers} == trips
    assert not any("tracestate" in headers for headers in lab.service.headers)


async def test_where_callers_traces_end_no_service_hears_of_one_that_is_not_recorded(lab_of):
    async with lab_of(sample=0, whose="own") as lab:
        await asked_in_every_way(lab, 3)
    assert len(lab.service.headers) == 9
    for headers in lab.service.headers:
        assert not {"traceparent", "tracestate"} & {name.lower() for name in headers}


async def test_where_callers_traces_end_lanes_on_and_off_record_the_same_requests(lab_of):
    found = []
    for lanes in (True, False):
        async with lab_of(sample=0.3, whose="own") as lab:
            tracer = lab.gate.metrics.tracer
            tracer.chance = Random(5).randbytes
            tracer.left = tracer._draw()
            lab.gate.switches.lanes = lanes
            lab.gate._set_lanes()
            for at in range(20):
                await call(lab, "calc.get", **SHOWN, **{"X-Request-Id": f"r{at}"})
                async with lab.session.get(
                    f"{lab.address}/calc/none", headers={**SHOWN, "X-Request-Id": f"m{at}"}
                ) as got:
                    assert got.status == 404
            await recorded(lab, 5)
            tracer.left = 0
            await call(lab, "calc.get", **{"X-Request-Id": "last"})
            async with asyncio.timeout(SECONDS):
                while not any(said(one).get("labgate.request_id") == "last" for one in lab.collector.spans):
                    await asyncio.sleep(0.01)
            found.append([said(one)["labgate.request_id"] for one in lab.collector.spans if one["kind"] == 2])
    assert found[0] == found[1]


async def test_of_a_part_of_the_requests_every_one_is_recorded_whole_whoever_answers_it(lab_of):
    async with lab_of(sample=0.3) as lab:
        for _ in range(60):
            await call(lab, "calc.get")
        await call(lab, "calc.get", **SHOWN)
        async with asyncio.timeout(SECONDS):
            while not any(span["traceId"] == TRACE for span in lab.collector.spans):
                await asyncio.sleep(0.01)
        spans = lab.collector.spans
        calls = sum(lab.gate.metrics.outcomes().values())
    roots = [span for span in spans if span["kind"] == 2]
    assert 1 < len(roots) < 50
    assert len(named(spans, "calc.get")) == len(roots)
    assert calls == 61, "those that lanes answered are counted as ever"


async def test_lanes_on_and_off_record_the_same_requests(lab_of):
    found = []
    for lanes in (True, False):
        async with lab_of(sample=0.3) as lab:
            tracer = lab.gate.metrics.tracer
            tracer.chance = Random(5).randbytes
            tracer.left = tracer._draw()
            lab.gate.switches.lanes = lanes
            lab.gate._set_lanes()
            for at in range(40):
                if at % 4 == 3:
                    async with lab.session.get(
                        f"{lab.address}/calc/none", headers={"X-Request-Id": f"m{at}"}
                    ) as got:
                        assert got.status == 404
                else:
                    await call(lab, "calc.get", **{"X-Request-Id": "same" if at % 4 else f"r{at}"})
            await call(lab, "calc.fails", **SHOWN)
            async with asyncio.timeout(SECONDS):
                while not any(span["traceId"] == TRACE for span in lab.collector.spans):
                    await asyncio.sleep(0.01)
            roots = [span for span in lab.collector.spans if span["kind"] == 2 and span["traceId"] != TRACE]
            found.append([(span["name"], said(span)["labgate.request_id"]) for span in roots])
    assert found[0] == found[1]
    assert len(found[0]) > 5


@pytest.mark.parametrize("log", [True, False])
async def test_a_slow_answer_is_told_of_whichever_way_it_came(lab_of, caplog, log):
    async with lab_of(sample=0) as lab:
        visits = []
        if log:
            lab.gate.metrics._log = lambda visit, now: visits.append(visit)
        lab.gate.metrics.slow = 1e-9  # whatever takes any time
        for _ in range(3):
            await call(lab, "calc.fails")
            async with lab.session.get(f"{lab.address}/calc/none") as got:
                assert got.status == 404
        told = [
            record.getMessage().partition(" took ")[0]
            for record in caplog.records
            if record.name == "labgate.slow"
        ]
    assert Counter(told) == {"calc.fails": 3, "calc.http": 3}
    if log:
        assert [visit.replica for visit in visits if visit.door == "mount"] == [
            next(iter(lab.gate.estate.upstreams["calc"].replicas))
        ] * 3
        assert all(visit.reason for visit in visits)


async def test_the_line_of_the_access_log_names_the_trace(lab_of):
    async with lab_of() as lab:
        visits = []
        lab.gate.metrics._log = lambda visit, now: visits.append(visit)
        await call(lab, "calc.get")
        async with lab.session.get(f"{lab.address}/calc/none"):
            pass
        spans = await recorded(lab, 2)
    assert [visit.trace for visit in visits] == [span["traceId"] for span in spans if span["kind"] == 2]


async def test_the_resource_and_the_headers_are_those_of_the_settings(lab_of):
    async with lab_of() as lab:
        await call(lab, "calc.get")
        await recorded(lab, 1)
    resource = said(lab.collector.batches[0]["resourceSpans"][0]["resource"])
    assert resource["service.name"] == "labgate"
    assert set(resource) == {"service.name", "service.version", "service.instance.id", "process.pid"}
    assert lab.collector.headers[0]["X-Key"] == "hunter2"
    assert lab.collector.headers[0]["Content-Type"] == "application/json"


# the exporter alone


@asynccontextmanager
async def exporting(**options):
    collector = Collector()
    async with served(web.post("/v1/traces", collector.take)) as url, aiohttp.ClientSession() as session:
        exporter = Exporter(f"{url}/v1/traces", {}, session, **{"every": 0.01, "pause": 0.001, **options})
        tracer = Tracer(exporter.take, 1.0, lambda: 5, lambda size: b"\1" * size)
        yield exporter, tracer, collector
        await exporter.close(1.0)


def ended(tracer):
    span = Span(tracer, "x", "internal", TraceContext("1" * 32, "2" * 16, True), None)
    span.end()


async def test_spans_that_are_too_many_are_lost_and_counted_and_nobody_waits():
    async with exporting(most=3) as (exporter, tracer, collector):
        for _ in range(5):
            ended(tracer)
        assert (exporter.lost, exporter.waiting) == (2, 3)
        exporter.start()
        await exporter.close()
        assert (exporter.sent, exporter.waiting, len(collector.spans)) == (3, 0, 3)


@pytest.mark.parametrize(("status", "asked"), [(503, ATTEMPTS), (400, 1), (302, 1)])
async def test_a_batch_is_sent_again_where_that_may_help_and_what_is_not_taken_is_lost(status, asked, caplog):
    async with exporting() as (exporter, tracer, collector):
        collector.says = status
        exporter.start()
        for _ in range(2):
            ended(tracer)
            wanted = exporter.lost + 1
            async with asyncio.timeout(SECONDS):
                while exporter.lost < wanted:
                    await asyncio.sleep(0.001)
        assert len(collector.headers) == 2 * asked
        collector.says = 200
        ended(tracer)
        async with asyncio.timeout(SECONDS):
            while not exporter.sent:
                await asyncio.sleep(0.001)
        counts = dict(exporter.events())
    assert counts == {("sent",): 1, ("lost",): 2}
    heard = Counter(record.levelname for record in caplog.records if record.name == "labgate.otlp")
    assert heard == {"WARNING": 1}, "once, until it takes them again"


async def test_a_collector_that_is_away_or_silent_keeps_the_gate_from_nothing():
    async with aiohttp.ClientSession() as session:
        exporter = Exporter("http://127.0.0.1:1/v1/traces", {}, session, every=0.01, pause=0.001)
        tracer = Tracer(exporter.take, 1.0, lambda: 5, lambda size: b"\1" * size)
        exporter.start()
        ended(tracer)
        await exporter.close()
        assert (exporter.sent, exporter.lost, exporter.waiting) == (0, 1, 0)
