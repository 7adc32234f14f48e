"""The judgement of benches/peers, on a record and on words that are made up: no launcher and no endpoint is started."""
import json
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "benches" / "peers"))
import judge  # noqa: E402
import mix  # noqa: E402
import table  # noqa: E402


def task(item, created, ran=None, code=None, stopped=None, stop_code="EssentialContainerExited"):
    """A task of the ledger; times in seconds. `ran`: from when to when its program ran."""
    began, ended = ran or (None, None)
    millis = lambda seconds: None if seconds is None else int(seconds * 1000)  # noqa: E731
    return {"arn": f"task-{item}-{created}", "environment": [["TASKWATCH_LOCAL_WORK", f"item/{item}"]], "exitCode": code,
            "stopCode": stop_code if stopped else None, "createdMillis": millis(created), "startedMillis": millis(began),
            "executionStoppedMillis": millis(ended), "stoppedMillis": millis(stopped)}


def said(item, outcome, at):
    return {"item": item, "outcome": outcome, "at": at}


RECORD = [
    task(0, 100, (130, 140), 0, 160),
    task(1, 100, (130, 140), 143, 150, "SpotInterruption"), task(1, 160, (190, 200), 0, 220),
    task(2, 101, None, None, 120, "TaskFailedToStart"),
    task(3, 101, (130, 140), 0, 160),
    task(4, 102, (130, 140), 0, 160), task(4, 165, (190, 200), 0, 220),
    task(5, 102, (130, 140), 1, 160),
    task(7, 104, (130, None)), task(7, 110, (135, 150), 0, 170),
]
WORDS = [said(0, "succeeded", 163), said(1, "succeeded", 221), said(2, "failed", 124), said(4, "succeeded", 220), said(5, "succeeded", 166),
         said(7, "succeeded", 180), said(8, "failed", 105), said(0, "failed", 500)]


class Judgement(unittest.TestCase):
    def figures(self):
        return judge.judge(9, RECORD, WORDS, (1, 2), 90)

    def test_every_run_is_one_of_reached_failed_wrong_and_lost(self):
        figures = self.figures()
        self.assertEqual({key: figures[key] for key in ("reached", "failed", "wrong", "lost")}, {"reached": 4, "failed": 2, "wrong": 1, "lost": 2})
        self.assertEqual(figures["never_launched"], 2, "the lost sixth, and the eighth that was refused")

    def test_twice_is_work_done_twice_or_at_the_same_time_and_not_a_retry(self):
        self.assertEqual(self.figures()["twice"], 2, "4 did its work twice, 7 ran beside itself; 1 was tried again")

    def test_knowing_counts_from_the_end_of_the_last_task_and_by_the_first_word(self):
        figures = self.figures()
        self.assertEqual((figures["p50"], figures["p99"]), (3, 10), "8 had no task, and so no end")
        self.assertEqual(figures["seconds"], 221 - 90)

    def test_the_quota_counts_while_first_attempts_are_launched(self):
        # First attempts from 100 to 104 s: seven tasks of the 2 at once and 1 a second.
        self.assertAlmostEqual(self.figures()["quota"], 7 / (2 + 4))

    def test_calls_of_the_bench_are_not_the_launchers(self):
        figures = judge.calls_of(10, {"ecs.RunTask": 2}, {"ecs.RunTask": 22, "sqs.ReceiveMessage": 7}, {"sqs.ReceiveMessage": 7}, {"RunTask": 3})
        self.assertEqual((figures["calls"], figures["calls_a_run"], figures["throttled"]), ({"ecs.RunTask": 2.0}, 2.0, 3))

    def test_a_task_is_of_the_item_that_its_environment_names(self):
        self.assertEqual(mix.item_of([["A", "b"], ["TASKWATCH_LOCAL_WORK", "item/17"]]), 17)
        self.assertEqual(mix.item_of([["TASKWATCH_LOCAL_WORK", "item"], ["TASKWATCH_ARRAY_INDEX", "3"]]), 3)
        self.assertIsNone(mix.item_of([["TASKWATCH_LOCAL_WORK", "probe"]]))
        self.assertIsNone(mix.item_of([]))

    def test_the_table_has_a_row_for_each_and_says_who_could_not_be_measured(self):
        both = {"a": {"title": "A", "runs": 9, "seed": 1, **self.figures()}, "b": {"title": "B", "runs": 9, "seed": 1, "cannot": "no wheel"}}
        text = table.text("default", both)
        self.assertIn("| A ", text)
        self.assertTrue(text.endswith("B: cannot be measured here: no wheel"))

    def test_each_figure_of_several_fleets_is_a_median_by_itself_calls_by_operation_too(self):
        fleets = [{"lost": lost, "p50": p50, "calls": calls} for lost, p50, calls in [(0, 1.5, {"a": 1}), (7, None, {"a": 3, "b": 2}), (1, 2.5, {"a": 2})]]
        self.assertEqual(judge.medians(fleets), {"lost": 1, "p50": None, "calls": {"a": 2, "b": 0}})

    def test_outcomes_that_do_not_sum_to_the_runs_are_named(self):
        figures = {"title": "A", "runs": 10, "times": 3, "reached": 7, "failed": 1, "lost": 1, "wrong": 0}
        self.assertIn("A: its outcomes sum to 9 of 10 runs", " ".join(table.notes({"a": figures})))
        self.assertNotIn("sum", " ".join(table.notes({"a": {**figures, "reached": 8, "fleets": []}})))

    def test_the_tables_of_the_documents_are_those_of_the_results(self):
        one = lambda line: re.sub(" +", " ", line)  # noqa: E731
        page = set(map(one, (ROOT / "docs" / "performance.md").read_text().splitlines()))
        for results in json.loads((ROOT / "benches" / "peers" / "results.json").read_text()).values():
            for line in table.markdown(table.rows(results)) + table.markdown(table.calls(results)):
                self.assertTrue(line.startswith("|-") or one(line) in page, line)


unittest.main()
