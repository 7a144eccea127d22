"""Limits and the audit log in a settings file: what they mean, and what is refused with the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import assembly
from gateway.core.limits import Limit, Named
from gateway.core.policy import NONE
from gateway.core.rates import Rate
from gateway.settings import examine
from gateway.settings.audit import STDERR

FINE = "services: {a: {url: 'http://h'}}\n"


def examined(tmp_path: Path, text: str):
    file = tmp_path / "labgate.yaml"
    file.write_text(FINE + text)
    return examine(file, {})


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("rate: 100/s", Limit(Rate(100, 1, 100))),
        ("rate: 6000/min", Limit(Rate(6000, 60, 6000))),
        ("rate: 100 / h, burst: 5", Limit(Rate(100, 3600, 5))),
        ("concurrency: 8", Limit(None, 8)),
        ("bytes: 10GiB/d", Limit(None, None, Rate(10 << 30, 86400, 10 << 30))),
    ],
)
def test_limits_are_said_alike_for_all_that_one_does_and_in_a_policy(tmp_path, said, meant):
    settings, _ = examined(
        tmp_path,
        f"limits: {{per_principal: {{{said}}}}}\npolicies: [{{to: authenticated, allow: '*', {said}}}]\n",
    )
    assert assembly.limits(settings) == {NONE: Named("caller", meant), 0: Named("policy-1", meant)}
    assert assembly.policies(settings).listed[0].limit == meant


def test_without_a_word_nothing_is_limited_and_nothing_is_audited(tmp_path):
    settings, _ = examined(tmp_path, "policies: [{to: authenticated, allow: '*'}]\n")
    assert assembly.limits(settings) == {}
    assert settings.telemetry.audit is None


@pytest.mark.parametrize(
    ("said", "where", "words"),
    [
        ("rate: 100", "rate", "like 100/s"),
        ("rate: 100/fortnight", "rate", "write /s, /min, /h or /d"),
        ("rate: -1/s", "rate", "whole number"),
        ("rate: 0/s", "rate", "whole number"),
        ("rate: [1/s]", "rate", "found a list"),
        ("burst: 5", "burst", "add rate: 100/s"),
        ("rate: 1/d, burst: 1000", "burst", "more than a year"),
        ("bytes: 10G/h", "bytes", "no unit of size"),
        ("bytes: 0B/h", "bytes", "more than 0"),
        ("concurrency: 0", "concurrency", "from 1 on"),
        ("rat: 1/s", "rat", "did you mean `rate`"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_place_and_the_fix(tmp_path, said, where, words):
    for text, at in (
        (f"limits: {{per_principal: {{{said}}}}}\n", f"limits.per_principal.{where}"),
        (f"policies: [{{to: authenticated, allow: '*', {said}}}]\n", f"policies[0].{where}"),
    ):
        settings, problems = examined(tmp_path, text)
        assert settings is None
        found = [problem for problem in problems if problem.level == "error"]
        assert [problem.path for problem in found] == [at]
        assert words in str(found[0])


def test_the_audit_log_is_a_file_or_stderr_or_off_or_said_in_full(tmp_path):
    def audit(said):
        return examined(tmp_path, f"telemetry: {{audit: {said}}}\n")[0].telemetry.audit

    assert audit("off") is None
    assert audit("stderr").file == STDERR
    assert audit("audit.jsonl").file == tmp_path / "audit.jsonl"
    full = audit("{file: audit.jsonl, required: true, params: names}")
    assert (full.file, full.required, full.params) == (tmp_path / "audit.jsonl", True, "names")
    _, problems = examined(tmp_path, "telemetry: {audit: {required: true}}\n")
    assert "telemetry.audit.file" in {problem.path for problem in problems}
