"""The figures as a table of text."""
from judge import FIGURES


def cell(figures, key, form):
    value = figures.get(key)
    return "–" if value is None else form.format(value)


def rows(results):
    """Heading, and a row for each launcher that was measured."""
    measured = [figures for figures in results.values() if "cannot" not in figures]
    heading = ["", *[heading for _, heading, _ in FIGURES]]
    return [heading] + [[f["title"], *[cell(f, key, form) for key, _, form in FIGURES]] for f in measured]


def text(quotas, results):
    """Markdown, aligned, so that it can be read and pasted."""
    table = rows(results)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["| " + " | ".join(word.ljust(width) for word, width in zip(row, widths)) + " |" for row in table]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    of = next(iter(results.values()))
    notes = [f"{f['title']}: cannot be measured here: {f['cannot']}" for f in results.values() if "cannot" in f]
    return "\n".join([f"{quotas} quotas, {of['runs']} runs, seed {of['seed']}", *lines, *notes])
