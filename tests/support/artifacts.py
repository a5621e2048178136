"""The contracts, compiled once per state of the sources and kept in `.cache/compiled`.

The compiler's command line is used and not Ape, so that whoever needs only bytecode need not wait for Ape to start.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "compiled"
PROXIED = ("TicketBroker", "BondingManager", "BondingVotes", "RoundsManager", "ServiceRegistry")
PLAIN = ("Controller", "Minter", "LivepeerToken", "L2LPTDataCache", "ManagerProxy")
SUITE = (*PLAIN, *PROXIED)
_FORMATS = ("bytecode", "bytecode_runtime", "abi")


@dataclass(frozen=True, slots=True)
class Artifact:
    """What the compiler says about one contract."""

    name: str
    path: str
    bytecode: bytes
    """Code of creation; constructor arguments follow it."""
    runtime: bytes
    """Code as it is on chain, but for immutables."""
    abi: tuple[Mapping[str, Any], ...]


def sources_digest() -> str:
    """Names one state of all Vyper sources and of the compiler."""
    digest = hashlib.sha256(version("vyper").encode())
    for path in sorted((ROOT / "contracts").rglob("*.vy*")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def compile_all(names: Iterable[str], cache_dir: Path = CACHE) -> dict[str, Artifact]:
    """Artifacts by contract name.

    :param names: of files in contracts/, without suffix; mocks as `mocks/Name`.
    :raises subprocess.CalledProcessError: the compiler refuses a source.
    """
    wanted = tuple(names)
    digest = sources_digest()
    kept = {name: cache_dir / f"{name.replace('/', '-')}-{digest}.json" for name in wanted}
    missing = [name for name in wanted if not kept[name].is_file()]
    if missing:
        cache_dir.mkdir(parents=True, exist_ok=True)
        for name, outputs in zip(missing, _compile(missing), strict=True):
            # Written aside and renamed: a test that runs at the same time never reads half a file.
            aside = kept[name].with_suffix(f".{hashlib.sha256(str(cache_dir).encode()).hexdigest()[:6]}.tmp")
            aside.write_text(json.dumps(dict(zip(_FORMATS, outputs, strict=True))))
            aside.rename(kept[name])
    return {name.rpartition("/")[2]: _read(name, kept[name]) for name in wanted}


def _compile(names: list[str]) -> list[list[str]]:
    compiler = Path(sys.executable).parent / "vyper"
    files = [f"contracts/{name}.vy" for name in names]
    command = [str(compiler), "-p", str(ROOT), "-f", ",".join(_FORMATS), *files]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [lines[start : start + len(_FORMATS)] for start in range(0, len(names) * len(_FORMATS), len(_FORMATS))]


def _read(name: str, path: Path) -> Artifact:
    kept = json.loads(path.read_text())
    return Artifact(
        name=name.rpartition("/")[2],
        path=f"contracts/{name}.vy",
        bytecode=bytes.fromhex(kept["bytecode"].removeprefix("0x")),
        runtime=bytes.fromhex(kept["bytecode_runtime"].removeprefix("0x")),
        abi=tuple(json.loads(kept["abi"])),
    )


@cache
def suite_artifacts() -> dict[str, Artifact]:
    """Every contract that a deployment needs."""
    return compile_all(SUITE)
