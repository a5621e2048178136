"""`python -m scripts._fuzz --minutes N [--seed S]`: random histories of the contracts beside their model.

They go on until the time is over or something is wrong. A seed is a history: that of the first is S, the next ones
follow it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from scripts._own_tests import use_own_tests

STEPS = 2000
REPORT_EVERY_S = 10
SHRINK_S = 180


def main() -> int:
    """Play, report; 1 if a failure was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, help="of the first history; chosen by chance if it is left out")
    arguments = parser.parse_args()
    use_own_tests()
    from tests.support.stateful.history import Failure, Tally, play, shrink, story

    first = secrets.randbelow(10**9) if arguments.seed is None else arguments.seed
    print(f"seed {first}, {arguments.minutes:g} minutes, histories of {STEPS} steps")
    start = reported = time.monotonic()
    total, seed = Tally(), first
    while time.monotonic() - start < 60 * arguments.minutes:
        try:
            total.add(play(seed, STEPS))
        except Failure as failure:
            print(f"\nFAILED: {failure}\n\nlooking for fewer steps, {SHRINK_S} s at most ...", flush=True)
            print(story(shrink(failure, SHRINK_S)))
            print(f"again: make fuzz MINUTES=1 SEED={seed}")
            return 1
        seed += 1
        if time.monotonic() - reported >= REPORT_EVERY_S:
            reported = time.monotonic()
            rate = total.calls / (reported - start)
            done = f"{seed - first} histories, {total.calls:,} calls applied, {rate:,.0f} a second"
            print(f"{reported - start:6.0f} s  {done}", flush=True)
    _summary(total, seed - first)
    return 0


def _summary(total: object, histories: int) -> None:
    """What was done, rule by rule."""
    from tests.support.stateful.history import Tally
    from tests.support.stateful.rules_money import RULES

    assert isinstance(total, Tally)
    names = sorted({*RULES, *total.applied, *total.refused})
    print(f"\n{'rule':<26}{'applied':>10}{'refused':>10}")
    for name in names:
        print(f"{name:<26}{total.applied[name]:>10,}{total.refused[name]:>10,}")
    print(f"\n{histories} histories, {total.steps:,} steps, {total.calls:,} calls applied")
    print("contracts and model agree; invariants checked: ", end="")
    print(", ".join(f"{name.strip('_')} {count:,}" for name, count in sorted(total.held.items())))


if __name__ == "__main__":
    sys.exit(main())
