"""One client's work, timed, in turns with a bare http.client: `anchors_session.py CLIENT PORT ROUNDS` prints JSON.

`made` are seconds for a first client behind its import, `second` for one more, `size` the bytes that this one takes,
`call` and `bare` the medians of small calls, a pair for each round.
"""

import http.client
import json
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

BLOCK = 200
_PROJECT = {"projectUid": {"type": "string", "required": True, "location": "path"}}
_GET = {"id": "jobs.get", "path": "jobs/{projectUid}", "httpMethod": "GET", "parameters": _PROJECT}
DISCOVERY = {
    "kind": "discovery#restDescription",
    "name": "jobs",
    "version": "v1",
    "rootUrl": "http://127.0.0.1:PORT/",
    "servicePath": "",
    "batchPath": "batch",
    "parameters": {},
    "schemas": {},
    "resources": {"jobs": {"methods": {"get": _GET}}},
}
WSDL = """<?xml version="1.0"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:jobs"
 xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:jobs">
<types><x:schema targetNamespace="urn:jobs" elementFormDefault="qualified">
<x:element name="GetJob"><x:complexType><x:sequence><x:element name="uid" type="x:string"/></x:sequence></x:complexType></x:element>
<x:element name="GetJobResponse"><x:complexType><x:sequence><x:element name="status" type="x:string"/></x:sequence></x:complexType></x:element>
</x:schema></types>
<message name="In"><part name="p" element="t:GetJob"/></message><message name="Out"><part name="p" element="t:GetJobResponse"/></message>
<portType name="P"><operation name="GetJob"><input message="t:In"/><output message="t:Out"/></operation></portType>
<binding name="B" type="t:P"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
<operation name="GetJob"><soap:operation soapAction="GetJob"/><input><soap:body use="literal"/></input>
<output><soap:body use="literal"/></output></operation></binding>
<service name="S"><port name="P" binding="t:B"><soap:address location="http://127.0.0.1:PORT/soap"/></port></service></definitions>
"""


def labgate_client(port):
    import labgate

    folder = tempfile.mkdtemp()
    return lambda: labgate.connect(
        f"http://127.0.0.1:{port}", token="t", cache_dir=folder
    ), lambda lab: lab.jobs.get_job("P3")


def boto3_client(port):
    import boto3

    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    session = boto3.Session(**keys)
    return lambda: session.client(
        "dynamodb", endpoint_url=f"http://127.0.0.1:{port}"
    ), lambda made: made.list_tables(Limit=1)


def google_client(port):
    from googleapiclient.discovery import build_from_document

    text = json.dumps(DISCOVERY).replace("PORT", port)
    http = __import__("httplib2").Http()
    return lambda: build_from_document(
        text, http=http
    ), lambda made: made.jobs().get(projectUid="P3").execute()


def zeep_client(port):
    import zeep

    file = Path(tempfile.mkdtemp(), "jobs.wsdl")
    file.write_text(WSDL.replace("PORT", port))
    return lambda: zeep.Client(str(file)), lambda made: made.service.GetJob("P3")


def cryosparc_client(port):
    from cryosparc.command import CommandClient

    return lambda: CommandClient("core", "127.0.0.1", int(port)), lambda made: made.get_job("P3")


CLIENTS = {
    "labgate": labgate_client,
    "boto3": boto3_client,
    "google": google_client,
    "zeep": zeep_client,
    "cryosparc-tools": cryosparc_client,
}


def median_of(action):
    times = []
    for _ in range(BLOCK):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main(name, port, rounds):
    make, call = CLIENTS[name](port)
    began = time.perf_counter()
    first = make()
    made = time.perf_counter() - began
    assert call(first)
    call(make())  # what is made once for all clients is there now
    began = time.perf_counter()
    second = make()
    again = time.perf_counter() - began
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    third = make()
    call(third)
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    bare = http.client.HTTPConnection("127.0.0.1", int(port))
    fields = {"Content-Type": "application/json", "Authorization": "Bearer t"}

    def plain():
        bare.request("POST", "/rpc", body=b'{"jsonrpc":"2.0","id":1,"method":"jobs.get_job"}', headers=fields)
        bare.getresponse().read()

    pairs = [(median_of(lambda: call(second)), median_of(plain)) for _ in range(int(rounds))]
    own, theirs = zip(*pairs, strict=True)
    print(json.dumps({"made": made, "second": again, "size": size, "call": own, "bare": theirs}))
    sys.stdout.flush()
    os._exit(0)  # what a client leaves open is its own affair


if __name__ == "__main__":
    main(*sys.argv[1:])
