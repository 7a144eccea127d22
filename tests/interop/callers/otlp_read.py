"""Reads batches of spans as a collector does, one a line of stdin, by the official messages of OTLP; prints what it understood.

In JSON the ids are hexadecimal, where Protobuf's own JSON has base64 (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
"""

import base64
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = ("traceId", "spanId", "parentSpanId")


def with_base64(value):
    if isinstance(value, list):
        return [with_base64(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(one)).decode() if name in IDS else with_base64(one)
        for name, one in value.items()
    }


found = []
for line in sys.stdin:
    batch = json_format.ParseDict(with_base64(json.loads(line)), ExportTraceServiceRequest())
    for resource in batch.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                assert (len(span.trace_id), len(span.span_id)) == (16, 8)
                assert span.start_time_unix_nano <= span.end_time_unix_nano
                found.append(
                    [span.name, span.kind, span.parent_span_id.hex(), span.status.code, len(span.attributes)]
                )
json.dump(found, sys.stdout)
