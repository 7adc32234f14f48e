#!/usr/bin/env python3
"""Draws what benches/hour wrote: python3 benches/hour/plot.py hour.json docs/hour.svg (needs matplotlib)."""

import json
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: plot.py OUTCOME.json PICTURE.svg")
    with open(sys.argv[1], encoding="utf-8") as file:
        outcome = json.load(file)
    minutes = outcome["minutes"]
    at = [minute["minute"] for minute in minutes]

    def line(axis, member, label, scale=1.0):
        axis.plot(at, [minute[member] / scale for minute in minutes], label=label, linewidth=1.2)

    figure, (rates, counts) = plt.subplots(2, 1, figsize=(9, 6), sharex=True)
    for member, label in [("submitted", "submitted"), ("launched", "launched"), ("ended", "tasks ended"), ("told", "runs told of")]:
        line(rates, member, label, 60.0)
    rates.set_ylabel("a second")
    rates.legend(loc="upper right", fontsize=8)
    line(counts, "live", "live tasks, thousands", 1000.0)
    line(counts, "waiting", "runs that wait for a launch, thousands", 1000.0)
    line(counts, "open", "open runs, thousands", 1000.0)
    counts.set_xlabel("minute")
    counts.legend(loc="upper right", fontsize=8)
    for axis in (rates, counts):
        axis.grid(alpha=0.3)
        axis.axvspan(5, 25, color="tab:orange", alpha=0.08)
        axis.axvspan(35, 65, color="tab:red", alpha=0.08)
    rates.set_title("orange: a zone without capacity; red: EventBridge delivers nothing", fontsize=9)
    figure.tight_layout()
    figure.savefig(sys.argv[2])


if __name__ == "__main__":
    main()
