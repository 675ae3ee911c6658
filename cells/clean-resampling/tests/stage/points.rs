//! Points: which of them count, and which of their members are kept.

use serde_json::{Value, json};

use crate::diary::*;

#[test]
fn points_that_smoothing_deleted_do_not_count() {
    let mut diary = Diary::new().trip(0.0, &[DRIVE], 0.0);
    let (section, deleted) = (id(3), json!([{ "$oid": diary.points[5] }]));
    let number_of = diary.next_id();
    diary.entry(number_of, "analysis/smoothing", &json!({ "section": section, "deleted_points": deleted }));
    let all = id_of_all(&diary);
    let number_of = diary.next_id();
    diary.entry(number_of, "analysis/smoothing", &json!({ "section": section, "deleted_points": all }));
    // The first result counts; the second would leave nothing.
    let (diary, _) = diary.cleaned();
    assert_eq!(diary.made(TRIP).len(), 1);
}

fn id_of_all(diary: &Diary) -> Value {
    diary.points.iter().map(|point| json!({ "$oid": point })).collect()
}

// Row: "A point without an altitude costs"
#[test]
fn positions_do_not_depend_on_altitudes() {
    let heights = |height: fn(usize) -> Option<Value>| {
        let mut row = 0;
        let (diary, _) = eventful()
            .changed(|data| {
                let members = data.as_object_mut().expect("an object");
                if members.remove("altitude").is_some() {
                    members.extend(height(row).map(|height| ("altitude".to_owned(), height)));
                    row += 1;
                }
            })
            .run();
        let known: Vec<f64> =
            diary.made(POINT).iter().filter_map(|point| point["altitude"].as_f64()).collect();
        assert!(known.iter().all(|height| *height == 400.0), "{known:?}");
        assert!(diary.made(POINT).iter().all(|point| point.get("altitude") != Some(&Value::Null)));
        (measures(&diary), known.len())
    };
    let (wanted, all) = heights(|_| Some(json!(400.0)));
    let mixes: [fn(usize) -> Option<Value>; 6] = [
        |_| None,
        |_| Some(Value::Null),
        |row| (row % 10 != 0).then(|| json!(400.0)),
        |row| if row % 2 == 0 { Some(Value::Null) } else { Some(json!(400.0)) },
        |row| (row > 20).then(|| json!(400.0)),
        |row| [None, Some(Value::Null), Some(json!(400.0)), Some(json!("high"))][row % 4].clone(),
    ];
    for (number, mix) in mixes.into_iter().enumerate() {
        let (found, known) = heights(mix);
        assert_eq!(found, wanted, "mix {number}");
        assert!(known < all && (known > 0) == (number > 1), "mix {number}: {known} of {all}");
    }
}

// Row: "No altitude in the window"
#[test]
fn without_any_altitude_points_have_none() {
    let (diary, _) = without(Diary::new().trip(0.0, &[DRIVE], 0.0), "altitude", |_| true).cleaned();
    let points = diary.made(POINT);
    assert_eq!((diary.made(TRIP).len(), points.len()), (1, 8));
    assert!(points.iter().all(|point| point.get("altitude").is_none()), "{}", points[0]);
}

// Row: "A member `mode` in a location"
#[test]
fn the_mode_that_a_phone_gives_for_a_fix_is_ignored() {
    let day = |mode: Option<Value>| {
        let with_mode = |data: &mut Value| {
            let members = data.as_object_mut().filter(|data| data.contains_key("latitude"));
            if let Some((members, mode)) = members.zip(mode.clone()) {
                members.insert("mode".to_owned(), mode);
            }
        };
        eventful().changed(with_mode).run().0
    };
    let plain = day(None);
    for mode in [json!(7), json!("car"), Value::Null, json!({}), json!([1.5])] {
        let diary = day(Some(mode.clone()));
        for key in MADE {
            assert_eq!(diary.made(key), plain.made(key), "{key} {mode}");
        }
        let points = diary.memory.of_key(POINT);
        assert!(points.iter().all(|point| point.data.matches(r#""mode":"#).count() == 1), "{mode}");
    }
}

// Row: "The only point of a section is stored as a row"
#[test]
fn the_only_point_of_a_section_is_kept_as_the_phone_sent_it() {
    let (diary, _) = Diary::new().trip(0.0, &[DRIVE, (1, 0.0, 2), DRIVE], 10.0).cleaned();
    let section = diary.made(SECTION).remove(1);
    let point =
        diary.made(POINT).into_iter().find(|point| point["section"] == section["_id"]).expect("a point");
    assert_eq!((&point["index"], &point["idx"], &point["heading"]), (&json!(11), &json!(0), &json!(0.0)));
    assert_eq!((&point["filter"], &point["local_dt_timezone"]), (&json!("time"), &json!("Europe/Zurich")));
    assert!(point.get("local_dt").is_none());
    assert_eq!(point["user_id"]["$uuid"], "ab".repeat(16));
    assert_eq!(section["speeds"], json!([0.0]));
}

// Row: "The only point of a section is dropped"
#[test]
fn the_only_point_of_a_section_may_lack_what_phones_do_not_always_know() {
    let names =
        [("altitude", 1), ("accuracy", 1), ("sensed_speed", 1), ("filter", 1), ("loc", 0), ("floor", 0)];
    for (name, kept) in names {
        for value in [None, Some(Value::Null)] {
            let change = |data: &mut Value| {
                let Some(members) = data.as_object_mut().filter(|data| data.contains_key("latitude")) else {
                    return;
                };
                // The point of the section in the middle lacks the member.
                let alone = members["ts"] == json!(DAY + 860.0);
                members.entry("floor").or_insert(json!(0));
                members.entry("sensed_speed").or_insert(json!(1.5));
                if alone {
                    members.remove(name);
                    members.extend(value.clone().map(|value| (name.to_owned(), value)));
                }
            };
            let diary = Diary::new().trip(0.0, &[DRIVE, (1, 0.0, 2), DRIVE], 10.0).closed().changed(change);
            let (diary, _) = diary.run();
            let section = diary.made(SECTION).remove(1)["_id"].clone();
            let count = diary.made(POINT).iter().filter(|point| point["section"] == section).count();
            assert_eq!(count, kept, "{name} {value:?}");
            for point in diary.memory.of_key(POINT) {
                assert_eq!(cells_sdk::model::keys::check(POINT, &point.data), Ok(()));
            }
        }
    }
}

// Row: "The only point of a section is dropped"
#[test]
fn the_only_point_of_a_section_is_lost_where_it_lacks_a_member_that_another_point_has() {
    let diary = Diary::new().trip(0.0, &[DRIVE, (1, 0.0, 2), DRIVE], 10.0);
    let alone = DAY + 600.0 + 200.0 + 60.0;
    let (diary, _) = without(diary, "loc", |ts| ts == alone).cleaned();
    let section = &diary.made(SECTION)[1]["_id"];
    assert_eq!(diary.made(POINT).iter().filter(|point| point["section"] == *section).count(), 0);
}
