"""Some dependency installs a package called `tests`, which would be found instead of this project's."""

import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def use_own_tests() -> None:
    """From now on `tests` is this project's, for commands that use what the tests use."""
    package = types.ModuleType("tests")
    package.__path__ = [str(ROOT / "tests")]
    sys.modules["tests"] = package
