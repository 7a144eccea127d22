"""`./dev fuzz [TARGET]…`: give the parsers bytes that atheris makes up, led by what they do with them.

Each target runs for a bounded time in a process of its own, from the seeds in corpus/. What breaks one is printed as a line
for its file there, where ordinary tests run it from then on. Needs atheris, which `./dev fuzz` installs where it can be had.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED = re.compile(r"cov: (\d+)")


def targets() -> ModuleType:
    """The module targets.py."""
    spec = importlib.util.spec_from_file_location("fuzz_targets", HERE / "targets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def fuzz(name: str, words: list[str]) -> None:
    """Run one target in this process; it ends with it."""
    import atheris

    with atheris.instrument_imports(include=["gateway", "labgate", "fuzz_targets"]):
        found = targets()
    atheris.Setup([sys.argv[0], *words], found.TARGETS[name])
    atheris.Fuzz()


def run(name: str, seeds: list[bytes], seconds: int) -> bool:
    """Run one target in a process of its own; whether it kept its law."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            corpus.joinpath(f"seed-{number}").write_bytes(seed)
        command = [sys.executable, __file__, "--one", name, "--", str(corpus)]
        command += [f"-max_total_time={seconds}", "-print_final_stats=1", "-rss_limit_mb=2048", "-timeout=10"]
        command += ["-max_len=4096", f"-artifact_prefix={folder}/broke-"]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
        executed = _EXECUTED.findall(done.stderr)
        covered = _COVERED.findall(done.stderr)
        broken = sorted(Path(folder).glob("broke-*"))
        print(
            f"{name:<14} {int(executed[-1]) if executed else 0:>10,} inputs, {covered[-1] if covered else '?'} edges"
            f"{'' if not broken else ', BROKEN'}",
            flush=True,
        )
        for one in broken:
            print(f"  {one.name.split('-')[1]}, a line for corpus/{name}.txt: {one.read_bytes()!r}")
        if broken or done.returncode:
            print("\n".join(f"  {line}" for line in done.stderr.splitlines()[-30:] if "stat::" not in line))
        return not broken and not done.returncode


def main() -> int:
    """Run the targets that are named, all without names."""
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--one", metavar="TARGET", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        fuzz(args.one, args.targets)
        return 0
    known = targets()
    unknown = set(args.targets).difference(known.TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(known.TARGETS)}")
    kept = [run(name, known.seeds(name), args.seconds) for name in args.targets or known.TARGETS]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
