"""The metadata of an entry that a cell makes, as the server's own stages write them."""

import json
from datetime import datetime, timedelta, timezone

SERVER_ZONE = "America/Los_Angeles"
# The difference between the dates of two entries of one run, s: the smallest that a local time shows.
APART_S = 1e-6


def server_metadata(key, write_ts):
    """The metadata of an entry of that key, written at that moment (s), as JSON in bytes."""
    local = _local(datetime.fromtimestamp(write_ts, timezone.utc))
    parts = ["year", "month", "day", "hour", "minute", "second"]
    local_dt = {part: getattr(local, part) for part in parts}
    local_dt.update(weekday=local.weekday(), timezone=SERVER_ZONE)
    head = {"key": key, "platform": "server", "write_ts": float(write_ts), "time_zone": SERVER_ZONE}
    metadata = {**head, "write_local_dt": local_dt, "write_fmt_time": local.isoformat()}
    # In the order in which the server's stages write the members.
    return json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode()


def _local(moment):
    """By the clock of the server's zone. A cell has no database of zones; the rule of this one is that of 2007."""
    # The second Sunday of March and the first one of November, each at 2:00 by the clock that holds until then.
    summer = _sunday(moment.year, 3, 8) + timedelta(hours=10)
    winter = _sunday(moment.year, 11, 1) + timedelta(hours=9)
    hours = -7 if summer <= moment < winter else -8
    return moment.astimezone(timezone(timedelta(hours=hours)))


def _sunday(year, month, day):
    """The first Sunday from that day on."""
    day = datetime(year, month, day, tzinfo=timezone.utc)
    return day + timedelta(days=6 - day.weekday())
