"""As much of PromQL as infra/alerts.yaml is written in, by Prometheus's own rules; anything else is an error.

A database is a list of (labels, samples): labels a dict with the name as `__name__`, samples a list of (second, value) in order.
A vector is a dict from labels, as sorted pairs, to a number.
"""

import re

TOKEN = re.compile(r'\s*(?:(\d+(?:\.\d+)?)(?![\w.])|([A-Za-z_:][\w:]*)|"([^"]*)"|\[(\d+)([smh])\]|(=~|!~|!=|==|>=|<=|[-+*/><=(){},]))')
SECONDS = {"s": 1, "m": 60, "h": 3600}
STALE = 300  # a sample older than this is not seen


def tokens(text):
    found, at, text = [], 0, text.strip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise SyntaxError(f"not understood: {text[at:]}")
        number, word, string, length, unit, sign = match.groups()
        if number is not None:
            found.append(("number", float(number)))
        elif word is not None:
            found.append(("word", word))
        elif string is not None:
            found.append(("string", string))
        elif length is not None:
            found.append(("range", int(length) * SECONDS[unit]))
        else:
            found.append((sign, sign))
        at = match.end()
    return found + [("end", None)]


class Query:
    """One expression; `at(time)` gives its vector or number."""

    def __init__(self, text, database):
        self.left, self.database = tokens(text), database
        self.tree = self.both(0)
        self.take("end")

    def at(self, time):
        return self.tree(time)

    # The grammar, loosest first.
    LEVELS = [("and",), ("==", "!=", ">", "<", ">=", "<="), ("*", "/")]

    def take(self, kind):
        got, value = self.left.pop(0)
        if got != kind:
            raise SyntaxError(f"{kind} expected, {got} {value} found")
        return value

    def next_is(self, *values):
        return self.left[0][1] in values and self.left[0][0] != "string"

    def both(self, level):
        if level == len(self.LEVELS):
            return self.one()
        tree = self.both(level + 1)
        while self.next_is(*self.LEVELS[level]):
            sign = self.left.pop(0)[1]
            tree = combined(sign, tree, self.both(level + 1))
        return tree

    def one(self):
        kind, value = self.left.pop(0)
        if kind == "number":
            return lambda time: value
        if kind == "(":
            tree = self.both(0)
            self.take(")")
            return tree
        if kind != "word":
            raise SyntaxError(f"{kind} {value} is no beginning")
        if value == "sum" and self.next_is("by"):
            self.left.pop(0)
            by = self.names()
            return summed(by, self.arguments()[0])
        if self.next_is("("):
            return FUNCTIONS[value](*self.arguments())
        return self.selector(value)

    def names(self):
        self.take("(")
        names = [self.take("word")]
        while self.next_is(","):
            self.left.pop(0)
            names.append(self.take("word"))
        self.take(")")
        return names

    def arguments(self):
        self.take("(")
        arguments = [self.both(0)]
        while self.next_is(","):
            self.left.pop(0)
            arguments.append(self.both(0))
        self.take(")")
        return arguments

    def selector(self, name):
        wanted = [lambda labels: labels["__name__"] == name]
        if self.next_is("{"):
            self.left.pop(0)
            while not self.next_is("}"):
                wanted.append(self.matcher())
                if self.next_is(","):
                    self.left.pop(0)
            self.left.pop(0)
        series = [(labels, samples) for labels, samples in self.database if all(fits(labels) for fits in wanted)]
        if self.left[0][0] == "range":
            span = self.left.pop(0)[1]
            return lambda time: (span, time, [(labels, within(samples, time, span)) for labels, samples in series])
        newest = lambda time: ((labels, within(samples, time, STALE)) for labels, samples in series)
        return lambda time: {key(labels): seen[-1][1] for labels, seen in newest(time) if seen}

    def matcher(self):
        label, sign, value = self.take("word"), self.left.pop(0)[0], self.take("string")
        same = (lambda text: re.fullmatch(value, text) is not None) if "~" in sign else (lambda text: text == value)
        return lambda labels: same(labels.get(label, "")) == (sign in ("=", "=~"))


def key(labels):
    return tuple(sorted(labels.items()))


def unnamed(pairs):
    return tuple(pair for pair in pairs if pair[0] != "__name__")


def within(samples, time, span):
    return [(at, value) for at, value in samples if time - span < at <= time]


COMPARISONS = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, ">": lambda a, b: a > b,
    "<": lambda a, b: a < b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b,
}  # fmt: skip
SUMS = {"*": lambda a, b: a * b, "/": lambda a, b: a / b if b else (float("nan") if a == 0 else float("inf"))}


def combined(sign, left, right):
    """Two operands; of two vectors those pairs whose labels are the same but for the name."""

    def evaluate(time):
        a, b = left(time), right(time)
        if isinstance(a, dict) and isinstance(b, dict):
            others = {unnamed(labels): value for labels, value in b.items()}
            pairs = [(labels, value, others[unnamed(labels)]) for labels, value in a.items() if unnamed(labels) in others]
        elif isinstance(a, dict):
            pairs = [(labels, value, b) for labels, value in a.items()]
        elif isinstance(b, dict) and sign in SUMS:
            pairs = [(labels, a, value) for labels, value in b.items()]
        else:
            raise SyntaxError(f"{sign} of numbers")
        if sign == "and":
            return {labels: value for labels, value, _ in pairs}
        if sign in COMPARISONS:
            return {labels: value for labels, value, other in pairs if COMPARISONS[sign](value, other)}
        return {unnamed(labels): SUMS[sign](value, other) for labels, value, other in pairs}

    return evaluate


def summed(by, inner):
    def evaluate(time):
        sums = {}
        for labels, value in inner(time).items():
            kept = tuple(pair for pair in labels if pair[0] in by)
            sums[kept] = sums.get(kept, 0.0) + value
        return sums

    return evaluate


def increased(samples, span, time):
    """`extrapolatedRate` of Prometheus, for a counter and without the division."""
    rise = sum(new - (old if new >= old else 0) for (_, old), (_, new) in zip(samples, samples[1:]))
    (first, value), last = samples[0], samples[-1][0]
    sampled = last - first
    step = sampled / (len(samples) - 1)
    before, after = first - (time - span), time - last
    if rise > 0 and value >= 0:
        before = min(before, sampled * value / rise)  # it was not below zero
    before = before if before < step * 1.1 else step / 2
    after = after if after < step * 1.1 else step / 2
    return rise * (sampled + before + after) / sampled


def of_range(function):
    def of(inner):
        def evaluate(time):
            span, end, series = inner(time)
            found = ((labels, function(samples, span, end)) for labels, samples in series)
            return {unnamed(key(labels)): value for labels, value in found if value is not None}

        return evaluate

    return of


def quantiles(rank, buckets):
    """`histogram_quantile`: linear within a bucket; what is above the last bound is told as that bound."""

    def evaluate(time):
        wanted, groups = rank(time), {}
        for labels, count in buckets(time).items():
            rest = tuple(pair for pair in labels if pair[0] != "le")
            groups.setdefault(rest, []).append((float(dict(labels)["le"]), count))
        return {labels: quantile(wanted, sorted(steps)) for labels, steps in groups.items()}

    return evaluate


def quantile(wanted, steps):
    total = steps[-1][1]
    if not total or len(steps) < 2:
        return float("nan")
    place = next(n for n, (_, count) in enumerate(steps) if count >= wanted * total)
    if place == len(steps) - 1:
        return steps[-2][0]
    low, below = steps[place - 1] if place else (0.0, 0.0)
    high, count = steps[place]
    return low + (high - low) * (wanted * total - below) / (count - below)


FUNCTIONS = {
    "increase": of_range(lambda samples, span, time: increased(samples, span, time) if len(samples) > 1 else None),
    "rate": of_range(lambda samples, span, time: increased(samples, span, time) / span if len(samples) > 1 else None),
    "min_over_time": of_range(lambda samples, span, time: min((value for _, value in samples), default=None)),
    "histogram_quantile": quantiles,
}
