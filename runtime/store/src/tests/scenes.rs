//! Random batches that do everything a batch can, over few keys and times so that they collide.

use runtime_types::{Area, EntryId, Order, Query, TimeField};

use super::lab::{key, location};
use super::model::{Deed, Model, Thing};
use super::random::Random;

const KEYS: [&str; 3] = ["background/location", "statemachine/transition", "segmentation/raw_trip"];
const KINDS: [&str; 3] = ["message", "sensor-data", "mes\u{e4}ge"];
/// 2023-11-30T23:00:00Z: batches reach over the end of a month.
const START: f64 = 1_701_385_200.0;

pub fn time(random: &mut Random) -> f64 {
    match random.below(20) {
        0 => 1.7e12,
        1 => -5.0,
        2 => START + 40.0 * 86_400.0,
        _ => START + random.below(400) as f64 * 20.5,
    }
}

/// An entry of any shape.
pub fn thing(random: &mut Random, id: EntryId) -> Thing {
    let at = time(random);
    let key_text = *random.pick(&KEYS);
    let (mut metadata, mut data) = location(at);
    if !random.chance(40) {
        let kind = random.pick(&KINDS);
        metadata = match random.below(12) {
            0 => format!(r#"{{"key":"{key_text}","type":"{kind}"}}"#),
            1 => format!(r#"{{ "write_ts" : {at:?}e0, "key":"{key_text}" }}"#),
            _ => format!(r#"{{"key":"{key_text}","type":"{kind}","write_ts":{at}}}"#),
        };
        let end = at + random.below(3_000_000) as f64;
        data = match random.below(6) {
            0 => "{}".to_owned(),
            1 => format!(r#"{{"enter_ts":{at},"exit_ts":{end},"name":"caf\u00e9 {}"}}"#, random.below(9)),
            2 => format!(r#"{{"transition":"T_{}","ts":{at}}}"#, random.below(9)),
            3 => format!(r#"{{"ts":null,"end_ts":{end},"note":"{}"}}"#, "\u{1f6b2}".repeat(random.below(30))),
            _ => format!(r#"{{"start_ts":{at},"end_ts":{end},"x":[{}]}}"#, random.below(1000)),
        };
    }
    if random.chance(30) {
        metadata = with_device(random, &metadata);
    }
    let extra = if random.chance(10) { r#""error":{"reason":"none"}"#.to_owned() } else { String::new() };
    Thing { id, key: key(key_text), metadata, data, extra }
}

/// The metadata with a stamp, a platform, or something else in their place.
fn with_device(random: &mut Random, metadata: &str) -> String {
    let members = random.pick(&[
        r#""device":"a","#,
        r#""device":"b","platform":"ios","#,
        r#""platform":7,"device":"b","#,
        r#""platform":"2016-08-05T04:49:40.507000-07:00","device":"a","#,
        r#""device":"2016-08-05T04:49:40.507000-07:00","#,
        r#""device":"caf\u00e9","#,
        r#""device":null,"#,
        r#""device":{"device":"a"},"#,
        r#""device":12.50,"#,
    ]);
    metadata.replacen('{', &format!("{{{members}"), 1)
}

/// An id that exists, existed, or never will.
fn some_id(random: &mut Random, model: &Model, area: Area) -> EntryId {
    let ids = model.ids(area);
    if ids.is_empty() || random.chance(10) {
        return EntryId([random.below(256) as u8; 12]);
    }
    *random.pick(&ids)
}

/// The steps of a batch. The model must be applied to each before the next is made.
pub fn deeds(random: &mut Random, model: &Model, new_ids: &mut dyn FnMut() -> EntryId) -> Vec<Deed> {
    let mut model = model.clone();
    let size = match random.below(8) {
        0 => random.below(500),
        1..4 => random.below(80),
        _ => random.below(8),
    };
    let mut deeds = Vec::new();
    for _ in 0..=size {
        let deed = deed(random, &model, new_ids);
        // Later steps may be about entries of this same batch. Copying the model is expensive in large batches.
        if size < 8 {
            model.apply(std::slice::from_ref(&deed));
        }
        deeds.push(deed);
    }
    deeds
}

fn deed(random: &mut Random, model: &Model, new_ids: &mut dyn FnMut() -> EntryId) -> Deed {
    match random.below(100) {
        0..25 => {
            let area = *random.pick(&Area::ALL);
            // An import keeps its id, which may be larger than any id of the store.
            let imported = EntryId([random.next().to_be_bytes(), [0; 8]].concat()[..12].try_into().unwrap());
            let id = if random.chance(10) { imported } else { new_ids() };
            Deed::Insert(area, thing(random, id))
        }
        25..60 => {
            let id = new_ids();
            let mut put = thing(random, id);
            // Sometimes an entry that was sent before.
            let area = *random.pick(&[Area::Usercache, Area::Timeseries, Area::Errors]);
            if let Some(old) = model.thing(area, some_id(random, model, area)).filter(|_| random.chance(30)) {
                put = Thing { id, ..old.clone() };
            } else if let Some(old) = model.some_forgotten(random).filter(|_| random.chance(20)) {
                put = Thing { id, ..old.clone() };
            }
            Deed::Put(put, key(KEYS[0]))
        }
        60..72 => {
            let id = some_id(random, model, Area::Usercache);
            // Mostly as it was sent, as far as a resend is compared.
            let moved = match model.thing(Area::Usercache, id).filter(|_| random.chance(80)) {
                Some(old) => Thing { key: key(KEYS[0]), ..old.clone() },
                None => thing(random, id),
            };
            Deed::TakeIn(id, moved)
        }
        72..76 => {
            let id = some_id(random, model, Area::Usercache);
            let moved = model.thing(Area::Usercache, id).cloned().unwrap_or_else(|| thing(random, id));
            Deed::SetAside(id, Thing { extra: r#""error":{"reason":"zone"}"#.to_owned(), ..moved })
        }
        76..84 => {
            let id = some_id(random, model, Area::Timeseries);
            Deed::Replace(id, thing(random, id))
        }
        84..90 => {
            let area = if random.chance(80) { Area::Timeseries } else { *random.pick(&Area::ALL) };
            let id = some_id(random, model, area);
            if random.chance(50) { Deed::Delete(area, id) } else { Deed::Forget(area, id) }
        }
        90..94 => Deed::MarkInvalid(some_id(random, model, Area::Timeseries)),
        _ => {
            let name = ["profile", "stage/trips", "ü"][random.below(3)].to_owned();
            let content = vec![random.below(256) as u8; [0, 7, 3_000, 9_000][random.below(4)]];
            Deed::Document(name, (!random.chance(20)).then_some(content))
        }
    }
}

/// Any query.
pub fn query(random: &mut Random) -> Query {
    let fields = TimeField::OWN.into_iter().chain([TimeField::Position; 4]).collect::<Vec<_>>();
    let (a, b) = (time(random), time(random));
    let everything = random.chance(40);
    Query {
        area: *random.pick(&Area::ALL),
        keys: KEYS.iter().filter(|_| random.chance(30)).map(|text| key(text)).collect(),
        field: *random.pick(&fields),
        start: if everything { f64::NEG_INFINITY } else { a.min(b) },
        end: if everything { f64::INFINITY } else { a.max(b) },
        order: if random.chance(50) { Order::Ascending } else { Order::Descending },
        with_invalid: random.chance(50),
    }
}
