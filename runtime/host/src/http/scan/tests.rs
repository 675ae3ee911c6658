use super::*;
use proptest::prelude::*;

fn scan(pieces: &[&[u8]]) -> Result<Scanner, BadBody> {
    scan_as(Check::Grammar, pieces)
}

fn scan_as(check: Check, pieces: &[&[u8]]) -> Result<Scanner, BadBody> {
    let mut scanner = Scanner::new(check);
    for piece in pieces {
        scanner.feed(piece)?;
    }
    scanner.finish()?;
    Ok(scanner)
}

#[test]
fn the_user_of_the_body_is_found_and_no_other() {
    let body = br#" {"a":{"user":"inner"},"list":["user",{"user":1}], "user" : "me\u0041" ,"z":-1.5e+3} "#;
    let scanner = scan(&[body]).expect("sound");
    assert_eq!(scanner.user().as_deref(), Some("meA"));
    let span = scanner.user_span().expect("found");
    let text = &body[usize::try_from(span.start).expect("small")..usize::try_from(span.end).expect("small")];
    assert_eq!(text, br"me\u0041");
}

#[test]
fn a_name_may_be_escaped_and_may_not_come_twice() {
    let scanner = scan(&[br#"{"us\u0065r":"x"}"#]).expect("sound");
    assert_eq!(scanner.user().as_deref(), Some("x"));
    let twice = scan(&[br#"{"user":"x","user":"y"}"#]).err();
    assert_eq!(twice.map(|bad| (bad.at, bad.why)), Some((17, "a second `user`")));
}

#[test]
fn what_is_no_object_is_refused_with_its_place() {
    let table: [(&[u8], u64); 20] = [
        (b"", 0),
        (b"  ", 2),
        (b"[]", 0),
        (b"{", 1),
        (b"{\"a\"", 4),
        (b"{\"a\":", 5),
        (b"{\"a\":1", 6),
        (b"{\"a\":1,", 7),
        (b"{\"a\":1,}", 7),
        (b"{\"a\":01}", 6),
        (b"{\"a\":1.}", 7),
        (b"{\"a\":[1}", 7),
        (b"{\"a\":tru}", 8),
        (b"{\"a\":\"\\x\"}", 7),
        (b"{\"a\":\"\n\"}", 6),
        (b"{\"a\":\"\xff\"}", 6),
        (b"{\"a\":1}x", 7),
        (b"{\"user\":7}", 8),
        (b"{\"user\":null}", 8),
        (b"\xef\xbb\xbf{}", 0),
    ];
    for (body, at) in table {
        let bad = scan(&[body]).err();
        assert_eq!(bad.map(|bad| bad.at), Some(at), "{:?}: {bad:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn numbers_that_are_none_pass_as_values() {
    assert!(scan(&[br#"{"a":[NaN,Infinity,-Infinity,-0,1E5]}"#]).is_ok());
    assert!(scan(&[br#"{"a":nan}"#]).is_err());
}

#[test]
fn depth_is_bounded_and_costs_no_stack() {
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(scan(&[deep(DEPTH_MAX - 1).as_bytes()]).is_ok());
    let bad = scan(&[deep(100_000).as_bytes()]).err();
    assert_eq!(bad.map(|bad| bad.at), Some(5 + DEPTH_MAX as u64 - 1));
}

#[test]
fn depth_is_counted_alike_within_lists_and_byte_by_byte() {
    for levels in DEPTH_MAX - 4..DEPTH_MAX + 2 {
        let body = format!("{{\"a\":[{}{}]}}", "[".repeat(levels - 2), "]".repeat(levels - 2));
        let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        let (whole, cut) = (scan(&[body.as_bytes()]).err(), scan(&bytes).err());
        assert_eq!((whole, whole.is_some()), (cut, levels > DEPTH_MAX), "{levels} levels");
    }
}

#[test]
fn a_long_user_is_read_to_its_end_but_not_kept() {
    let body = format!("{{\"user\":\"{}\"}}", "x".repeat(1_000_000));
    let scanner = scan(&[body.as_bytes()]).expect("sound");
    assert_eq!(scanner.user().map(|user| user.len()), Some(USER_BYTES_MAX + 1));
}

#[test]
fn of_a_put_only_what_hides_where_its_members_end_is_refused() {
    let sound: [&[u8]; 12] = [
        b"{\"a\":\"\xff\"}",
        b"{\"\xff\":1}",
        b"{\"a\":[\"\n\",\"\x00\",\"\\x\",\"\\u1\"]}",
        b"{\"a\":{\"b\":01,,nan,tru}}",
        b"{\"a\":nan,\"b\":1.}",
        b"{\"a\\x\":1,\"b\n\":2}",
        b"\xef\xbb\xbf{\"a\":1}",
        b"\xef\xbb\xbf {}",
        b"{\"a\":[\xef\xbb\xbf{},\xff]}",
        b"{\"a\":\"\xe2\x82\"}",
        b"{\"a\":\"\xc0\xa2\xed\xa0\x80\"}",
        b"{}",
    ];
    for body in sound {
        let shown = String::from_utf8_lossy(body).into_owned();
        let with_user = [&body[..body.len() - 1], if body.ends_with(b"{}") { b"" } else { b"," }].concat();
        let with_user = [&with_user[..], b"\"user\":\"me\"}"].concat();
        for piece_bytes in [1, 2, 3, 100] {
            let pieces: Vec<&[u8]> = with_user.chunks(piece_bytes).collect();
            let scanner = scan_as(Check::Structure, &pieces).expect(&shown);
            assert_eq!(scanner.user().as_deref(), Some("me"), "{shown}");
            let span = scanner.user_span().expect("found");
            let at = |at: u64| usize::try_from(at).expect("small");
            assert_eq!(&with_user[at(span.start)..at(span.end)], b"me", "{shown}");
        }
    }
    let table: [(&[u8], u64); 16] = [
        (b"", 0),
        (b"[]", 0),
        (b"\xff{}", 0),
        (b" \xef\xbb\xbf{}", 1),
        (b"{", 1),
        (b"{\"a", 3),
        (b"{\"a\":", 5),
        (b"{\"a\":,}", 5),
        (b"{\"a\":1,}", 7),
        (b"{\"a\":[1}", 7),
        (b"{\"a\":[{\"b\":[}]}", 12),
        (b"{\"a\":\"x}", 8),
        (b"{\"a\":1}x", 7),
        (b"{a:1}", 1),
        (b"{\"user\":7}", 8),
        (b"{\"user\":\"x\",\"user\":\"y\"}", 17),
    ];
    for (body, at) in table {
        let bad = scan_as(Check::Structure, &[body]).err();
        assert_eq!(bad.map(|bad| bad.at), Some(at), "{:?}: {bad:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn one_deep_entry_does_not_refuse_a_put_and_endless_brackets_do() {
    let deep = |levels: usize| format!("{{\"a\":[1,{}{}]}}", "[".repeat(levels), "]".repeat(levels));
    assert!(scan_as(Check::Structure, &[deep(100_000).as_bytes()]).is_ok());
    assert!(scan_as(Check::Structure, &[deep(2_000_000).as_bytes()]).is_err());
}

proptest! {
    #[test]
    fn it_makes_no_difference_where_the_body_is_cut(
        body in "\\{(\"user\":\"[a-zü\\\\n]{0,4}\",)?\"[a-eü]{1,3}\":(\\[?(1|-0.5|NaN|null|\"ü\"|\\{\\}|\\{\"user\":\\[1,\\{\\}\\]\\}),?)*\\]?\\}",
        cuts in proptest::collection::vec(0_usize..60, 0..6),
    ) {
        let body = body.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
        cuts.sort_unstable();
        let (mut pieces, mut from) = (Vec::new(), 0);
        for cut in cuts.into_iter().chain([body.len()]) {
            pieces.push(&body[from..cut]);
            from = cut;
        }
        for check in [Check::Grammar, Check::Structure] {
            let (whole, cut) = (scan_as(check, &[body]), scan_as(check, &pieces));
            prop_assert_eq!(whole.as_ref().err(), cut.as_ref().err());
            if let (Ok(whole), Ok(cut)) = (whole, cut) {
                prop_assert_eq!((whole.user(), whole.user_span()), (cut.user(), cut.user_span()));
            }
        }
    }

    #[test]
    fn it_accepts_what_a_parser_accepts(text in "[\\[\\]{}\",:\\\\0-9.eE+truefalsn \\-]{0,14}") {
        for body in [format!("{{\"k\":{text}}}"), format!("{{\"k\":[{{\"a\":[{text}]}},{{}}]}}")] {
            let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
            prop_assert_eq!(parsed, scan(&[body.as_bytes()]).is_ok(), "{}", body);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        for check in [Check::Grammar, Check::Structure] {
            let mut scanner = Scanner::new(check);
            let _ = scanner.feed(b"{\"a\":");
            let _ = scanner.feed(&bytes);
            let _ = (scanner.finish(), scanner.user());
        }
    }
}
