//! What a cell is shown of a real store, against a filter over plain vectors that was written independently: every
//! entry is made coarse first, then the query is asked of the copies.

use proptest::prelude::*;
use runtime_consent::{Narrowing, Place, Pseudonyms, Time};
use runtime_types::Order;

use super::super::shown::ShownCursor;
use super::super::view::View;
use super::*;

#[derive(Debug, Clone, Copy)]
struct Bounds {
    from: Option<f64>,
    until: Option<f64>,
    place: Place,
    time: Time,
}

fn narrowing(key: &str, bounds: Bounds) -> Narrowing {
    Narrowing {
        on: Some(key.to_owned()),
        from: bounds.from,
        until: bounds.until,
        place: Some(bounds.place),
        time: Some(bounds.time),
        ..Narrowing::default()
    }
}

fn floor(time: Time, moment: f64) -> f64 {
    let grain = match time {
        Time::Exact => return moment,
        Time::Hour => 3_600,
        Time::Day => 86_400,
    };
    (moment.floor() as i64).div_euclid(grain) as f64 * grain as f64
}

fn is_inside(entry: &Entry, bounds: Bounds, now: f64) -> bool {
    let (from, until) = (bounds.from.unwrap_or(f64::MIN), bounds.until.unwrap_or(f64::MAX));
    let position = entry.times[0];
    if bounds.time == Time::Exact {
        return from <= position && position <= until;
    }
    let start = floor(bounds.time, position);
    let length = if bounds.time == Time::Hour { HOUR } else { 24.0 * HOUR };
    let passed = |moment: &f64| floor(bounds.time, *moment) + length <= now;
    let all = entry.times.iter().chain([&entry.write_ts]).all(passed);
    from <= start && (start + length).next_down() <= until && all
}

fn cell(place: Place, [latitude, longitude]: [f64; 2]) -> [f64; 2] {
    let (latitude, longitude) = runtime_consent::centre_of(place, latitude, longitude);
    [latitude, longitude]
}

/// Coarse copies of the entries that match: shown time, shown id, and the entry.
fn matching<'e>(
    entries: &'e [Entry],
    bounds: [Bounds; 2],
    now: f64,
    query: &Query,
) -> Vec<(f64, EntryId, &'e Entry, Bounds)> {
    let pseudonyms = Pseudonyms::new(&SECRET);
    let mut found = Vec::new();
    for entry in entries {
        let bounds = bounds[usize::from(entry.key == TRIP)];
        let asked = query.keys.is_empty() || query.keys.iter().any(|key| key.as_str() == entry.key);
        let Some(time) = entry.time(query.field).filter(|_| asked) else { continue };
        let time = floor(bounds.time, time);
        if is_inside(entry, bounds, now) && query.start <= time && time <= query.end {
            let id = if bounds.time == Time::Exact { entry.id } else { pseudonyms.shown(entry.id) };
            found.push((time, id, entry, bounds));
        }
    }
    found.sort_by(|one, other| (one.0, one.1).partial_cmp(&(other.0, other.1)).expect("no time is NaN"));
    if query.order == Order::Descending {
        found.reverse();
    }
    found
}

fn moments() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0.0..259_200.0_f64).prop_map(|after| MIDNIGHT + after),
        (0_u32..72).prop_map(|hour| MIDNIGHT + f64::from(hour) * HOUR),
        (1_u32..72).prop_map(|hour| (MIDNIGHT + f64::from(hour) * HOUR).next_down()),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let place = || (47.3..47.45_f64, 8.4..8.6_f64).prop_map(|(latitude, longitude)| [latitude, longitude]);
    let entry = (any::<bool>(), moments(), moments(), moments(), place(), place());
    prop::collection::vec(entry, 0..60).prop_map(|all| {
        let entry =
            |(number, (is_trip, write_ts, one, other, start, end)): (usize, (_, f64, f64, f64, _, _))| {
                Entry {
                    id: EntryId(std::array::from_fn(|at| if at < 11 { 7 } else { number as u8 })),
                    key: if is_trip { TRIP } else { LOCATION },
                    write_ts,
                    times: if is_trip { vec![one.min(other), one.max(other)] } else { vec![one] },
                    places: if is_trip { vec![start, end] } else { vec![start] },
                    distance: 1_550.0,
                }
            };
        all.into_iter().enumerate().map(entry).collect()
    })
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let place = prop::sample::select(&Place::ALL[..]);
    let time = prop::sample::select(&Time::ALL[..]);
    let bound = || prop::option::of(moments());
    (bound(), bound(), place, time).prop_map(|(from, until, place, time)| Bounds { from, until, place, time })
}

fn queries() -> impl Strategy<Value = Query> {
    let field = prop::sample::select(&FIELDS[..]);
    let keys = prop::sample::select(&KEYS[..]);
    let bound = |otherwise: f64| prop_oneof![moments(), Just(otherwise)];
    (keys, field, bound(f64::NEG_INFINITY), bound(f64::INFINITY), any::<bool>()).prop_map(
        |(keys, field, start, end, descending)| Query {
            order: if descending { Order::Descending } else { Order::Ascending },
            ..query(keys, field, start, end)
        },
    )
}

fn check(entries: &[Entry], bounds: [Bounds; 2], now: f64, queries: &[Query]) -> Result<(), TestCaseError> {
    let lab = Lab::new();
    lab.put(entries);
    let mut host = lab.host(&[narrowing(LOCATION, bounds[0]), narrowing(TRIP, bounds[1])], now);
    for query in queries {
        // Without any entry there is no stream of that name, which is refused if the query names none.
        if entries.is_empty() {
            continue;
        }
        let want = matching(entries, bounds, now, query);
        let found = read(&find(&mut host, query).expect("granted"));
        prop_assert_eq!(found.len(), want.len(), "{:?}", query);
        for (found, (time, id, entry, bounds)) in found.iter().zip(&want) {
            prop_assert_eq!((found.time, found.id, found.key.as_str()), (*time, *id, entry.key));
            prop_assert_eq!(found.write_ts, floor(bounds.time, entry.write_ts));
            let data: serde_json::Value = serde_json::from_str(&found.data).expect("JSON");
            let place = if entry.key == TRIP { &data["start_loc"] } else { &data["loc"] };
            let [latitude, longitude] = cell(bounds.place, entry.places[0]);
            prop_assert_eq!(&place["coordinates"], &serde_json::json!([longitude, latitude]));
        }
        prop_assert_eq!(host.count(query.clone()).expect("granted"), want.len() as u64);

        let rows = find_locations(&mut host, query).expect("granted");
        prop_assert_eq!(&rows.ids, &want.iter().map(|(_, id, ..)| *id).collect::<Vec<_>>());
        for (row, (_, _, entry, bounds)) in want.iter().enumerate() {
            if entry.key == TRIP {
                prop_assert!(rows.ts[row].is_nan() && rows.latitude[row].is_nan());
                continue;
            }
            prop_assert_eq!(rows.ts[row], floor(bounds.time, entry.times[0]));
            prop_assert_eq!(rows.write_ts[row], floor(bounds.time, entry.write_ts));
            prop_assert_eq!([rows.latitude[row], rows.longitude[row]], cell(bounds.place, entry.places[0]));
            prop_assert_eq!((rows.accuracy[row], rows.filter[row]), (12.5, 2));
        }

        // However little room a cursor has, it shows the same in the same order.
        let narrowed = Query { keys: [LOCATION, TRIP].map(key).to_vec(), ..query.clone() };
        let narrowed = if query.keys.is_empty() { narrowed } else { query.clone() };
        let view = View::of(&host.grant, &narrowed, now, ACCOUNT);
        let small = ShownCursor::open(&host.snapshot, view, &narrowed).expect("readable");
        let mut shown = Vec::new();
        if let Some(small) = small {
            let mut small = small.with_shelf(1_500);
            let visited = small.visit(&mut |entry| {
                shown.push((entry.time, entry.id));
                std::ops::ControlFlow::Continue(())
            });
            prop_assert!(visited.is_ok());
        }
        prop_assert_eq!(shown, want.iter().map(|(time, id, ..)| (*time, *id)).collect::<Vec<_>>());
    }
    // By ids: those that were shown are found, in the order in which they are asked for.
    let all = matching(entries, bounds, now, &everything(&[LOCATION, TRIP]));
    let mut ids: Vec<_> = all.iter().map(|(_, id, ..)| *id).collect();
    ids.reverse();
    let found = read(&find_ids(&mut host, &[LOCATION, TRIP], &ids).expect("granted"));
    prop_assert_eq!(found.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids);
    // And no others, by whatever id: not by the store's under a coarse time, not outside the window.
    let stored: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let found = read(&find_ids(&mut host, &[LOCATION, TRIP], &stored).expect("granted"));
    let exact = all.iter().filter(|(_, _, _, bounds)| bounds.time == Time::Exact).count();
    prop_assert_eq!(found.len(), exact);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_query_form_shows_what_a_filter_over_coarse_copies_finds(
        entries in entries(),
        bounds in [bounds(), bounds()],
        now in prop_oneof![moments(), Just(MIDNIGHT + 1e6)],
        queries in prop::collection::vec(queries(), 8),
    ) {
        check(&entries, bounds, now, &queries)?;
    }
}
