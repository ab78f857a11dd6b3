"""`python -m bench` lists the benchmarks; `python -m bench NAME... | all [--rounds N] [--json FILE]` runs them."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from bench import harness

HERE = Path(__file__).parent


def registered(folder: Path = HERE) -> list[str]:
    """The files that define `rounds`. They are read, not imported: a list costs nothing and runs nothing."""
    return [path.stem for path in _files(folder) if _defines_rounds(path)]


def scripts(folder: Path = HERE) -> list[str]:
    """The files that stand for themselves: `python -m bench.NAME`."""
    return [path.stem for path in _files(folder) if not _defines_rounds(path) and "__name__" in path.read_text()]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if path.stem not in {"__init__", "__main__", "harness"})


def _defines_rounds(path: Path) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == "rounds" for node in ast.parse(path.read_text()).body)


def bench_named(name: str) -> harness.Bench:
    """The bench of the file `name`; its name is the file's."""
    if name not in registered():
        raise SystemExit(f"no benchmark {name!r}; there are: {', '.join(registered())}")
    bench: harness.Bench = import_module(f"bench.{name}").rounds()
    return replace(bench, name=name)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Lists or runs the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a benchmark, or `all`; none: the list")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="instead of the number the benchmark names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there as well")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SIDE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one:
        harness.report_one(bench_named(chosen.one[0]), chosen.one[1])
        return 0
    if not chosen.names:
        print("\n".join([*registered(), *(f"{name} (a script of its own: python -m bench.{name})" for name in scripts())]))
        return 0
    return run_all(registered() if chosen.names == ["all"] else chosen.names, chosen.rounds, chosen.json)


def run_all(names: Sequence[str], rounds: int, target: Path | None) -> int:
    """Each is run and printed; 1 when a target is not met."""
    results = []
    for bench in [bench_named(name) for name in names]:
        results.append(harness.run(replace(bench, count=rounds or bench.count)))
        print(harness.as_text(results[-1]), end="\n\n", flush=True)
    if target:
        target.write_text(harness.as_json(results) + "\n")
    return 0 if all(result.met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
