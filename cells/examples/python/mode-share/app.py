"""How far somebody went by each mode, month by month: one `study.mode-share/month` for each month.

Sections are results of other stages, which are dated with the moment of the run that made them. So this stage asks for
them by when they *ended*, and remembers itself how far it has come.
"""

import math

SECTION = "analysis/inferred_section"
MONTH = "study.mode-share/month"


def run(cell):
    """Counts the sections that are new, and writes the months that they change."""
    memory = cell.remembered({"through": None, "months": {}})
    months, through = memory["months"], memory["through"]
    changed = set()
    start = None if through is None else math.nextafter(through, math.inf)
    for entry in cell.find(SECTION, time="end-ts", start=start):
        section = entry.data
        local = section["start_local_dt"]
        name = f"{local['year']:04}-{local['month']:02}"
        month = months.setdefault(name, {"id": None, "modes": {}})
        through = month["ts"] = float(section["end_ts"])
        total = month["modes"].setdefault(str(section["sensed_mode"]), {"sections": 0, "distance": 0.0})
        total["sections"] += 1
        total["distance"] += section["distance"]
        changed.add(name)
    write(cell.output, months, sorted(changed))
    cell.remember({"through": through, "months": months})
    cell.processed_through = through


def write(output, months, changed):
    new = []
    for name in changed:
        month = months[name]
        data = {"month": name, "ts": month["ts"], "modes": month["modes"]}
        if month["id"] is None:
            new.append(month)
            output.insert(MONTH, data)
        else:
            output.replace(MONTH, month["id"], data)
    for month, id in zip(new, output.take_ids()):
        month["id"] = id
