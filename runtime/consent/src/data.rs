//! What of an entry's data is shown.

use std::borrow::Cow;

use cells_contract::EntryId;
use cells_model::time::local;
use serde_json::{Map, Value, json};

use crate::grid::centre_of;
use crate::ids::Pseudonyms;
use crate::precision::{Place, Time};
use crate::shape::{Mark, Node, Object, Shape};

/// How places, times and ids of one stream are shown.
pub(crate) struct Showing<'s> {
    pub place: Place,
    pub time: Time,
    pub shape: &'s Shape,
    pub ids: &'s Pseudonyms,
    pub without: &'s [String],
}

impl Showing<'_> {
    /// The data that is shown for this under a coarse grant. What does not read is shown as an empty object.
    pub(crate) fn data(&self, data: &str) -> String {
        let shown = serde_json::from_str(data).ok().and_then(|value| self.value(self.shape.root, &value));
        shown.filter(Value::is_object).map_or_else(|| "{}".to_owned(), |value| value.to_string())
    }

    /// `None`: it is left out.
    fn value(&self, node: usize, value: &Value) -> Option<Value> {
        match (&self.shape.nodes[node], value) {
            (Node::Unknown, _) => None,
            // Absent and null are told alike.
            (Node::Leaf { .. } | Node::List(_) | Node::Object(_) | Node::Whole(Mark::Point), Value::Null) => {
                Some(Value::Null)
            }
            (Node::One(values), value) => values.contains(value).then(|| value.clone()),
            (Node::Whole(mark), value) => self.whole(*mark, value),
            (Node::Gate(Mark::Place, _), _) if self.place != Place::Exact => None,
            (Node::Gate(Mark::Moment, _), _) if self.time != Time::Exact => None,
            (Node::Gate(_, inner), value) => self.value(*inner, value),
            (Node::Leaf { mark, .. }, Value::Bool(_)) => {
                mark.is_none_or(|mark| mark == Mark::Plain).then(|| value.clone())
            }
            (Node::Leaf { mark, kinds }, value) => {
                let of_type = value.is_number() && kinds.number || value.is_string() && kinds.text;
                of_type.then(|| self.leaf((*mark)?, value)).flatten()
            }
            (Node::List(items), Value::Array(values)) => {
                Some(values.iter().filter_map(|value| self.value(*items, value)).collect())
            }
            (Node::Object(object), Value::Object(values)) => Some(self.object(object, values)),
            _ => None,
        }
    }

    fn object(&self, object: &Object, values: &Map<String, Value>) -> Value {
        let mut shown = Map::new();
        let shows = |name: &String| !self.without.contains(name);
        for (name, value) in values.iter().filter(|(name, _)| shows(name)) {
            let Some(node) = object.members.get(name).or(object.others.as_ref()) else { continue };
            let value = match &self.shape.nodes[*node] {
                Node::Whole(mark @ (Mark::LocalParts | Mark::LocalText)) if self.time != Time::Exact => {
                    self.local(*mark, name, values)
                }
                _ => self.value(*node, value),
            };
            shown.extend(value.map(|value| (name.clone(), value)));
        }
        if let Some(names) = &object.at {
            // From the values as they are stored: one coordinate may be left out, and the grid needs both.
            let of = |name: &String| values.get(name).and_then(Value::as_f64);
            let [latitude, longitude] = names.each_ref().map(of);
            if let (Some(latitude), Some(longitude)) = (latitude, longitude) {
                let (latitude, longitude) = centre_of(self.place, latitude, longitude);
                let both = names.iter().zip([latitude, longitude]).filter(|(name, _)| shows(name));
                shown.extend(both.map(|(name, degrees)| (name.clone(), json!(degrees))));
            }
        }
        Value::Object(shown)
    }

    /// A local time, made anew in UTC from the moment beside it: `start_ts` is that of `start_local_dt`.
    fn local(&self, mark: Mark, name: &str, beside: &Map<String, Value>) -> Option<Value> {
        let (parts, end) = (mark == Mark::LocalParts, ["fmt_time", "local_dt"]);
        let moment = beside.get(&format!("{}ts", name.strip_suffix(end[usize::from(parts)])?))?.as_f64()?;
        let (local_dt, fmt_time) = local(self.time.floor(moment), "UTC").ok()?;
        if parts { serde_json::to_value(local_dt).ok() } else { Some(fmt_time.into()) }
    }

    fn leaf(&self, mark: Mark, value: &Value) -> Option<Value> {
        let as_it_is = || Some(value.clone());
        match mark {
            Mark::Plain => as_it_is(),
            Mark::Length => match self.place.metres() {
                // A zero without a sign: it would tell on which side of it the length was.
                Some(metres) => Some(json!((value.as_f64()? / metres).round() * metres + 0.0)),
                None => as_it_is(),
            },
            Mark::Duration => match self.time.seconds() {
                Some(grain) => Some(json!((value.as_f64()? / grain).floor() * grain + 0.0)),
                None => as_it_is(),
            },
            Mark::Time if self.time == Time::Exact => as_it_is(),
            Mark::Time => Some(json!(self.time.floor(value.as_f64()?))),
            // Coordinates are shown in pairs.
            _ => None,
        }
    }

    fn whole(&self, mark: Mark, value: &Value) -> Option<Value> {
        let exact = self.time == Time::Exact;
        match mark {
            Mark::Point => geometry(value, &mut |[longitude, latitude]| {
                let (latitude, longitude) = centre_of(self.place, latitude, longitude);
                [longitude, latitude]
            }),
            Mark::LocalParts if exact => value.is_object().then(|| value.clone()),
            Mark::LocalText if exact => value.is_string().then(|| value.clone()),
            Mark::Id => {
                let id = EntryId::parse(value.get("$oid")?.as_str()?)?;
                let shown = if exact { id } else { self.ids.shown(id) };
                Some(json!({ "$oid": shown.to_string() }))
            }
            _ => None,
        }
    }
}

/// A geometry of GeoJSON with other places, and without any other member.
fn geometry(value: &Value, to: &mut dyn FnMut([f64; 2]) -> [f64; 2]) -> Option<Value> {
    let kind = value.get("type")?.as_str()?;
    if kind == "GeometryCollection" {
        let all = value.get("geometries")?.as_array()?.iter();
        // Not another collection within: it would only hide a depth.
        let all = all.filter(|one| one.get("coordinates").is_some()).filter_map(|one| geometry(one, to));
        return Some(json!({ "type": kind, "geometries": all.collect::<Vec<_>>() }));
    }
    let known = ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"];
    if !known.contains(&kind) {
        return None;
    }
    let coordinates = positions(value.get("coordinates")?, 4, to)?;
    Some(json!({ "type": kind, "coordinates": coordinates }))
}

/// Lists of positions, at most `levels` deep; of a position, its longitude and latitude.
fn positions(value: &Value, levels: u32, to: &mut dyn FnMut([f64; 2]) -> [f64; 2]) -> Option<Value> {
    let items = value.as_array()?;
    if levels == 0 {
        return None;
    }
    if let [longitude, latitude, ..] = &items[..]
        && let (Some(longitude), Some(latitude)) = (longitude.as_f64(), latitude.as_f64())
    {
        return Some(json!(to([longitude, latitude])));
    }
    let inner = items.iter().map(|item| positions(item, levels - 1, to));
    inner.collect::<Option<Vec<_>>>().map(Value::Array)
}

/// Data without the members of those names, however deep they stand; `None` for what does not read. Data that has none
/// of them is unchanged.
pub(crate) fn stripped<'d>(data: &'d str, names: &[&str]) -> Cow<'d, str> {
    // A name with an escape may be one of them.
    if !names.iter().any(|name| data.contains(name)) && !data.contains('\\') {
        return Cow::Borrowed(data);
    }
    let Ok(mut value) = serde_json::from_str::<Value>(data) else { return Cow::Borrowed("{}") };
    if strip(&mut value, names) { Cow::Owned(value.to_string()) } else { Cow::Borrowed(data) }
}

/// Whether anything was removed.
fn strip(value: &mut Value, names: &[&str]) -> bool {
    let mut removed = false;
    match value {
        Value::Object(members) => {
            let before = members.len();
            members.retain(|name, _| !names.contains(&name.as_str()));
            removed = members.len() < before;
            members.values_mut().for_each(|value| removed |= strip(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| removed |= strip(value, names)),
        _ => {}
    }
    removed
}
