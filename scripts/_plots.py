"""`python -m scripts._plots [--check]`: the figures of the README as pictures, from the measurements in git.

The same data give the same bytes: no dates, no random ids, and text as text.
"""

import argparse
import io
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
# Its caches of fonts stay inside the checkout, and nobody's own settings change a picture.
os.environ["MPLCONFIGDIR"] = str(ROOT / ".cache" / "matplotlib")

import matplotlib as mpl  # noqa: E402 - after its folder is named

mpl.use("svg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

FOLDER: Final = ROOT / "docs" / "plots"
OURS, OURS_TOO, OTHERS = "#0d7a5f", "#7cc4ad", "#b5543c"
_STYLE: Final = {
    "svg.hashsalt": "livepeer",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}


def read(path: str) -> Any:
    return json.loads((ROOT / path).read_text())


def gas(axes: Axes) -> None:
    """Ratio to the deployed contracts by function: geometric mean, least and most of its scenarios."""
    ratios: dict[str, list[float]] = {}
    for scenario, entry in read("tests/contracts/gas.json")["gas"].items():
        ratios.setdefault(scenario.split(".")[0], []).append(entry["ratio_proxy"])
    rows = sorted(ratios.items(), key=lambda row: _geometric_mean(row[1]), reverse=True)
    means = [_geometric_mean(values) for _, values in rows]
    for at, (_, values) in enumerate(rows):
        axes.plot([min(values), max(values)], [at, at], color=OURS_TOO, linewidth=4, solid_capstyle="butt")
    axes.plot(means, range(len(rows)), "o", color=OURS, markersize=4)
    axes.axvline(1, color=OTHERS, linewidth=1)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_xlim(0, max(1.2, max(max(values) for values in ratios.values()) + 0.05))
    axes.set_ylim(-0.7, len(rows) - 0.3)
    count = sum(map(len, ratios.values()))
    _title(axes, f"Gas, deployed contracts = 1: mean, least and most of each function over {count} scenarios")


def batch(axes: Axes) -> None:
    """Gas per ticket by the size of a batch, all of one sender, behind proxies."""
    ours, reference = read("tests/contracts/gas.json")["gas"], read("tests/contracts/gas_reference.json")
    sizes = (1, 5, 10, 25, 50, 100)
    calls = (
        ("batchRedeemWinningTickets, deployed", "batchRedeemWinningTickets", reference, OTHERS, 0),
        ("batchRedeemWinningTickets", "batchRedeemWinningTickets", ours, OURS, 4),
        ("redeemWinningTicketsCompact", "compactRedeem", ours, OURS_TOO, -9),
    )
    for label, name, table, colour, shift in calls:
        per_ticket = [table[f"{name}.1_sender.N{size}.pool1"]["proxy"] / size for size in sizes]
        axes.plot(range(len(sizes)), per_ticket, "o-", color=colour, label=label)
        axes.annotate(
            f"{per_ticket[-1]:,.0f}", (len(sizes) - 1, per_ticket[-1]), (6, shift), textcoords="offset points"
        )
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set_ylim(0)
    axes.set_xlabel("tickets in the transaction")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    _title(axes, "Gas per ticket redeemed")
    axes.legend(frameon=False)


def redemption(axes: Axes) -> None:
    """What waiting and batching save, of what redeeming one by one costs."""
    found = read("tests/bench/redemption.json")
    single, ours = found["one_by_one"], found["ours"]
    rows = (
        (
            "cost",
            float(ours["cost_eth"]) / float(single["cost_eth"]),
            f"{ours['cost_eth']} of {single['cost_eth']} ETH",
        ),
        (
            "mean gas price",
            ours["mean_gas_price_gwei"] / single["mean_gas_price_gwei"],
            f"{ours['mean_gas_price_gwei']:.4f} of {single['mean_gas_price_gwei']:.4f} gwei",
        ),
        ("gas units", ours["gas"] / single["gas"], f"{ours['gas']:,} of {single['gas']:,}"),
        (
            "transactions",
            ours["transactions"] / single["transactions"],
            f"{ours['transactions']:,} of {single['transactions']:,}",
        ),
    )
    axes.barh([name for name, _, _ in rows], [1] * len(rows), color=OTHERS, alpha=0.25, label="one by one")
    axes.barh([name for name, _, _ in rows], [share for _, share, _ in rows], color=OURS, label="this library")
    for at, (_, share, text) in enumerate(rows):
        axes.text(share + 0.01, at, f"{share:.0%}: {text}", va="center")
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    title = f"Redeeming {found['winners']:,} winners of {found['senders']} senders over {found['rounds']} rounds"
    _title(axes, title)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2)


def fanout(axes: Axes) -> None:
    """How long asking a hundred orchestrators takes, on a logarithmic scale."""
    found = read("tests/bench/results/fanout.json")
    times = found["median ms"]
    # Both sides from cold; ours knows the certificates as after any earlier look, the SDK keeps none between looks.
    rows = [
        (f"{situation}: {what}", times[f"{situation}: {ours}"], times[f"{situation}: {sdk}"])
        for situation in ("all answer", "five silent, five slow")
        for what, ours, sdk in (
            ("first 20", "first 20, cold with known certificates", "SDK, first 20, cold"),
            ("full table", "full table, cold with known certificates", "SDK, full table, cold"),
        )
    ][::-1]
    for at, (_, ours, sdk) in enumerate(rows):
        for shift, value, colour in ((0.2, ours, OURS), (-0.2, sdk, OTHERS)):
            axes.barh(at + shift, value, height=0.36, color=colour)
            text = f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
            axes.text(value * 1.05, at + shift, text, va="center")
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_xscale("log")
    axes.set_xlim(10, 200_000)
    axes.set_xticks([])
    axes.minorticks_off()
    axes.set_xlabel("from cold, certificates known; logarithmic")
    _title(axes, f"Asking {found['endpoints']} orchestrators: this library, and below it the official SDK")


def tickets(axes: Axes) -> None:
    """How much faster tickets are signed and validated than with the usual stacks."""
    found = read("tests/bench/results/tickets.json")
    figures = found["figures"]
    rows = [
        (f"{what}, against {stack}", figures[f"{what}, x {key}"])
        for what in ("sign", "validate")
        for stack, key in (("the usual stack", "default stack"), ("the same with coincurve", "stack with coincurve"))
    ][::-1]
    axes.barh([name for name, _ in rows], [value for _, value in rows], color=OURS)
    for at, (_, value) in enumerate(rows):
        axes.text(value + 1, at, f"{value:.0f} times", va="center")
    axes.set_xlim(0, max(value for _, value in rows) * 1.15)
    axes.set_xticks([])
    signed, validated = figures["signed per second"], figures["validated per second"]
    _title(axes, f"Tickets on one core: {signed:,.0f} signed, {validated:,.0f} validated per second")


def soak(axes: Axes) -> None:
    """Memory of both sides while streams are transcoded for real."""
    found = read("tests/bench/results/soak.json")
    columns, rows = found["memory_mib"]["columns"], found["memory_mib"]["rows"]
    minutes = [row[0] / 60 for row in rows]
    for column, colour in (("gateway", OURS), ("orchestrator", OTHERS)):
        axes.plot(minutes, [row[columns.index(column)] for row in rows], color=colour, label=column)
    axes.set_xlim(0, found["minutes"])
    axes.set_ylim(0)
    axes.set_xlabel("minutes")
    axes.set_ylabel("MiB in memory")
    streams, segments, lost = found["streams"], found["segments"], len(found["lost"])
    _title(axes, f"{streams} streams transcoded at once: {segments:,} segments, {lost} lost")
    axes.legend(frameon=False, loc="lower right")


def load(axes: Axes) -> None:
    """A paid job without a codec by the size of its segment: what it costs with no code of ours, and ours."""
    found = read("tests/bench/results/load.json")
    sizes = list(found["by_size"])
    names = [f"{int(size) // 1000:,} kB" for size in sizes]
    left = [0.0] * len(sizes)
    floor = found["floor_ms_by_size"]
    for part, colour, alpha in zip(
        ("two exchanges over TLS", "four hashes", "four commits"), (OTHERS,) * 3, (0.3, 0.5, 0.75), strict=True
    ):
        values = [floor[size][part] for size in sizes]
        axes.barh(names, values, left=left, color=colour, alpha=alpha, label=part)
        left = [before + value for before, value in zip(left, values, strict=True)]
    medians = [found["by_size"][size]["p50_ms"] for size in sizes]
    ours = [max(0.0, median - before) for median, before in zip(medians, left, strict=True)]
    axes.barh(names, ours, left=left, color=OURS, label="this library")
    for at, median in enumerate(medians):
        axes.text(median + 0.1, at, f"{median:.1f} ms", va="center")
    axes.set_xlim(0, max(medians) * 1.15)
    axes.set_xticks([])
    axes.legend(frameon=False, loc="lower right")
    _title(axes, "A paid job of one stream by the size of its segment, medians")


PLOTS: Final[dict[str, tuple[Callable[[Axes], None], tuple[float, float]]]] = {
    "batch": (batch, (7.2, 3.4)),
    "fanout": (fanout, (7.2, 3.0)),
    "gas": (gas, (7.2, 9.0)),
    "load": (load, (7.2, 2.6)),
    "redemption": (redemption, (7.2, 2.5)),
    "soak": (soak, (7.2, 2.8)),
    "tickets": (tickets, (7.2, 2.0)),
}


def drawn(name: str) -> str:
    draw, size = PLOTS[name]
    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE, "backend": "svg"}):
        figure, axes = pyplot.subplots(figsize=size, layout="constrained")
        draw(axes)
        picture = io.StringIO()
        figure.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    return "\n".join(line.rstrip() for line in picture.getvalue().splitlines()) + "\n"


def _title(axes: Axes, text: str) -> None:
    """Over the whole picture, so that long names of rows take nothing of its width."""
    axes.get_figure().suptitle(text, x=0.01, ha="left", fontsize=10)


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make plots", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="only say which are not current")
    check = parser.parse_args().check
    stale = []
    for name in PLOTS:
        path, picture = FOLDER / f"{name}.svg", drawn(name)
        if path.exists() and path.read_text() == picture:
            continue
        stale.append(path)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(picture)
    for path in stale:
        sys.stdout.write(f"{path.relative_to(ROOT)} {'is not current: make plots' if check else 'drawn'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
