"""`promtool test rules` for those who have none: alerts.py TESTS

Reads a file in promtool's format (of its notation of series what infra/alerts_test.yaml uses), evaluates the rules every minute, and
ends with 1 and a line for each alert that fires where it should not, or does not where it should. Every rule has to be seen both ways.
"""

import re
import sys
from pathlib import Path

import yaml

from promql import Query, key, unnamed

STEP = 60
VALUES = re.compile(r"(_|-?[\d.]+)(?:([+-][\d.]+))?(?:x(\d+))?")
LABEL = re.compile(r'(\w+)="([^"]*)"')


def minutes(text):
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?", text)
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def samples(notation):
    """`a+bxn`: a, and n more, each b higher; `_`: none."""
    values = []
    for part in notation.split():
        start, step, times = VALUES.fullmatch(part).groups()
        for n in range(int(times) + (start != "_") if times else 1):
            values.append(None if start == "_" else float(start) + n * float(step or 0))
    return [(n * STEP, value) for n, value in enumerate(values) if value is not None]


def series(written):
    name, labels = re.fullmatch(r"(\w+)(?:{(.*)})?", written["series"]).groups()
    return {"__name__": name, **dict(LABEL.findall(labels or ""))}, samples(written["values"])


def firing(rule, database, until):
    """What fires at a minute: labels, each with the value."""
    query, held, since = Query(rule["expr"], database), minutes(rule.get("for", "0m")), {}
    for minute in range(until + 1):
        active = query.at(minute * STEP)
        since = {labels: since.get(labels, minute) for labels in active}
    return {unnamed(labels): value for labels, value in active.items() if until - since[labels] >= held}


def told(text, labels, value):
    """An annotation with what its template asks for."""
    text = re.sub(r"{{ \$labels\.(\w+) }}", lambda found: dict(labels).get(found[1], ""), text)
    text = text.replace('{{ printf "%.0f" $value }}', f"{value:.0f}").replace("{{ $value }}", f"{value:g}")
    assert "{{" not in text, text
    return text


def main():
    tests = Path(sys.argv[1])
    document = yaml.safe_load(tests.read_text())
    files = [yaml.safe_load((tests.parent / name).read_text()) for name in document["rule_files"]]
    rules = {rule["alert"]: rule for file in files for group in file["groups"] for rule in group["rules"]}
    wrong, seen = [], {(name, way): 0 for name in rules for way in ("fires", "is quiet")}
    for test in document["tests"]:
        database = [series(written) for written in test["input_series"]]
        for check in test["alert_rule_test"]:
            name, at = check["alertname"], check["eval_time"]
            rule, wanted = rules[name], check.get("exp_alerts") or []
            seen[name, "fires" if wanted else "is quiet"] += 1
            got = firing(rule, database, minutes(at))
            texts = lambda labels, value: {name: told(text, labels, value) for name, text in rule["annotations"].items()}
            got = {key({**dict(labels), **rule["labels"]}): texts(labels, value) for labels, value in got.items()}
            wanted = {key(alert["exp_labels"]): alert["exp_annotations"] for alert in wanted}
            if got != wanted:
                wrong.append(f"{test['name']}: {name} at {at}: {got} and not {wanted}")
    wrong += [f"no test shows that {name} {way}" for (name, way), count in seen.items() if not count]
    print("\n".join(wrong) or f"{len(rules)} alerts, {sum(seen.values())} checks")
    sys.exit(bool(wrong))


main()
