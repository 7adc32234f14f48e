"""The figures as pictures for docs/performance.md: one for each set of quotas, a row for each launcher."""
import math

import svg

GOOD, BAD, LOST, WRONG, OURS, THEIRS = "#2da44e", "#d4a72c", "#cf222e", "#8250df", "#0969da", "#8c959f"
LABELS, PANEL, GAP, ROW, TOP = 350, 190, 28, 30, 70
SHARES = [("reached", "reached its goal", GOOD), ("failed", "failed, curable", BAD), ("wrong", "told wrongly", WRONG), ("lost", "lost", LOST)]


def outcomes(x, y, figures, _):
    """A bar of all runs, cut by what became of them."""
    parts, at = [], x
    for key, _, colour in SHARES:
        width = PANEL * figures[key] / figures["runs"]
        parts.append(svg.rectangle(at, y, width, ROW - 12, colour))
        at += width
    return [*parts, svg.text(x + 6, y + 13, f"{figures['reached'] / figures['runs']:.1%}", "start", 11, "#ffffff", "bold")]


def scaled(key, form, logarithmic=True):
    """A bar; on a logarithmic scale from a tenth, where launchers differ by orders of magnitude."""
    def bar(x, y, figures, most):
        value = figures.get(key)
        if value is None:
            return [svg.text(x, y + 13, "–")]
        share = value / 100
        if logarithmic:
            share = math.log10(max(value, 0.1) / 0.1) / math.log10(max(most[key], 1) / 0.1)
        width = (PANEL - 60) * share
        words = form.format(value) + (f" without {figures['uncounted']}'s" if key == "calls_a_run" and "uncounted" in figures else "")
        colour = OURS if figures["title"].startswith("taskwatch") else THEIRS
        return [svg.rectangle(x, y, width, ROW - 12, colour), svg.text(x + width + 6, y + 13, words, size=11)]
    return bar


PANELS = [
    ("what became of the runs", outcomes),
    ("end to knowing, p50, s", scaled("p50", "{:.1f}")),
    ("API calls a run", scaled("calls_a_run", "{:.1f}")),
    ("launch quota used, %", scaled("quota_percent", "{:.0f}", logarithmic=False)),
    ("processor a run, ms", scaled("processor", "{:.1f}")),
]


def legend(y):
    parts, x = [], LABELS
    for _, words, colour in SHARES:
        parts += [svg.rectangle(x, y - 9, 10, 10, colour), svg.text(x + 15, y, words, size=11)]
        x += 24 + 6.6 * len(words)
    return parts


def draw(results, folder):
    for quotas, launchers in results.items():
        measured = [{**f, "quota_percent": f["quota"] * 100} for f in launchers.values() if "cannot" not in f]
        if not measured:
            continue
        keys = {key for f in measured for key, value in f.items() if isinstance(value, (int, float))}
        most = {key: max(f.get(key) or 0 for f in measured) for key in keys}
        runs = max(f["runs"] for f in measured)
        title = f"The same fleet through each launcher: {runs:,} runs, {quotas} quotas"
        parts = [svg.text(12, 24, title, size=15, weight="bold")]
        for column, (heading, panel) in enumerate(PANELS):
            x = LABELS + column * (PANEL + GAP)
            parts.append(svg.text(x, TOP - 16, heading, weight="bold"))
            for row, figures in enumerate(measured):
                parts += panel(x, TOP + row * ROW, figures, most)
        for row, figures in enumerate(measured):
            fewer = f" ({figures['runs']} runs)" if figures["runs"] < runs else ""
            parts.append(svg.text(12, TOP + row * ROW + 13, figures["title"] + fewer))
        bottom = TOP + len(measured) * ROW + 20
        width = LABELS + len(PANELS) * (PANEL + GAP)
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath(f"peers-{quotas}.svg").write_text(svg.picture(width, bottom + 16, [*parts, *legend(bottom)], title))
