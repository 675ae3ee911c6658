use proptest::prelude::*;

use super::*;

/// A row to keep: the texts own their bytes.
#[derive(Debug, Clone)]
struct Kept {
    id: [u8; 12],
    origin: u64,
    times: EntryTimes,
    texts: [String; 3],
}

impl Kept {
    /// A row with the times of its texts.
    fn new(number: u32, metadata: &str, data: &str, extra: &str) -> Self {
        let mut id = *b"\x57\xa4\x8a\xa3\xf3\x11\xe4\x74\0\0\0\0";
        id[8..].copy_from_slice(&number.to_be_bytes());
        let times = EntryTimes::read(metadata, data);
        Self { id, origin: 0, times, texts: [metadata, data, extra].map(str::to_owned) }
    }

    fn row(&self) -> BlockRow<'_> {
        let [metadata, data, extra] = &self.texts;
        BlockRow { id: EntryId(self.id), origin: self.origin, times: self.times, metadata, data, extra }
    }
}

fn same(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
}

fn same_meta(a: &BlockMeta, b: &BlockMeta) -> bool {
    let times = |field: &TimeField| same(a.times(*field), b.times(*field));
    a.ids() == b.ids()
        && a.origins() == b.origins()
        && TimeField::OWN.iter().all(times)
        && times(&TimeField::Position)
}

fn same_fields(a: &Fields, b: &Fields) -> bool {
    same_meta(&a.meta, &b.meta)
        && same(&a.latitude, &b.latitude)
        && same(&a.longitude, &b.longitude)
        && same(&a.accuracy, &b.accuracy)
        && a.filter == b.filter
        && (0..a.meta.len()).all(|row| a.devices.of(row) == b.devices.of(row))
}

/// Encodes with both codecs, reads back in every way and compares; returns both sizes.
fn round_trip(kept: &[Kept]) -> [usize; 2] {
    let rows: Vec<BlockRow<'_>> = kept.iter().map(Kept::row).collect();
    let encoded = [
        (Codec::Rows, encode_rows(&rows).expect("within limits")),
        (Codec::Columns, encode_columns(&rows).expect("within limits")),
    ];
    let whole = encoded.each_ref().map(|(codec, bytes)| decode(*codec, bytes).expect("what was written"));
    for ((codec, bytes), block) in encoded.iter().zip(&whole) {
        assert_eq!(block.len(), rows.len());
        for (at, (found, want)) in block.rows().zip(&rows).enumerate() {
            assert_eq!(found.parts(), want.parts(), "row {at}, {codec:?}");
            assert_eq!((found.id, found.origin), (want.id, want.origin), "row {at}, {codec:?}");
            assert!(same(&found.times.own, &want.times.own), "row {at}, {codec:?}: {found:?} for {want:?}");
            let position = TimeField::Position;
            assert!(
                same(&[block.meta().time(at, position)], &[want.times.get(position)]),
                "row {at}, {codec:?}"
            );
        }
        let fields = decode_fields(*codec, bytes).expect("what was written");
        assert!(same_fields(&fields, &Fields::of_texts(block)), "{codec:?}: {fields:?}");
        assert!(same_meta(&decode_meta(*codec, bytes).expect("what was written"), block.meta()), "{codec:?}");
    }
    assert!(same_meta(whole[0].meta(), whole[1].meta()));
    let unread = DecodedBlock::of_rows(&rows);
    assert!(same_meta(unread.meta(), whole[0].meta()));
    assert_eq!((&unread.text, &unread.ends), (&whole[0].text, &whole[0].ends));
    encoded.map(|(_, bytes)| bytes.len())
}

fn location(number: u32) -> Kept {
    let ts = 1_470_397_780_507_i64 + i64::from(number) * 30_123;
    let (second, minute) = (ts / 1000 % 60, ts / 60_000 % 60);
    let (write, millis) = (ts + 250, ts % 1000);
    let metadata = format!(
        r#"{{"key":"background/location","platform":"android","write_ts":{}.{:03},"time_zone":"America/Los_Angeles","write_fmt_time":"2016-08-05T04:{minute:02}:{second:02}.{millis:03}000-07:00"}}"#,
        write / 1000,
        write % 1000
    );
    let drift = f64::from(number).sin() * 1e-3;
    let data = format!(
        r#"{{"latitude":{:?},"longitude":{:?},"accuracy":{},"filter":"{}","ts":{}.{millis:03},"local_dt":{{"minute":{minute},"second":{second}}},"loc":[{:?}]}}"#,
        37.3 + drift,
        -122.1 - drift,
        5 + number % 40,
        if number.is_multiple_of(3) { "time" } else { "distance" },
        ts / 1000,
        -122.1 - drift
    );
    Kept::new(number, &metadata, &data, "")
}

#[test]
fn locations_come_back_and_columns_are_smaller() {
    let kept: Vec<Kept> = (0..500).map(location).collect();
    let raw: usize = kept.iter().flat_map(|kept| &kept.texts).map(String::len).sum();
    let [rows, columns] = round_trip(&kept);
    assert!(rows * 3 < raw && columns * 9 < raw, "{raw} bytes as {rows} and {columns}");
    for count in 1..12 {
        round_trip(&kept[..count]);
    }
}

/// A location from a device of that name.
fn brought(number: u32, device: &str, platform: &str) -> Kept {
    let mut kept = location(number);
    let stamped = format!(r#""device":{device},"platform":{platform}"#);
    kept.texts[0] = kept.texts[0].replace(r#""platform":"android""#, &stamped);
    kept
}

fn devices_of(kept: &[Kept]) -> Vec<Option<String>> {
    round_trip(kept);
    let rows: Vec<BlockRow<'_>> = kept.iter().map(Kept::row).collect();
    let fields = decode_fields(Codec::Columns, &encode_columns(&rows).expect("within limits"));
    let devices = fields.expect("what was written").devices;
    (0..kept.len()).map(|row| devices.of(row).map(str::to_owned)).collect()
}

#[test]
fn the_device_of_each_row_is_told_without_rebuilding_texts() {
    let stamps = ["\"a\"", "\"b\"", "null", "7", "\"2016-08-05T04:49:40.507000-07:00\""];
    let names = [Some("a/ios"), Some("b/ios"), None, None, Some("2016-08-05T04:49:40.507000-07:00/ios")];
    for several in [1, 2, 3, 5] {
        let number = |row: u32| row as usize % several;
        let kept: Vec<Kept> = (0..40).map(|row| brought(row, stamps[number(row)], "\"ios\"")).collect();
        let expected: Vec<_> = (0..40).map(|row| names[number(row)].map(str::to_owned)).collect();
        assert_eq!(devices_of(&kept), expected, "{several}");
    }
    let mixed: Vec<Kept> = (0..40)
        .map(|row| match row % 4 {
            0 => location(row),
            1 => brought(row, "\"a\"", "\"android\""),
            2 => brought(row, "\"a\"", "\"ios\""),
            _ => brought(row, "{\"a\":[1]}", "\"ios\""),
        })
        .collect();
    let expected = [None, Some("a/android"), Some("a/ios"), None].map(|name| name.map(str::to_owned));
    assert_eq!(devices_of(&mixed), expected.iter().cycle().take(40).cloned().collect::<Vec<_>>());
    assert_eq!(devices_of(&[brought(1, "\"a\"", "\"ios\"")]), [Some("a/ios".to_owned())], "kept raw");
}

#[test]
fn a_stamp_that_all_entries_share_costs_a_block_next_to_nothing() {
    let without: Vec<Kept> = (0..500).map(location).collect();
    let stamped: Vec<Kept> =
        (0..500).map(|row| brought(row, "\"token-5d41402abc4b2a76\"", "\"android\"")).collect();
    let [_, before] = round_trip(&without);
    let [_, after] = round_trip(&stamped);
    assert!(after < before + 60, "{before} bytes, stamped {after}");
}

#[test]
fn values_of_every_kind_come_back_whatever_their_neighbours() {
    let values = [
        "0",
        "-0",
        "-0.0",
        "0.0",
        "1.0",
        "1.50",
        "1e400",
        "1E+5",
        "1e-7",
        "12345678901234567890",
        "-9007199254740993",
        "0.1",
        "123456789012345678",
        "0.12345678901234567",
        "true",
        "false",
        "null",
        "{}",
        "[]",
        "[ ]",
        r#""""#,
        r#""time""#,
        r#""distance""#,
        r#""\u00e9\"\\""#,
        r#""é😀""#,
        r#"[[[[{"a":[1,{"b":[]}]}]]]]"#,
        r#"{"ts":5}"#,
        r#""2016-08-05T04:49:40Z""#,
        r#""2016-08-05T04:49:40.5+01:00""#,
        r#""99""#,
        "NaN",
        "-Infinity",
        "01",
        "1.",
        "3.40282346638528859811704183484516925440e+38",
        "-9.200000762939453",
        "18446744073709551616",
        "9223372036854775807",
        "0.00000000000000001",
    ];
    let names = [
        "ts",
        "latitude",
        "longitude",
        "accuracy",
        "filter",
        "start_ts",
        "end_ts",
        "enter_ts",
        "exit_ts",
        "x",
    ];
    for name in names {
        // Each value alone, each among plain numbers, all mixed in one column.
        let data = |value: &str| format!(r#"{{"{name}": {value}, "y":1}}"#);
        for value in values {
            let kept: Vec<Kept> = (0..16)
                .map(|row| {
                    let odd = row % 8 == 3;
                    let value = if odd { value.to_owned() } else { format!("{}.5", 100 + row) };
                    Kept::new(row, &format!(r#"{{"write_ts":{value}}}"#), &data(&value), "")
                })
                .collect();
            round_trip(&kept);
            let same: Vec<Kept> = (0..6).map(|row| Kept::new(row, "{}", &data(value), "")).collect();
            round_trip(&same);
        }
        let mixed: Vec<Kept> = (0..200)
            .map(|row| Kept::new(row, "{}", &data(values[row as usize * 7 % values.len()]), ""))
            .collect();
        round_trip(&mixed);
    }
}

#[test]
fn odd_texts_come_back() {
    let texts = [
        "{}",
        "",
        " ",
        "{ }",
        "5",
        "\"a\"",
        "null",
        "{",
        "}{",
        "{\"ts\":1",
        "\u{0}\u{1}\u{2}",
        "{\"a\":\"\u{10}\"}",
        "\u{14}",
        r#"{"ts":1,"ts":2,"latitude":1,"latitude":2}"#,
        "{\n\t\"ts\" :\r 1.5\n}",
        r#"{"t\u0073":1,"\"":2}"#,
        "ü",
        "[1,2,3]",
        r#"{"ts":"x"1,"latitude":2}"#,
        r#"{"latitude":1 2}"#,
        r#"{"ts":[1,2]}"#,
        r#"{"filter":{"time":1}}"#,
    ];
    for (at, metadata) in texts.iter().enumerate() {
        let other = texts[(at * 5 + 3) % texts.len()];
        let alike: Vec<Kept> = (0..5).map(|row| Kept::new(row, metadata, other, "")).collect();
        round_trip(&alike);
        round_trip(&alike[..1]);
    }
    let all: Vec<Kept> = (0..300_usize)
        .map(|row| {
            let extra = ["", r#""error":{"reason":"no"}"#, "\"a\":1 , \"b\":2", "odd"][row % 4];
            Kept::new(row as u32, texts[row % texts.len()], texts[row / 7 % texts.len()], extra)
        })
        .collect();
    round_trip(&all);
    let deep = format!("{}1{}", "[".repeat(3000), "]".repeat(3000));
    round_trip(&(0..5).map(|row| Kept::new(row, &deep, "{}", "")).collect::<Vec<_>>());
    let many = format!("[{}0]", "0,".repeat(5000));
    round_trip(&(0..5).map(|row| Kept::new(row, "{}", &many, "")).collect::<Vec<_>>());
}

#[test]
fn ids_origins_and_times_come_back_whatever_the_texts_say() {
    let ids = [
        [0; 12],
        [255; 12],
        [0; 12],
        [1; 12],
        [128; 12],
        [127; 12],
        *b"\x57\xa4\x8a\xa3\xf3\x11\xe4\x74\xbf\xd3\x5c\x37",
    ];
    let mut kept: Vec<Kept> =
        (0..70).map(|row| Kept { id: ids[row % ids.len()], ..location(row as u32) }).collect();
    kept[3].origin = u64::MAX;
    kept[4].times.own = [1.5, -0.0, f64::NAN, f64::INFINITY, 5e-324, 7.0];
    kept[5].times.own = [f64::NAN; 6];
    round_trip(&kept);
}

#[test]
fn an_entry_of_16_mib_is_a_block_of_its_own() {
    let long = format!(r#"{{"ts":1.5,"blob":"{}"}}"#, "ab\\u0000é".repeat((16 << 20) / 10));
    let [rows, columns] = round_trip(&[Kept::new(1, r#"{"write_ts":2.5}"#, &long, "")]);
    assert!(rows < 1 << 20 && columns < 1 << 20);
}

#[test]
fn what_does_not_fit_in_a_block_is_refused() {
    assert!(matches!(encode_rows(&[]), Err(CannotEncode::Empty)));
    assert!(matches!(encode_columns(&[]), Err(CannotEncode::Empty)));
    let kept = Kept::new(0, "{}", "{}", "");
    let many = vec![kept.row(); ROWS_MAX + 1];
    assert!(matches!(encode_rows(&many), Err(CannotEncode::TooManyRows { rows: 4097 })));
    round_trip(&vec![kept.clone(); ROWS_MAX]);
    let large = Kept::new(0, "{}", &"x".repeat(TEXT_BYTES_MAX / 4), "");
    assert!(matches!(encode_columns(&[large.row(); 4]), Err(CannotEncode::TooMuchText { .. })));
}

#[test]
fn a_block_read_with_the_other_codec_is_refused() {
    let kept = location(0);
    let rows = encode_rows(&[kept.row()]).expect("within limits");
    assert!(matches!(decode(Codec::Columns, &rows), Err(BadBlock::OtherCodec)));
    assert!(matches!(decode(Codec::Rows, &[]), Err(BadBlock::Short)));
    assert_eq!(Codec::from_number(2), Some(Codec::Columns));
    assert_eq!(Codec::from_number(0), None);
}

/// A block of columns whose sections contain these bytes, with correct lengths.
fn columns_of(rows: u32, text_bytes: u32, head: &[u8], rest: &[u8]) -> Vec<u8> {
    let packed = [head, rest].map(|section| zstd::bulk::compress(section, 1).expect("memory suffices"));
    let mut bytes = vec![Codec::Columns as u8];
    for size in [rows, text_bytes, head.len() as u32, packed[0].len() as u32, rest.len() as u32] {
        bytes.extend_from_slice(&size.to_le_bytes());
    }
    [bytes, packed.concat()].concat()
}

/// The sections of a block of columns.
fn sections_of(bytes: &[u8]) -> (u32, u32, Vec<u8>, Vec<u8>) {
    let size = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let middle = 21 + size(13) as usize;
    let unpack = |packed: &[u8], size: u32| zstd::bulk::decompress(packed, size as usize).expect("sound");
    (size(1), size(5), unpack(&bytes[21..middle], size(9)), unpack(&bytes[middle..], size(17)))
}

fn sample_block() -> Vec<Kept> {
    let mut kept: Vec<Kept> = (0..24).map(location).collect();
    kept.extend(
        (24..32).map(|row| Kept::new(row, r#"{"write_ts":5}"#, &format!("[{row}, null]"), "\"a\":1")),
    );
    kept.push(Kept::new(40, "odd", "ä", "\"x\":1e5"));
    kept
}

#[test]
fn a_small_block_said_to_be_huge_is_refused_before_memory_is_taken() {
    for size in [TEXT_BYTES_MAX as u32 + 1, u32::MAX] {
        let bytes = columns_of(1, size, b"x", b"x");
        assert!(matches!(decode(Codec::Columns, &bytes), Err(BadBlock::TooLarge { .. })));
    }
    let bytes = columns_of(ROWS_MAX as u32 + 1, 0, b"x", b"x");
    assert!(matches!(decode(Codec::Columns, &bytes), Err(BadBlock::TooLarge { what: "rows", .. })));
}

#[test]
fn no_cut_and_no_changed_byte_makes_the_decoder_panic() {
    let kept = sample_block();
    let rows: Vec<BlockRow<'_>> = kept.iter().map(Kept::row).collect();
    for bytes in [encode_rows(&rows), encode_columns(&rows)].map(|bytes| bytes.expect("within limits")) {
        for cut in 0..bytes.len() {
            fuzz_decode(&bytes[..cut]);
        }
        for at in 0..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut broken = bytes.clone();
                broken[at] ^= change;
                fuzz_decode(&broken);
            }
        }
    }
}

#[test]
fn no_changed_byte_inside_a_section_makes_the_decoder_panic() {
    let kept = sample_block();
    let rows: Vec<BlockRow<'_>> = kept.iter().map(Kept::row).collect();
    let (count, text_bytes, head, rest) = sections_of(&encode_columns(&rows).expect("within limits"));
    let byte_changes = [1, 2, 4, 0x10, 0x7f, 0x80, 0xff];
    for change in byte_changes {
        for at in 0..head.len() {
            let mut broken = head.clone();
            broken[at] ^= change;
            fuzz_decode(&columns_of(count, text_bytes, &broken, &rest));
        }
        for at in 0..rest.len() {
            let mut broken = rest.clone();
            broken[at] ^= change;
            fuzz_decode(&columns_of(count, text_bytes, &head, &broken));
        }
    }
    for cut in 0..head.len() {
        fuzz_decode(&columns_of(count, text_bytes, &head[..cut], &rest));
    }
    for cut in 0..rest.len() {
        fuzz_decode(&columns_of(count, text_bytes, &head, &rest[..cut]));
    }
}

fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(|number| format!("{number:?}")),
        (-200.0..200.0_f64).prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        (0..1000_i32, 0..4_u32).prop_map(|(whole, digits)| format!(
            "{whole}.{:0>1$}",
            0,
            digits as usize + 1
        )),
        Just("null".to_owned()),
        any::<bool>().prop_map(|word| word.to_string()),
        "[a-c\\\\ü]{0,6}".prop_map(|text| format!("{text:?}")),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]0[0-9]:00)?"
            .prop_map(|time| format!("\"{time}\"")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(", "))),
            prop::collection::vec(("[a-b]", inner), 0..4).prop_map(object),
        ]
    })
}

fn object(members: Vec<(String, String)>) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Objects of few shapes, so that columns form, with the named fields among their members.
fn data() -> impl Strategy<Value = String> {
    let names = ["ts", "start_ts", "latitude", "longitude", "accuracy", "filter", "local_dt"];
    let member = move |name: &'static str| (Just(name.to_owned()), json_value());
    prop_oneof![
        4 => (member(names[0]), member(names[2]), member(names[5])).prop_map(|(a, b, c)| object(vec![a, b, c])),
        2 => (member(names[3]), member(names[4]), member(names[1])).prop_map(|(a, b, c)| object(vec![a, b, c])),
        1 => json_value(),
        1 => "[{}\\[\\]\",:\\\\0-9a-z.\u{0}-\u{1f}ü ]{0,30}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_block_comes_back(
        rows in prop::collection::vec((any::<[u8; 12]>(), prop_oneof![3 => Just(0), 1 => any::<u64>()], data(), data()), 1..60),
        extra in prop_oneof![Just(String::new()), Just("\"error\":{\"a\":1}".to_owned()), "[\",:a{}]{0,9}"],
    ) {
        let kept: Vec<Kept> = rows
            .iter()
            .map(|(id, origin, metadata, data)| Kept { id: *id, origin: *origin, ..Kept::new(0, metadata, data, &extra) })
            .collect();
        round_trip(&kept);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), codec in 1..3_u8) {
        fuzz_decode(&[&[codec, 0], &bytes[..]].concat());
        fuzz_decode(&columns_of(u32::from(codec), 40, &bytes, &bytes));
    }

    #[test]
    fn several_changed_bytes_do_not_make_the_decoder_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let kept = sample_block();
        let rows: Vec<BlockRow<'_>> = kept.iter().map(Kept::row).collect();
        let (count, text_bytes, mut head, mut rest) = sections_of(&encode_columns(&rows).expect("within limits"));
        for (at, byte) in changes {
            let at = at.index(head.len() + rest.len());
            *if at < head.len() { &mut head[at] } else { &mut rest[at - head.len()] } = byte;
        }
        fuzz_decode(&columns_of(count, text_bytes, &head, &rest));
    }
}
