"""`python -m scripts._gas`: measure every scenario of the gas table, write it, tell what changed.

The table is tests/contracts/gas.json; the reference's figures beside it come from tests/contracts/gas_reference.json.
"""

from __future__ import annotations

from pathlib import Path

from scripts._own_tests import use_own_tests

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "compiled"
# Smaller changes are not listed.
NOTABLE = 0.001


def main() -> None:
    """Measure, write, report."""
    use_own_tests()
    from tests.contracts.gas.scenarios import measure
    from tests.contracts.gas.table import (
        EXEMPT,
        LEFT_OUT,
        TABLE,
        committed,
        markdown,
        reference,
        render,
        summary,
    )
    from tests.support.anvil import compile_suite

    CACHE.mkdir(parents=True, exist_ok=True)
    before = committed() if TABLE.is_file() else {}
    ours = measure(compile_suite(CACHE))
    TABLE.write_text(render(ours))

    for name, row in ours.items():
        old = before.get(name, row)["proxy"]
        if abs(row["proxy"] - old) > NOTABLE * old:
            print(f"{name}: {old:,} -> {row['proxy']:,} ({(row['proxy'] - old) / old:+.1%})")

    theirs, found = reference(), summary(ours)
    print(markdown(ours))
    print()
    print(f"reproduced: {found.reproduced} of {found.total}")
    for name, reason in LEFT_OUT.items():
        print(f"  left out, counted as 1.00: {name}: {reason}")
    print(f"geometric mean, proxied: {found.geometric_mean:.4f}, direct: {summary(ours, 'direct').geometric_mean:.4f}")
    print("worst, proxied:")
    for name, ratio in found.worst:
        print(f"  {ratio:.3f}  {name}: {ours[name]['proxy']:,} against {theirs[name]['proxy']:,}")
    print("exempt:")
    for name in EXEMPT:
        print(f"  {ours[name]['proxy'] / theirs[name]['proxy']:.3f}  {name}")


if __name__ == "__main__":
    main()
