"""`python -m scripts._analysis`: what analysis says of the contracts, against what docs/static-analysis.md accepts.

Three readers: the compiler with its warnings as errors, the linter natrix, and the formatter mamushi. Answers are kept
under `.cache`, by the content of all that a source can import.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scripts._environment import ROOT, complete_path

DOCUMENT = ROOT / "docs" / "static-analysis.md"
CACHE = ROOT / ".cache" / "analysis"
TOOLS = ROOT / ".tools"
LINE_LENGTH = 120
WORKERS = 2

# A row of a table whose first cell is a rule of natrix.
ROW = re.compile(r"^\| (NTX\d+) \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")
IMPORT = re.compile(r"^from (\.+)([\w.]*) import (\w+)", re.MULTILINE)
NAMED = re.compile(r"'([^']+)'")

DOCUMENTATION = re.compile(r'""".*?"""', re.DOTALL)
LITERAL = re.compile(r'"[^"\n]*"')
AFTER_OPENING = re.compile(r"([(\[{]) ")
BEFORE_CLOSING = re.compile(r",? ([)\]}])")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One, or all of a kind in one function: line numbers move too often to tell them apart by."""

    rule: str
    file: str
    name: str

    def __str__(self) -> str:
        return f"{self.rule} {self.file}: {self.name}"


def sources() -> list[Path]:
    """What is deployed, and what it is made of."""
    folder = ROOT / "contracts"
    return sorted([*folder.glob("*.vy"), *folder.glob("modules/*.vy"), *folder.glob("interfaces/*.vyi")])


def digest(paths: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:32]


# --- the compiler ---------------------------------------------------------------------------------


def compiler_warnings() -> list[str]:
    """What `vyper -W error` refuses."""
    everything = sorted((ROOT / "contracts").rglob("*.vy*"))
    mark = CACHE / f"compiled-{digest(everything)}"
    if mark.is_file():
        return []
    deployable = [path for path in everything if path.suffix == ".vy" and path.parent.name != "modules"]
    run = subprocess.run(
        ["vyper", "-W", "error", "-p", ".", "-f", "abi", *(str(path.relative_to(ROOT)) for path in deployable)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode == 0:
        mark.touch()
        return []
    return [f"vyper -W error:\n{run.stderr.strip()}"]


# --- the linter -----------------------------------------------------------------------------------


def findings() -> set[Finding]:
    """Of natrix, on every contract and module."""
    files = [path for path in sources() if path.suffix == ".vy"]
    with ThreadPoolExecutor(WORKERS) as pool:
        return {finding for found in pool.map(_findings_in, files) for finding in found}


def _findings_in(path: Path) -> list[Finding]:
    key = digest(sorted({*read_with(path), ROOT / "requirements" / "natrix.txt"}))
    kept = CACHE / f"natrix-{path.stem}-{key}.json"
    if not kept.is_file():
        run = subprocess.run(
            [str(TOOLS / "natrix" / "bin" / "natrix"), "lint", "--json", str(path.relative_to(ROOT))],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        answer = json.loads(run.stdout) if run.stdout.strip() else None
        # With findings the exit code is 1; without any the answer is an empty list.
        if not isinstance(answer, list) or run.returncode not in (0, 1):
            raise SystemExit(f"natrix cannot read {path.relative_to(ROOT)}:\n{run.stdout}{run.stderr}")
        kept.write_text(json.dumps(answer))
    return [
        Finding(entry["code"], str(path.relative_to(ROOT / "contracts")), _name_in(entry["message"]))
        for entry in json.loads(kept.read_text())
    ]


def read_with(path: Path) -> set[Path]:
    """A source and everything that it imports, directly or not."""
    found, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for dots, package, name in IMPORT.findall(current.read_text()):
            folder = current.parent if len(dots) == 1 else current.parent.parent
            beside = folder.joinpath(*package.split("."), name) if package else folder / name
            waiting += [other for suffix in (".vy", ".vyi") if (other := beside.with_suffix(suffix)).is_file()]
    return found


def _name_in(message: str) -> str:
    named = NAMED.search(message)
    return named.group(1) if named else message


def accepted(document: str) -> tuple[set[str], set[Finding]]:
    """Rules that are off, and single findings that stay, as the document lists them."""
    off, single = set(), set()
    for rule, where in ROW.findall(document):
        if where == "everywhere":
            off.add(rule)
            continue
        file, *names = QUOTED.findall(where)
        single |= {Finding(rule, file, name) for name in names}
    return off, single


def lint_problems(found: set[Finding], document: str) -> list[str]:
    """Findings that nobody has looked at, and acceptances of what is no longer there."""
    off, single = accepted(document)
    new = sorted(finding for finding in found - single if finding.rule not in off)
    gone = sorted(single - found)
    return [f"natrix: {finding}: mend it, or say in docs/static-analysis.md why it stays" for finding in new] + [
        f"docs/static-analysis.md accepts what is not found any more: {finding}" for finding in gone
    ]


# --- the formatter --------------------------------------------------------------------------------


def layout_problems() -> list[str]:
    """Where spacing or indentation is not mamushi's. Line breaks, blank lines and comments are the authors'."""
    files = sources()
    mark = CACHE / f"layout-{digest([*files, ROOT / 'requirements' / 'mamushi.txt', Path(__file__)])}"
    if mark.is_file():
        return []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "contracts"
        shutil.copytree(ROOT / "contracts", copy)
        copies = [copy / path.relative_to(ROOT / "contracts") for path in files]
        run = subprocess.run(
            [str(TOOLS / "mamushi" / "bin" / "mamushi"), "--quiet", "-l", str(LINE_LENGTH), *map(str, copies)],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            return [f"mamushi cannot read the contracts:\n{run.stdout}{run.stderr}"]
        problems = [
            line
            for path, formatted in zip(files, copies, strict=True)
            for line in difflib.unified_diff(
                list(logical_lines(path.read_text())),
                list(logical_lines(formatted.read_text())),
                str(path.relative_to(ROOT)),
                "mamushi",
                lineterm="",
                n=0,
            )
        ]
    if not problems:
        mark.touch()
    return problems


def logical_lines(text: str) -> Iterator[str]:
    """Lines of code with what brackets hold together joined; without comments, documentation and blank lines."""
    pending, depth = "", 0
    for line in DOCUMENTATION.sub("", text).splitlines():
        bare = LITERAL.sub(_without_brackets, line)
        code = line[: bare.index("#")] if "#" in bare else line
        if not code.strip():
            continue
        pending = f"{pending} {code.strip()}" if pending else code.rstrip()
        depth += sum(bare[: len(code)].count(bracket) for bracket in "([{")
        depth -= sum(bare[: len(code)].count(bracket) for bracket in ")]}")
        if depth == 0:
            yield BEFORE_CLOSING.sub(r"\1", AFTER_OPENING.sub(r"\1", pending))
            pending = ""


def _without_brackets(literal: re.Match[str]) -> str:
    return "_" * len(literal.group())


def main() -> int:
    missing = [name for name in ("natrix", "mamushi") if not (TOOLS / name / ".ready").exists()]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} are not set up: `make check` does it, once")
    complete_path()
    CACHE.mkdir(parents=True, exist_ok=True)
    problems: Sequence[str] = [
        *compiler_warnings(),
        *lint_problems(findings(), DOCUMENT.read_text()),
        *layout_problems(),
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
