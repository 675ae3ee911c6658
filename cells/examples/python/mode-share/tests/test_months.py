"""Whole runs of the stage over a runtime in memory."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from cellar_cell.testing import Memory

import app

MARCH = 1_772_409_600.0
DAY = 86_400.0


def add_section(memory, day, mode, distance):
    """A section that ended so many days after the beginning of March 2026."""
    month, of_month = (3, day) if day < 31 else (4, day - 31)
    local = {"year": 2026, "month": month, "day": int(of_month) + 1}
    data = {"end_ts": MARCH + day * DAY, "sensed_mode": mode, "distance": distance, "start_local_dt": local}
    memory.add(app.SECTION, data, write_ts=MARCH + 100 * DAY)


def months(memory):
    return [entry.data for entry in memory.of_key(app.MONTH)]


class Months(unittest.TestCase):
    def test_sections_are_counted_and_their_lengths_summed_by_month_and_mode(self):
        memory = Memory()
        add_section(memory, 1, 2, 1_000.0)
        add_section(memory, 2, 2, 500.0)
        add_section(memory, 33, 5, 7_000.5)
        memory.run(app.run, now=MARCH + 100 * DAY)
        march = {"2": {"sections": 2, "distance": 1_500.0}}
        april = {"5": {"sections": 1, "distance": 7_000.5}}
        want = [
            {"month": "2026-03", "ts": MARCH + 2 * DAY, "modes": march},
            {"month": "2026-04", "ts": MARCH + 33 * DAY, "modes": april},
        ]
        self.assertEqual(months(memory), want)

    def test_a_month_that_goes_on_is_one_entry_and_no_section_counts_twice(self):
        memory = Memory()
        add_section(memory, 1, 2, 1_000.0)
        memory.run(app.run, now=MARCH + 2 * DAY)
        add_section(memory, 3, 5, 10.0)
        memory.run(app.run, now=MARCH + 4 * DAY)
        memory.run(app.run, now=MARCH + 5 * DAY)
        (month,) = months(memory)
        want = {"2": {"sections": 1, "distance": 1_000.0}, "5": {"sections": 1, "distance": 10.0}}
        self.assertEqual(month["modes"], want)


if __name__ == "__main__":
    unittest.main()
