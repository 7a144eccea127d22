"""Limits and the audit log in a settings file: what they mean, and what is refused with the fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway import assembly
from gateway.core.limits import Limit, Named
from gateway.core.policy import NONE
from gateway.core.rates import Rate
from gateway.outcomes import Bounds
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


def test_what_is_kept_of_outcomes_can_be_said_and_whether_it_is_promised(tmp_path):
    def kept(text: str) -> tuple[Bounds, float]:
        settings, problems = examined(tmp_path, text + f"state_dir: {tmp_path}/state\n")
        assert settings is not None, problems
        outcomes = assembly.outcomes(settings, lambda: 0.0, lambda: 0.0)
        outcomes.close()
        return outcomes.bounds, assembly.keeps_outcomes(settings)

    assert kept("") == (Bounds(600.0, 2000, 16 << 20), 600.0)
    said = "limits: {outcomes: {seconds: 1h, count: 10, size: 1MiB%s}}\n"
    assert kept(said % "") == (Bounds(3600.0, 10, 1 << 20), 3600.0)
    assert kept(said % ", promised: false")[1] == 0.0
    redis = "cache: {redis: {url: 'redis://h'}}\nidentity: {signing_keys: ['${file:%s}']}\n"
    key = tmp_path / "key.pem"
    key.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    assert kept(redis % key)[1] == 600.0
    assert kept(redis % key + said % ", promised: false")[1] == 0.0


@pytest.mark.parametrize(
    ("said", "where", "words"),
    [
        ("{status: s}", "job.done", "missing"),
        ("{done: []}", "job.done", "at least one"),
        ("{done: [a, b], failed: [b]}", "job.failed", "done and failed"),
        ("{done: a, of: 0}", "job.of", "whole number"),
        ("{done: a, state: s}", "job.state", "no such setting"),
    ],
)
def test_what_a_rule_says_of_jobs_is_checked(tmp_path, said, where, words):
    file = tmp_path / "labgate.yaml"
    file.write_text(f"services: {{a: {{url: 'http://h', methods: {{get_x: {{job: {said}}}}}}}}}\n")
    settings, problems = examine(file, {})
    assert settings is None
    assert any(where in str(one) and words in str(one) for one in problems), "\n".join(map(str, problems))
