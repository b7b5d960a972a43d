"""The two plots of docs/performance.md, as SVG whose bytes depend on the figures only."""

import matplotlib
import numpy as np

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # noqa: E402

COLORS = {1: "#1f5fa8", 2: "#c8601a"}
MARKS = {"width": "o", "batch": "s", "depth": "^"}
PARTS = {
    "rows of the batch": "#8c8c8c",
    "forward products": "#1f5fa8",
    "loss and its gradient": "#c9a227",
    "gradients of inputs": "#4f9d69",
    "gradients of weights, update": "#c8601a",
    "other": "#d9d9d9",
}
TITLES = {
    "width": ("w-w-w-w, batch 128", "width w"),
    "batch": ("256-256-256-256", "batch"),
    "depth": ("layers of 64, batch 128", "layers"),
}
STYLE = {
    "svg.hashsalt": "nncore",
    "svg.fonttype": "none",  # text stays text: small, and found by a search
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def save(figure, path):
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    plt.close(figure)
    text = path.read_text()
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")


def draw_growth(rows, path):
    """Cost of a sample along each sweep, and what more threads give."""
    most = max(r["threads"] for r in rows)
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(2, 2, figsize=(8.2, 6.4), layout="constrained")
        for axes, (sweep, (title, label)) in zip(panels.flat, TITLES.items(), strict=False):
            mine = [r for r in rows if r["sweep"] == sweep]
            for n in sorted({r["threads"] for r in mine}):
                line = [r for r in mine if r["threads"] == n]
                axes.plot(
                    [r["value"] for r in line], [1e6 * r["best"] for r in line], marker=MARKS[sweep],
                    markersize=4, color=COLORS.get(n, "black"), label=f"{n} thread{'s' * (n > 1)}",
                )  # fmt: skip
            first = [r for r in mine if r["threads"] == 1] or mine
            axes.plot(
                [r["value"] for r in first], [1e6 * r["flops"] / r["peak"] for r in first], "--", linewidth=1,
                color="#666666", label="products at one core's peak",
            )  # fmt: skip
            axes.set(xscale="log", yscale="log", title=title, xlabel=label, ylabel="us a sample")
            axes.set_xticks([r["value"] for r in first], minor=False)
            axes.xaxis.set_major_formatter(PLAIN)
            axes.xaxis.set_minor_locator(NullLocator())
            decades = np.log10(mine[0]["best"] / mine[-1]["best"])
            axes.yaxis.set_major_locator(LogLocator(10, subs=(1,) if abs(decades) > 2.5 else (1, 2, 5)))
            axes.yaxis.set_major_formatter(PLAIN)
            axes.yaxis.set_minor_locator(NullLocator())
            axes.tick_params(axis="x", labelrotation=45 if len(first) > 8 else 0)
            axes.tick_params(bottom=False, left=False)  # the grid marks them
        panels.flat[0].legend(frameon=False)
        axes = panels.flat[3]
        for sweep, mark in MARKS.items():
            found = [r for r in rows if r["sweep"] == sweep and r["threads"] == most]
            axes.plot(
                [r["flops"] * r["batch"] / 2e6 for r in found], [r["speedup"] for r in found], mark,
                markersize=4, color=COLORS.get(most, "black"), fillstyle="none" if sweep == "batch" else "full",
                label=f"{sweep} grows",
            )  # fmt: skip
        axes.axhline(1, color="#666666", linewidth=1, linestyle="--")
        axes.set(
            xscale="log", ylim=(0, most + 0.2), title=f"{most} threads against one",
            xlabel="million multiply-adds a step", ylabel="times as fast",
        )  # fmt: skip
        axes.xaxis.set_major_formatter(PLAIN)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.legend(frameon=False, loc="lower right")
        save(figure, path)


def draw_step(rows, path):
    """How the ops share a step, for each network."""
    networks = list(dict.fromkeys(r["workload"] for r in rows))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8.2, 0.55 * len(networks) + 1.6), layout="constrained")
        left, names = dict.fromkeys(networks, 0.0), []
        totals = {n: sum(r["best"] for r in rows if r["workload"] == n and r["kind"] != "step") for n in networks}
        for name in networks:
            whole = next(r for r in rows if r["workload"] == name and r["kind"] == "step")
            us = 1e6 * whole["best"]
            time = f"{us / 1000:.3g} ms" if us >= 1000 else f"{us:.3g} us"
            names.append(f"{name}\n{time}, {100 * whole['share']:.0f} % of peak")
        for kind, color in PARTS.items():
            widths = [
                100 * sum(r["best"] for r in rows if r["workload"] == n and r["kind"] == kind) / totals[n]
                for n in networks
            ]
            bars = axes.barh(names, widths, 0.62, [left[n] for n in networks], color=color, label=kind)
            words = [f"{width:.0f}" if width >= 3 else "" for width in widths]
            axes.bar_label(bars, words, label_type="center", color="black" if kind == "other" else "white")
            for name, width in zip(networks, widths, strict=True):
                left[name] += width
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(xlim=(0, 100), xlabel="share of a step's ops, in % (one thread)")
        figure.legend(*axes.get_legend_handles_labels(), frameon=False, ncols=3, loc="outside upper center")
        save(figure, path)
