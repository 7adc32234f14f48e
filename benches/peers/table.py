"""The figures as tables of text."""
from judge import FIGURES

OUTCOMES = ("reached", "failed", "lost", "wrong")


def cell(figures, key, form):
    value = figures.get(key)
    if value is None:
        return "–"
    # Calls that nobody counted are not none.
    without = f" without {figures['uncounted']}'s" if key == "calls_a_run" and "uncounted" in figures else ""
    return form.format(value) + without


def measured(results):
    return [figures for figures in results.values() if "cannot" not in figures]


def most_fleets(results):
    return max((figures.get("times", 1) for figures in measured(results)), default=1)


def title(figures, most):
    """Its name, and a word of it where it was measured once and others more often."""
    return figures["title"] + (" (one fleet)" if figures.get("times", 1) == 1 < most else "")


def rows(results):
    """Heading, and a row for each launcher that was measured."""
    heading, most = ["", *[heading for _, heading, _ in FIGURES]], most_fleets(results)
    return [heading] + [[title(f, most), *[cell(f, key, form) for key, _, form in FIGURES]] for f in measured(results)]


def calls(results):
    """Heading, and for each launcher the calls a run by operation."""
    operations = sorted({name for figures in measured(results) for name in figures.get("calls", {})})
    most = most_fleets(results)
    shown = lambda value: "" if value is None else f"{value:.{1 if value >= 10 else 2 if value >= 0.1 else 3}f}"  # noqa: E731
    uncounted = lambda f: f", without {f['uncounted']}'s" if "uncounted" in f else ""  # noqa: E731
    return [["calls a run", *operations]] + [[title(f, most) + uncounted(f), *[shown(f.get("calls", {}).get(name)) for name in operations]] for f in measured(results)]


def markdown(table):
    """Aligned, so that it can be read and pasted."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["| " + " | ".join(word.ljust(width) for word, width in zip(row, widths)) + " |" for row in table]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines


def fleets(figures):
    """How often it was measured, and on what."""
    seeds = figures.get("seeds") or ([figures["seed"]] if figures.get("times", 1) == 1 and "seed" in figures else [])
    words = f"{figures['runs']} runs, " + (f"medians of {figures['times']} fleets" if figures.get("times", 1) > 1 else "one fleet")
    words += f", seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}" if seeds else ", seeds not noted"
    with_what = figures.get("measured")
    if with_what:
        host = with_what["host"]
        words += f"; {with_what['taskwatch']}, {host['processors']} processors ({host['model']}), Linux {host['kernel']}"
    return words


def notes(results):
    """What the tables do not say by themselves."""
    for figures in measured(results):
        outcomes = sum(figures[key] for key in OUTCOMES)
        if outcomes != figures["runs"]:
            yield (f"{figures['title']}: its outcomes sum to {outcomes:,.0f} of {figures['runs']:,} runs, "
                   "since each column is a median by itself")
    first = [f["title"] for f in measured(results) if f.get("times", 1) > 1 and "fleets" not in f]
    if first:
        yield f"Calls by operation are those of one of the fleets, and not medians, and need not sum to the calls a run: {'; '.join(first)}"
    yield from (f"{f['title']}: cannot be measured here: {f['cannot']}" for f in results.values() if "cannot" in f)


def text(quotas, results):
    """Markdown: the figures, the calls by operation, and what is to be known of them."""
    ways = {}
    for figures in measured(results):
        ways.setdefault(fleets(figures), []).append(figures["title"])
    said = [f"{quotas} quotas, {way}" + (f" ({'; '.join(titles)})" if len(ways) > 1 else "") for way, titles in ways.items()]
    by_operation = ["", *markdown(calls(results))] if measured(results) else []
    return "\n".join([*said, "", *markdown(rows(results)), *by_operation, "", *notes(results)]).rstrip()
