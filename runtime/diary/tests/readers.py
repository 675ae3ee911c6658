"""Reads exported diaries as other people's programs do, and prints what they complain about, a line each.

    readers.py FOLDER

The folder has diaries by number: 0.geojson, 0.timeline, 0.gpx, 0.kml, 0.csv, 1.geojson, …
"""
import csv
import io
import json
import math
import pathlib
import sys
import warnings

import fastkml
import geojson
import gpxpy
import pandas
from fastkml import validator
from lxml import etree
from shapely.geometry import shape

# What programs warn of today they refuse tomorrow.
warnings.simplefilter("error")

GPX = "{http://www.topografix.com/GPX/1/1}"
TRACK = ["name", "cmt", "desc", "src", "link", "number", "type", "extensions", "trkseg"]


def positions(geometry):
    if geometry["type"] == "Point":
        return [[geometry["coordinates"]]]
    return [geometry["coordinates"]] if geometry["type"] == "LineString" else geometry["coordinates"]


def geometry_problems(geometry):
    for line in positions(geometry):
        for longitude, latitude, *_ in line:
            if not (math.isfinite(longitude) and abs(longitude) <= 180 and abs(latitude) <= 90):
                yield f"position {longitude} {latitude}"
        for a, b in zip(line, line[1:]):
            if abs(a[0] - b[0]) > 180:
                yield f"a line round the world from {a} to {b}"


def read_geojson(text):
    collection = geojson.loads(text)
    if not collection.is_valid:
        yield f"not valid: {collection.errors()}"
    for feature in collection["features"]:
        geometry = feature["geometry"]
        if geometry is None:
            continue
        if len({len(position) for line in positions(geometry) for position in line}) > 1:
            yield "positions with and without an altitude in one geometry"
        if not shape(geometry).is_valid:
            yield f"a {geometry['type']} that is not valid: {geometry['coordinates']}"
        yield from geometry_problems(geometry)
        properties = feature["properties"]
        if "times" in properties and geometry["type"] != "Point":
            count = sum(map(len, positions(geometry)))
            if count != len(properties["times"]):
                yield f"{len(properties['times'])} times for {count} positions"


def read_timeline(text):
    for trip in json.loads(text):
        for feature in trip["features"]:
            for part in feature.get("features", [feature]):
                if part["geometry"] is not None:
                    yield from geometry_problems(part["geometry"])


def read_gpx(text):
    import xml.etree.ElementTree as tree

    for track in tree.fromstring(text).iter(GPX + "trk"):
        order = [TRACK.index(child.tag.removeprefix(GPX)) for child in track]
        if order != sorted(order):
            yield f"elements of a track out of the schema's order: {order}"
    forms = set()
    for time in tree.fromstring(text).iter(GPX + "time"):
        forms.add((len(time.text), time.text[-1:]))
    if len(forms) > 1:
        yield f"times of several forms: {forms}"
    for track in gpxpy.parse(text).tracks:
        if not track.segments:
            yield "a track without segments"
        for segment in track.segments:
            points = segment.points
            if len(points) < 2:
                yield f"a segment of {len(points)} points"
            for point in points:
                if not (-180 <= point.longitude < 180 and abs(point.latitude) <= 90 and point.time):
                    yield f"point {point}"
            for a, b in zip(points, points[1:]):
                if abs(a.longitude - b.longitude) > 180 or b.time < a.time:
                    yield f"from {a} to {b}"


def placemarks(feature):
    for part in getattr(feature, "features", []):
        yield from placemarks(part)
    if isinstance(feature, fastkml.Placemark):
        yield feature


def read_kml(text):
    import xml.etree.ElementTree as tree

    # The schema of the Open Geospatial Consortium, with Google's extension.
    schema = validator.get_schema_parser(pathlib.Path(fastkml.__file__).parent / "schema" / "kml22gx.xsd")
    if not schema.validate(etree.fromstring(text.encode())):
        yield f"not valid: {schema.error_log}"
    for placemark in placemarks(fastkml.KML.parse(io.BytesIO(text.encode()), strict=True)):
        if placemark.geometry is None or placemark.geometry.is_empty:
            yield f"a placemark without a line: {placemark.name}"

    kml, gx = "{http://www.opengis.net/kml/2.2}", "{http://www.google.com/kml/ext/2.2}"
    root = tree.fromstring(text)
    if root.tag != kml + "kml" or [child.tag for child in root] != [kml + "Document"]:
        yield "no KML document"
    for track in root.iter(gx + "Track"):
        whens = [when.text for when in track.iter(kml + "when")]
        places = [list(map(float, place.text.split())) for place in track.iter(gx + "coord")]
        if len(whens) != len(places) or whens != sorted(whens):
            yield f"{len(whens)} times and {len(places)} places, or times out of order"
        for longitude, latitude, *_ in places:
            if not (abs(longitude) <= 180 and abs(latitude) <= 90):
                yield f"position {longitude} {latitude}"


def read_csv(path):
    table = pandas.read_csv(path, keep_default_na=False, na_values=[""])
    for name in ["start_time", "end_time"]:
        times = pandas.to_datetime(table[name])
        if len(times) and (times.isna().any() or str(times.dt.tz) != "UTC"):
            yield f"{name}: {list(table[name])}"
    for name in ["start_local_time", "end_local_time"]:
        if len(table) and pandas.to_datetime(table[name]).isna().any():
            yield f"{name}: {list(table[name])}"
    for name in [column for column in table if column.endswith(("itude", "_m", "_s")) and column != "modes_m"]:
        if len(table) and table[name].dtype == object:
            yield f"{name} has text: {list(table[name])}"
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, cell in row.items():
                is_number = name.endswith(("itude", "distance_m", "duration_s"))
                if not is_number and cell.lstrip()[:1] in tuple("=+-@＝＋－＠"):
                    yield f"{name} begins a formula: {cell!r}"
                if not is_number and cell[:1] in ("\t", "\r", "\n"):
                    yield f"{name} begins with a control character: {cell!r}"


def main(folder):
    for path in sorted(pathlib.Path(folder).iterdir()):
        read = {".geojson": read_geojson, ".timeline": read_timeline, ".gpx": read_gpx, ".kml": read_kml}.get(path.suffix)
        try:
            problems = list(read(path.read_text(encoding="utf-8")) if read else read_csv(path))
        except Exception as error:
            problems = [repr(error)]
        for problem in problems:
            print(f"{path.name}: {problem}")


main(sys.argv[1])
