"""The module over its runtime in memory: what cells rely on."""

import datetime
import json
import math
import random
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from cellar_cell import Failure, Response
from cellar_cell.dates import server_metadata
from cellar_cell.entries import Entry, read_page, write_page
from cellar_cell.testing import Memory

NOW = 1_709_712_000.5


class Reading(unittest.TestCase):
    def test_entries_come_by_the_time_that_was_asked_for_and_over_many_pages(self):
        memory = Memory()
        for number in range(500):
            memory.add("a/b", {"end_ts": 1000.0 - number, "text": "ü" * 300})
        memory.add("c/d", {"ts": 1.0})
        seen = []

        def run(cell):
            found = cell.find("a/b", time="end-ts", start=600.0, end=1000.0)
            seen.extend((entry.time, entry.data["end_ts"], entry.metadata["key"]) for entry in found)
            self.assertEqual(cell.count(), 501)

        memory.run(run, NOW)
        self.assertEqual(seen, [(float(ts), float(ts), "a/b") for ts in range(600, 1001)])

    def test_locations_are_columns_of_numbers(self):
        memory = Memory()
        device = {"device": "d", "platform": "ios"}
        memory.add("a/b", {"ts": 2.0, "latitude": 47.5, "filter": "distance"}, metadata=device)
        memory.add("a/b", {"ts": 1.0, "longitude": 8.5}, write_ts=7.0)
        pieces = []
        memory.run(lambda cell: pieces.extend(cell.locations("a/b", time="data-ts", rows_max=1)), NOW)
        first, second = pieces
        self.assertEqual((first.ts, first.write_ts, first.longitude), ([1.0], [7.0], [8.5]))
        self.assertTrue(math.isnan(first.latitude[0]))
        self.assertEqual((list(second.filter), second.device, second.devices), ([2], [1], ["d/ios"]))

    def test_a_page_that_breaks_the_rules_is_refused_whole(self):
        entry = Entry("01" * 12, "a/b", True, 1.0, 2.0, b'{"key":"a/b"}', b'{"x":1}')
        page = write_page([entry, entry], "ab" * 16)
        again = read_page(page)
        self.assertEqual([(one.id, one.invalid, one.data) for one in again], [("01" * 12, True, {"x": 1})] * 2)
        for cut in range(len(page)):
            with self.assertRaises(ValueError):
                read_page(page[:cut])


class Writing(unittest.TestCase):
    def test_what_a_run_writes_is_dated_and_kept_when_it_succeeds(self):
        memory = Memory()

        def run(cell):
            cell.output.insert("a/b", {"b": 1, "a": 2.0})
            cell.output.insert("a/b", {"b": 2})
            first, _ = cell.output.take_ids()
            cell.output.replace("a/b", first, {"b": 3})
            cell.state.put("k", b"v")

        memory.run(run, NOW)
        first, second = memory.of_key("a/b")
        self.assertEqual((first.data_text, second.data), (b'{"b":3}', {"b": 2}))
        self.assertEqual(second.metadata["write_ts"], NOW + 1e-6)
        self.assertEqual(memory.state, {"k": b"v"})

        def fail(cell):
            cell.output.delete([first.id])
            raise Failure("mine", "words")

        with self.assertRaises(Failure):
            memory.run(fail, NOW)
        self.assertEqual(len(memory.of_key("a/b")), 2)
        memory.run(lambda cell: cell.output.delete([first.id]), NOW)
        self.assertEqual(len(memory.of_key("a/b")), 1)

    def test_the_server_writes_local_times_by_the_clock_of_its_zone(self):
        def told(ts):
            return json.loads(server_metadata("a/b", ts))["write_fmt_time"]

        self.assertEqual(told(1_600_000_000.25), "2020-09-13T05:26:40.250000-07:00")
        self.assertEqual(told(1_457_863_199.0), "2016-03-13T01:59:59-08:00")
        self.assertEqual(told(1_457_863_200.0), "2016-03-13T03:00:00-07:00")
        self.assertEqual(told(1_478_422_799.0), "2016-11-06T01:59:59-07:00")
        self.assertEqual(told(1_478_422_800.0), "2016-11-06T01:00:00-08:00")

    def test_a_number_that_json_has_no_form_for_is_refused(self):
        with self.assertRaises(ValueError):
            Memory().run(lambda cell: cell.output.insert("a/b", {"x": math.nan}), NOW)


class Wiring(unittest.TestCase):
    def test_clock_randomness_and_printing_follow_the_run(self):
        def run(cell):
            print("one", 2)
            print("rest", end="")
            return cell.remember(
                [time.time(), datetime.datetime.now(datetime.timezone.utc).timestamp(), random.random()]
            )

        first, second, other = Memory(seed=7), Memory(seed=7), Memory(seed=8)
        for memory in (first, second, other):
            memory.run(run, NOW)
        self.assertEqual(json.loads(first.memory)[:2], [NOW, NOW])
        self.assertEqual(first.memory, second.memory)
        self.assertNotEqual(first.memory, other.memory)
        self.assertEqual(first.log_lines, [("info", "one 2"), ("info", "rest")])
        self.assertNotEqual(time.time(), NOW)

    def test_what_the_usual_classes_make_is_of_the_wired_ones(self):
        now = datetime.datetime.now()
        self.assertIsInstance(now, datetime.date)
        self.assertIsInstance(now.date(), datetime.date)
        self.assertIsInstance(now + datetime.timedelta(1), datetime.datetime)
        self.assertNotIsInstance(now.date(), datetime.datetime)
        self.assertTrue(issubclass(datetime.datetime, datetime.date))

        class Own(datetime.date):
            pass

        self.assertNotIsInstance(now, Own)
        self.assertIsInstance(Own.today(), Own)

    def test_a_stage_goes_on_from_its_mark_while_it_asks_for_more(self):
        memory, windows = Memory(), []

        def run(cell):
            windows.append(cell.window)
            cell.processed_through = 100.0
            cell.more = len(windows) < 2

        memory.run(run, NOW)
        self.assertEqual(windows, [(None, NOW - 5), (105.0, NOW - 5)])


class Requests(unittest.TestCase):
    def test_an_answer_is_json_unless_it_says_otherwise(self):
        memory = Memory()

        def echo(cell):
            return {"body": cell.request.body().decode(), "rest": cell.request.rest}

        answer = memory.call(echo, body=b"x", rest="r")
        self.assertEqual((answer.status, answer.content_type), (200, "application/json"))
        self.assertEqual(answer.body, b'{"body":"x","rest":"r"}')
        answer = memory.call(lambda cell: Response("no", status=404))
        self.assertEqual((answer.status, answer.body), (404, b"no"))

    def test_an_answer_comes_in_pieces(self):
        def handle(cell):
            cell.begin(content_type="text/csv")
            cell.write("a,")
            cell.write(b"b")

        answer = Memory().call(handle)
        self.assertEqual((answer.content_type, answer.body), ("text/csv", b"a,b"))


if __name__ == "__main__":
    unittest.main()
