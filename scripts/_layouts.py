"""`python -m scripts._layouts`: write the storage layout of every contract behind a proxy.

The files are committed. A change in one of them is a change of what the next upgrade finds in storage.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from scripts._protocol import PROXIED

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "contracts" / "layouts"


def layout_of(name: str) -> dict[str, object]:
    """Variable -> slot, number of slots and type, modules as nested objects."""
    printed = subprocess.run(
        ["vyper", "-p", str(ROOT), "-f", "layout", str(ROOT / "contracts" / f"{name}.vy")],
        capture_output=True,
        text=True,
        check=True,
    )
    storage: dict[str, object] = json.loads(printed.stdout)["storage_layout"]
    return storage


def render(layout: dict[str, object]) -> str:
    return json.dumps(layout, indent=1) + "\n"


def snapshot(name: str) -> Path:
    return FOLDER / f"{name}.json"


if __name__ == "__main__":
    for contract in PROXIED:
        snapshot(contract).write_text(render(layout_of(contract)))
