"""Contracts compiled from changed sources: the next version of one, or one with a mistake in it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.support.artifacts import CACHE, ROOT, Artifact, compile_all, sources_digest

_FORMATS = ("bytecode", "bytecode_runtime", "abi")


def variant(name: str, changes: Mapping[str, str]) -> Artifact:
    """One contract with pieces of its source replaced. Kept in `.cache/compiled` for as long as no source changes.

    :param changes: text -> replacement; each must occur exactly once.
    """
    digest = hashlib.sha256(json.dumps([sources_digest(), name, dict(changes)]).encode()).hexdigest()[:16]
    kept = CACHE / f"variant-{name}-{digest}.json"
    if not kept.is_file():
        aside = kept.with_suffix(f".{os.getpid()}.tmp")
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(_compile(name, changes)))
        aside.rename(kept)
    bytecode, runtime, abi = json.loads(kept.read_text())
    return replace(
        compile_all([name])[name],
        bytecode=bytes.fromhex(bytecode.removeprefix("0x")),
        runtime=bytes.fromhex(runtime.removeprefix("0x")),
        abi=tuple(json.loads(abi)),
    )


def _compile(name: str, changes: Mapping[str, str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "contracts"
        shutil.copytree(ROOT / "contracts", sources)
        path = sources / f"{name}.vy"
        text = path.read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
            text = text.replace(old, new)
        path.write_text(text)
        compiler = Path(sys.executable).parent / "vyper"
        command = [str(compiler), "-p", folder, "-f", ",".join(_FORMATS), str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[: len(_FORMATS)]
