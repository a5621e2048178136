"""`make mutants [SUITE=contracts|client] [ONLY=K6,I3]`: bring each bad rule back, and see that a test fails on it.

A mutant is a small edit of the sources (`tests/mutants/SUITE.toml`). It is applied in a copy of the tree, what it
changes is compiled, and the tests that it names are run there. It is killed if every one of them fails in its own
assertions: an edit that does not compile, or a test that cannot be set up, proves nothing and counts as not killed.

Verdicts are kept in `.cache/mutants` for as long as nothing changes that they depend on.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

from scripts._mutant_tables import Mutant, Suite, load, suite_names

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "mutants"
TIMEOUT_S = 900
WORKERS = 2
# Tests here do without Ape, which takes longer to start than they take to run.
WITHOUT_APE = ("tests/client/", "tests/contracts/safety/", "tests/contracts/stateful/", "tests/e2e/")


@dataclass(slots=True)
class Verdict:
    """What became of a mutant: `killed`, or why it is not."""

    outcome: str
    detail: str = ""
    seconds: float = 0.0
    is_kept: bool = field(default=False, compare=False)

    @property
    def is_killed(self) -> bool:
        return self.outcome == "killed"


# --- a copy of the tree -----------------------------------------------------------------------------------------------


def listed_files() -> Iterator[str]:
    """Every file of the project, committed or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, printed.split("\0")):
        if (ROOT / name).is_file():
            yield name


def environment(tree: Path) -> dict[str, str]:
    """Programs of this checkout, code of the copy."""
    path = f"{tree / 'scripts' / 'bin'}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "PATH": path,
        "PYTHONPATH": str(tree / "client"),
        "APE_DATA_FOLDER": str(tree / ".ape"),
        "PYTHONWARNINGS": "ignore:Field 'import_remapping'",
    }


def copy_tree(target: Path) -> None:
    for name in listed_files():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, path)
    for name in ("node_modules", ".venv"):
        (target / name).symlink_to(ROOT / name)
    shared = ROOT.parent / "shared"
    if shared.exists() and not (target.parent / "shared").exists():
        (target.parent / "shared").symlink_to(shared.resolve())
    if (ROOT / ".build").is_dir():
        shutil.copytree(ROOT / ".build", target / ".build")
    if (ROOT / ".cache" / "compiled").is_dir():
        shutil.copytree(ROOT / ".cache" / "compiled", target / ".cache" / "compiled")


# --- contracts: compile what changed, keep the rest -------------------------------------------------------------------


def artifacts_module(tree: Path) -> Any:
    """`tests/support/artifacts.py` of a tree, whose paths follow from where it lies."""
    path = tree / "tests" / "support" / "artifacts.py"
    name = f"artifacts_of_{hashlib.sha256(str(tree).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def affected_contracts(tree: Path, files: Iterable[str]) -> list[str]:
    """Contracts, without suffix and mocks as `mocks/Name`, whose code a change of these files may change."""
    changed = {(tree / name).resolve() for name in files}
    folder = tree / "contracts"
    sources = [*sorted(folder.glob("*.vy")), *sorted((folder / "mocks").glob("*.vy"))]
    return [path.relative_to(folder).with_suffix("").as_posix() for path in sources if closure(path) & changed]


def closure(path: Path) -> set[Path]:
    """A source and all that it imports."""
    found, open_ = set(), [path.resolve()]
    while open_:
        source = open_.pop()
        if source in found:
            continue
        found.add(source)
        for line in source.read_text().splitlines():
            match = re.match(r"from (\.+)([\w.]*) import (\w+)", line)
            if match is None:
                continue
            dots, package, name = match.groups()
            base = source.parent
            for _ in dots[1:]:
                base = base.parent
            for suffix in (".vy", ".vyi"):
                imported = base.joinpath(*filter(None, package.split("."))) / f"{name}{suffix}"
                if imported.is_file():
                    open_.append(imported.resolve())
    return found


def compile_changed(tree: Path, before: str, affected: list[str], needs_ape: bool) -> None:
    """:raises subprocess.CalledProcessError: the compiler refuses."""
    artifacts = artifacts_module(tree)
    after = artifacts.sources_digest()
    for kept in artifacts.CACHE.glob(f"*-{before}.json"):
        name = kept.name.removesuffix(f"-{before}.json")
        if name.replace("mocks-", "mocks/") not in affected and not name.startswith("variant-"):
            target = kept.with_name(f"{name}-{after}.json")
            if not target.exists():
                os.link(kept, target)
    artifacts.compile_all([name for name in affected if not name.startswith("mocks/")])
    if needs_ape:
        paths = [f"contracts/{name}.vy" for name in affected]
        subprocess.run(
            [str(ROOT / ".venv/bin/ape"), "compile", "-f", *paths],
            cwd=tree,
            env=environment(tree),
            capture_output=True,
            check=True,
        )
        mark_build_fresh(tree)


def mark_build_fresh(tree: Path) -> None:
    """As `scripts/_build.py` does after a complete build."""
    digest = hashlib.sha256()
    for source in sorted(tree.glob("contracts/**/*.vy*")):
        digest.update(source.relative_to(tree).as_posix().encode() + source.read_bytes())
    (tree / ".build" / "contracts.sha256").write_text(digest.hexdigest())


# --- running ----------------------------------------------------------------------------------------------------------


def needs_ape(test: str) -> bool:
    return not test.startswith(WITHOUT_APE)


def run_tests(tree: Path, tests: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Test -> (outcome of its cases taken together, first message). Outcomes: `failed` if any case fails in the test
    itself, else `error` if any could not be set up, else `passed`; `absent` if there is no such test."""
    found: dict[str, tuple[str, str]] = {}
    for with_ape in (False, True):
        group = [test for test in tests if needs_ape(test) is with_ape]
        if not group:
            continue
        report = tree / ".cache" / "junit.xml"
        report.parent.mkdir(exist_ok=True)
        report.unlink(missing_ok=True)
        python = ROOT / ".venv" / "bin"
        start = (
            [str(python / "ape"), "test"] if with_ape else [str(python / "python"), "-m", "pytest", "-p", "no:ape_test"]
        )
        run = subprocess.run(
            [*start, "-q", "--tb=short", f"--junitxml={report}", "-p", "no:cacheprovider", *group],
            cwd=tree,
            env=environment(tree),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        # A file of our own making.
        cases = list(ElementTree.parse(report).iter("testcase")) if report.is_file() else []  # noqa: S314
        for test in group:
            found[test] = outcome_of(test, cases, run.stdout[-2000:] + run.stderr[-2000:])
    return found


def outcome_of(test: str, cases: list[ElementTree.Element], output: str) -> tuple[str, str]:
    file, _, name = test.partition("::")
    module = file.removesuffix(".py").replace("/", ".")
    own = [
        case
        for case in cases
        if case.get("classname") == module and (case.get("name") == name or case.get("name", "").startswith(f"{name}["))
    ]
    if not own:
        return "absent", output
    for kind, outcome in (("failure", "failed"), ("error", "error")):
        for case in own:
            for child in case.iter(kind):
                return outcome, f"{child.get('message', '')}\n{child.text or ''}"
    return "passed", ""


def judge(tree: Path, mutant: Mutant) -> Verdict:
    """Apply, compile, run, and put the tree back as it was."""
    started = time.monotonic()
    sources = mutant.sources(tree)
    originals = {name: (tree / name).read_text() for name in sources}
    is_contract = any(name.startswith("contracts/") for name in sources)
    build = tree / ".build"
    kept_build = tree / ".cache" / "build"
    try:
        before = artifacts_module(tree).sources_digest() if is_contract else ""
        for name, text in sources.items():
            (tree / name).write_text(text)
        if is_contract:
            with_ape = any(map(needs_ape, mutant.tests))
            if with_ape and build.is_dir():
                shutil.copytree(build, kept_build)
            try:
                compile_changed(tree, before, affected_contracts(tree, sources), with_ape)
            except subprocess.CalledProcessError as error:
                return Verdict("does not compile", tail(error.stderr or error.stdout))
        results = run_tests(tree, mutant.tests)
        verdict = verdict_of(mutant, results)
    except subprocess.TimeoutExpired:
        verdict = Verdict("timed out")
    finally:
        for name, text in originals.items():
            (tree / name).write_text(text)
        if kept_build.is_dir():
            shutil.rmtree(build)
            kept_build.rename(build)
    verdict.seconds = time.monotonic() - started
    return verdict


def verdict_of(mutant: Mutant, results: dict[str, tuple[str, str]]) -> Verdict:
    for test, (outcome, message) in results.items():
        if outcome == "passed":
            return Verdict("SURVIVED", test)
        if outcome != "failed":
            return Verdict(f"test {outcome}", f"{test}\n{tail(message)}")
        if "CalledProcessError" in message.partition("\n")[0]:
            return Verdict("does not compile", tail(message))
        if mutant.because is not None and re.search(mutant.because, message) is None:
            return Verdict("failed for another reason", f"{test}: no {mutant.because!r} in\n{tail(message)}")
    return Verdict("killed")


def tail(text: str | bytes, lines: int = 12) -> str:
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    return "\n".join(text.strip().splitlines()[-lines:])


# --- what is kept -----------------------------------------------------------------------------------------------------


def key_of(mutant: Mutant) -> str:
    """Names all that the verdict depends on: the edited sources, their neighbours, the tests and their support."""
    digest = hashlib.sha256(repr(mutant).encode())
    folders = ["contracts", "scripts"] if mutant.suite == "contracts" else ["client", "contracts"]
    paths = {path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".vy", ".vyi")}
    paths |= set((ROOT / "tests" / "support").rglob("*.py")) | {ROOT / "pyproject.toml", ROOT / "tests" / "conftest.py"}
    for test in mutant.tests:
        folder = (ROOT / test.partition("::")[0]).parent
        while folder != ROOT / "tests":
            paths |= set(folder.glob("*.py"))
            folder = folder.parent
    for path in sorted(paths):
        if path.name != "_mutants.py":
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


class Memory:
    """Verdicts of earlier runs."""

    def __init__(self, suite: str) -> None:
        self.path = CACHE / f"{suite}.json"
        self.entries: dict[str, Any] = json.loads(self.path.read_text()) if self.path.is_file() else {}

    def recall(self, name: str, key: str) -> Verdict | None:
        entry = self.entries.get(name)
        if entry is None or entry["key"] != key:
            return None
        return Verdict("killed", seconds=entry["seconds"], is_kept=True)

    def keep(self, name: str, key: str, verdict: Verdict) -> None:
        """Only what was killed: everything else is worth another look."""
        if not verdict.is_killed:
            return
        self.entries[name] = {"key": key, "seconds": verdict.seconds}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".tmp")
        aside.write_text(json.dumps(self.entries, indent=1, sort_keys=True))
        aside.rename(self.path)


# --- command ----------------------------------------------------------------------------------------------------------


def run_suite(suite: Suite, only: set[str], workers: int, *, use_cache: bool) -> list[tuple[Mutant, Verdict]]:
    """Judge the mutants of a suite, printing as they come."""
    chosen = [mutant for mutant in suite.mutants if not only or {mutant.rule, mutant.id} & only]
    memory = Memory(suite.name)
    keys = {mutant.id: key_of(mutant) for mutant in chosen}
    results: list[tuple[Mutant, Verdict]] = []

    def report(mutant: Mutant, verdict: Verdict) -> None:
        results.append((mutant, verdict))
        note = "as before" if verdict.is_kept else f"{verdict.seconds:.1f} s"
        print(f"[{len(results)}/{len(chosen)}] {verdict.outcome:9} {mutant.id} ({note})", flush=True)
        if not verdict.is_killed:
            print("    " + verdict.detail.replace("\n", "\n    "), flush=True)

    todo = []
    for mutant in chosen:
        kept = memory.recall(mutant.id, keys[mutant.id]) if use_cache else None
        report(mutant, kept) if kept else todo.append(mutant)
    if not todo:
        return results

    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees: Queue[Path] = Queue()
        for number in range(min(workers, len(todo))):
            tree = Path(folder) / str(number) / "tree"
            tree.mkdir(parents=True)
            copy_tree(tree)
            trees.put(tree)
        check_baseline(trees, todo)

        def work(mutant: Mutant) -> Verdict:
            tree = trees.get()
            try:
                return judge(tree, mutant)
            finally:
                trees.put(tree)

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            running = {pool.submit(work, mutant): mutant for mutant in todo}
            for done in concurrent.futures.as_completed(running):
                mutant, verdict = running[done], done.result()
                memory.keep(mutant.id, keys[mutant.id], verdict)
                report(mutant, verdict)
    return results


def check_baseline(trees: Queue[Path], mutants: list[Mutant]) -> None:
    """The named tests must pass on the sources as they are, or their failures would mean nothing.

    :raises SystemExit: they do not.
    """
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    print(f"{len(tests)} tests on the sources as they are ...", flush=True)
    everyone = [trees.get() for _ in range(trees.qsize())]
    outcomes = run_tests(everyone[0], tests)
    # The others start from what the first one has compiled.
    for tree in everyone[1:]:
        for name in (".build", ".cache/compiled"):
            if (everyone[0] / name).is_dir():
                shutil.copytree(everyone[0] / name, tree / name, dirs_exist_ok=True)
    for tree in everyone:
        trees.put(tree)
    broken = [
        f"{test}: {outcome}\n{tail(message)}" for test, (outcome, message) in outcomes.items() if outcome != "passed"
    ]
    if broken:
        raise SystemExit("these tests must pass first:\n" + "\n".join(broken))


def main() -> None:
    """Print killed of total; non-zero exit if any mutant is not killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=suite_names(), help="one table only")
    parser.add_argument("--only", default="", help="rules or mutants, separated by commas")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--no-cache", action="store_true", help="judge everything again")
    options = parser.parse_args()

    started, results = time.monotonic(), []
    only = set(filter(None, options.only.split(",")))
    for name in [options.suite] if options.suite else suite_names():
        results += run_suite(load(name), only, options.workers, use_cache=not options.no_cache)
    if not results:
        raise SystemExit(f"no mutant matches {options.only!r}")
    killed = sum(verdict.is_killed for _, verdict in results)
    again = sum(not verdict.is_kept for _, verdict in results)
    print(f"killed {killed} of {len(results)} mutants; {again} judged now, {time.monotonic() - started:.0f} s")
    if killed < len(results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
