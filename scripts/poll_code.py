"""`ape run poll_code`: write the creation code of Poll into the module from which PollCreator takes it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
POLL = ROOT / "contracts" / "Poll.vy"
MODULE = ROOT / "contracts" / "modules" / "poll_code.vy"
_LINE = re.compile(r'^INIT_CODE: constant\(Bytes\[\d+\]\) = x"([0-9a-f]*)"$', re.MULTILINE)


def compiled_poll() -> bytes:
    """Creation code of the source as it is, without the compiler's metadata: comments do not change it."""
    command = [str(Path(sys.executable).parent / "vyper"), "--no-bytecode-metadata", "-f", "bytecode", str(POLL)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return bytes.fromhex(answer.strip().removeprefix("0x"))


def written_poll() -> bytes:
    """Creation code in the module."""
    found = _LINE.search(MODULE.read_text())
    assert found is not None, f"{MODULE} has no INIT_CODE"
    return bytes.fromhex(found[1])


@click.command()
def cli() -> None:
    """Write the module."""
    code = compiled_poll()
    line = f'INIT_CODE: constant(Bytes[{len(code)}]) = x"{code.hex()}"'
    MODULE.write_text(_LINE.sub(line, MODULE.read_text()))
    click.echo(f"{MODULE.relative_to(ROOT)}: {len(code)} bytes")
