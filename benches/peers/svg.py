"""Small pictures as SVG text: bars and lines. No library, and the same text for the same figures."""
from xml.sax.saxutils import escape

INK, FAINT = "#57606a", "#d0d7de"
FONT = "font-family=\"system-ui, sans-serif\""


def text(x, y, words, anchor="start", size=12, colour=INK, weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{colour}">{escape(str(words))}</text>'


def rectangle(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" fill="{colour}"/>'


def line(points, colour, width=2):
    return f'<polyline fill="none" stroke="{colour}" stroke-width="{width}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def picture(width, height, parts, title):
    """The whole, on white: pages are read in the dark too."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" {FONT} role="img" aria-label="{escape(title)}">'
    return "\n".join([head, rectangle(0, 0, width, height, "#ffffff"), *parts, "</svg>"]) + "\n"
