"""What nodes do about their garbage collector. In processes of their own: it cannot be taken back."""

import subprocess
import sys

SCRIPT = """
import gc
from livepeer_client.nodes.memory import keep_what_is_loaded

loaded = len(gc.get_objects())
keep_what_is_loaded()
left = [[] for _ in range(10)]
print(loaded > 1000, gc.get_freeze_count() > loaded // 2, len(gc.get_objects()) < 1000)
"""


def test_keep_what_is_loaded__at_the_start__collections_look_at_nothing_that_was_there() -> None:
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.split() == ["True", "True", "True"]
