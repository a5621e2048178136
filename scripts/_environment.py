"""What a shell would have to export: where `vyper` and `anvil` are. Ape looks both up by name.

It also leaves out a warning of Ape's own settings, which Ape prints at every start and nobody can do anything about.

With this, `ape run`, `ape test` and the tools work in any shell, with the environment activated or not.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def complete_path() -> None:
    """Put the checkout's anvil and the compiler that is installed beside this Python first on PATH; once is enough."""
    present = os.environ.get("PATH", os.defpath).split(os.pathsep)
    wanted = [str(ROOT / "scripts" / "_bin"), str(Path(sys.executable).parent)]
    warnings.filterwarnings("ignore", message="Field 'import_remapping'")
    os.environ["PATH"] = os.pathsep.join([*wanted, *(entry for entry in present if entry not in wanted)])
