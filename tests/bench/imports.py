"""CPU time and modules of `import livepeer_client` and of what is asked of it, beside `import web3`, in one run.

`python tests/bench/imports.py`: medians of fresh interpreters, less one that imports nothing.
"""

import json
import statistics
import subprocess
import sys

ROUNDS = 15
STATEMENTS = {
    "import livepeer_client": "import livepeer_client",
    "... and a ticket judged": "from livepeer_client import is_winning; is_winning(bytes(65), 1, 2)",
    "... and Suite, JsonRpc": "from livepeer_client import JsonRpc, Suite",
    "... and Gateway": "from livepeer_client import Gateway",
    "import web3": "import web3",
}
PROGRAM = "import time\n{}\nimport sys, json; print(json.dumps([time.process_time(), len(sys.modules)]))"


def measured(statement: str) -> tuple[float, int]:
    """Median CPU milliseconds since the interpreter started, and modules loaded."""
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", PROGRAM.format(statement)], capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(ROUNDS)
    ]
    return statistics.median(seconds for seconds, _ in runs) * 1000, int(runs[0][1])


def main() -> None:
    nothing, modules = measured("")
    print(f"{'':28}{'CPU ms':>8}{'modules':>9}")
    for name, statement in STATEMENTS.items():
        took, loaded = measured(statement)
        print(f"{name:28}{took - nothing:8.0f}{loaded - modules:9}")


main()
