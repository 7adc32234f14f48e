#!/usr/bin/env python3
"""The same fleet of ECS tasks through each launcher: taskwatch and its peers, each an unmodified release with its documented settings.

    cargo build --profile bench --bin taskwatch --locked
    python3 benches/peers --binary target/release/taskwatch                     # all, 2,000 runs, default quotas
    python3 benches/peers --binary target/release/taskwatch --runs 200 --only serve --only boto3
    python3 benches/peers --plot benches/peers/results.json                     # draws docs/peers-*.svg again
    python3 benches/peers --table benches/peers/results.json                    # prints the tables again

Each launcher has a fresh `taskwatch local` with the same seeds, in real time. Peers are installed from PyPI into environments of their own.
Needs Python 3.11's standard library, pip, and Linux. Peers mostly wait: a fleet of 2,000 takes 50 threads an hour.
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import compare  # noqa: E402
import plot  # noqa: E402
import table  # noqa: E402
from mix import QUOTAS  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="python3 benches/peers")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/taskwatch", help="of taskwatch")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--times", type=int, default=1, help="so many fleets, of this seed and the next ones; the table has medians")
    parser.add_argument("--quotas", choices=QUOTAS, action="append", help="default: both, one after the other")
    parser.add_argument("--only", action="append", metavar="NAME", choices=compare.NAMES, help="a launcher; default: all")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="so many launchers beside each other: they mostly wait")
    parser.add_argument("--patience", type=float, default=420, metavar="SECONDS", help="without any news: what is not told then is lost")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("peers.json"), help="where the figures go; those of others stay in it")
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs", help="where the plots go")
    parser.add_argument("--plot", type=pathlib.Path, metavar="JSON", help="only draw what stands there")
    parser.add_argument("--table", type=pathlib.Path, metavar="JSON", help="only print the tables of what stands there")
    return parser.parse_args()


def main():
    o = arguments()
    if o.plot:
        return plot.draw(json.loads(o.plot.read_text()), o.docs)
    if o.table:
        return print("\n\n".join(table.text(quotas, results) for quotas, results in json.loads(o.table.read_text()).items()))
    results = json.loads(o.json.read_text()) if o.json.exists() else {}
    for quotas in o.quotas or QUOTAS:
        for name, figures in compare.run(o, quotas):
            results.setdefault(quotas, {})[name] = figures
            o.json.write_text(json.dumps(results, indent=1) + "\n")
        results[quotas] = {name: results[quotas][name] for name in compare.NAMES if name in results[quotas]}
        o.json.write_text(json.dumps(results, indent=1) + "\n")
        print(table.text(quotas, results[quotas]), flush=True)
    plot.draw(results, o.docs)


main()
