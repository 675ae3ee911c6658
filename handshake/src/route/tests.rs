use super::*;
use crate::hello::testing::HelloBuilder;
use proptest::prelude::*;
use std::collections::HashMap;

const ANNE: UserId = UserId([1; 16]);
const BORIS: UserId = UserId([2; 16]);
const PHONE: DeviceId = DeviceId([3; 16]);
const WINDOW: WindowId = WindowId([4; 8]);
const NATIVE: Label = Label([5; 16]);
const WEB: Label = Label([6; 16]);
const PAIR: Label = Label([7; 16]);
const NOBODYS: Label = Label([8; 16]);

fn selector() -> Selector {
    Selector::parse("7K3M").unwrap()
}

fn routes() -> Routes {
    let mut routes = Routes::new();
    routes.register(NATIVE, Route { user: ANNE, kind: Kind::Native(PHONE) }).unwrap();
    routes.register(WEB, Route { user: ANNE, kind: Kind::Web }).unwrap();
    routes.register(PAIR, Route { user: BORIS, kind: Kind::Pair(WINDOW) }).unwrap();
    routes.register_selector(selector(), BORIS, WINDOW).unwrap();
    routes
}

fn name_of(label: Label) -> String {
    format!("{label}.cellar.example")
}

fn native(label: Label) -> HelloBuilder {
    HelloBuilder::native(&name_of(label), "upc/1")
}

fn decided(hello: &HelloBuilder) -> Decision {
    let strict = decide(&hello.read(), &routes(), false);
    // The front for older phones accepts no client that requests a label.
    if hello.read().server_name.as_deref().and_then(Name::of_server_name).is_some() {
        assert_eq!(decide(&hello.read(), &routes(), true), strict);
    }
    strict
}

fn alerted(hello: &HelloBuilder) -> Alert {
    match decided(hello) {
        Decision::Alert(alert) => alert,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_label_leads_to_what_it_was_registered_for() {
    let expected = Decision::Native { user: ANNE, device: PHONE, label: NATIVE };
    assert_eq!(decided(&native(NATIVE)), expected);
    assert_eq!(decided(&HelloBuilder::browser(&name_of(WEB))), Decision::Web { user: ANNE, label: WEB });
    let pair = |name| Decision::Pair { user: BORIS, window: WINDOW, name };
    let scanned = HelloBuilder::native(&name_of(PAIR), "upc-pair/1");
    assert_eq!(decided(&scanned), pair(Name::Label(PAIR)));
    let typed = HelloBuilder::native("p-7k3m.cellar.example", "upc-pair/1");
    assert_eq!(decided(&typed), pair(Name::Selector(selector())));
}

#[test]
fn attack_32_a_client_that_withholds_its_raw_key_or_wants_a_certificate_is_refused() {
    for kind in [19, 20] {
        assert_eq!(alerted(&native(NATIVE).without(kind)), Alert::HandshakeFailure);
        assert_eq!(alerted(&native(NATIVE).without(kind).with(kind, &[1, 0])), Alert::HandshakeFailure);
    }
    let raw_keys_alone = HelloBuilder::browser(&name_of(WEB)).with(20, &[1, 2]);
    assert_eq!(alerted(&raw_keys_alone), Alert::HandshakeFailure);
}

#[test]
fn attack_33_a_device_that_offers_tls_1_2_alone_is_refused_and_a_browser_is_not() {
    assert_eq!(alerted(&native(NATIVE).versions(&[0x0303])), Alert::ProtocolVersion);
    assert_eq!(alerted(&native(NATIVE).without(43)), Alert::ProtocolVersion);
    let pairing = HelloBuilder::native(&name_of(PAIR), "upc-pair/1").versions(&[0x0303]);
    assert_eq!(alerted(&pairing), Alert::ProtocolVersion);
    let browser = HelloBuilder::browser(&name_of(WEB)).versions(&[0x0303]);
    assert_eq!(decided(&browser), Decision::Web { user: ANNE, label: WEB });
}

#[test]
fn attack_34_a_device_or_a_pairing_phone_without_a_protocol_is_refused_and_a_browser_is_not() {
    assert_eq!(alerted(&native(NATIVE).without(16)), Alert::NoApplicationProtocol);
    assert_eq!(alerted(&native(PAIR).without(16)), Alert::NoApplicationProtocol);
    let browser = HelloBuilder::browser(&name_of(WEB)).without(16);
    assert_eq!(decided(&browser), Decision::Web { user: ANNE, label: WEB });
}

#[test]
fn attack_35_a_protocol_of_another_kind_of_label_is_refused_alone_and_beside_the_right_one() {
    for protocols in
        [&["upc-pair/1"][..], &["http/1.1"], &["upc/1", "http/1.1"], &["upc/1", "upc-pair/1"], &["UPC/1"]]
    {
        assert_eq!(
            alerted(&native(NATIVE).protocols(protocols)),
            Alert::NoApplicationProtocol,
            "{protocols:?}"
        );
    }
    for protocols in [&["upc/1"][..], &["h2"], &["upc-pair/1", "upc/1"]] {
        assert_eq!(
            alerted(&native(PAIR).protocols(protocols)),
            Alert::NoApplicationProtocol,
            "{protocols:?}"
        );
    }
    for protocols in [&["upc/1"][..], &["h2"], &["http/1.1", "upc/1"], &["http/1.0"]] {
        let browser = HelloBuilder::browser(&name_of(WEB)).protocols(protocols);
        assert_eq!(alerted(&browser), Alert::NoApplicationProtocol, "{protocols:?}");
    }
}

#[test]
fn a_phone_that_also_speaks_a_later_version_is_served() {
    let newer = native(NATIVE).protocols(&["upc/2", "upc/1"]);
    assert!(matches!(decided(&newer), Decision::Native { .. }));
    assert_eq!(alerted(&native(NATIVE).protocols(&["upc/2"])), Alert::NoApplicationProtocol);
}

#[test]
fn attack_36_without_a_name_nobody_is_reached_but_the_legacy_front_and_that_not_by_our_clients() {
    let nameless_phone = native(NATIVE).without(0).read();
    let older_phone = HelloBuilder::browser("x").without(0).read();
    let by_study = HelloBuilder::browser("study.cellar.example").read();
    for hello in [&nameless_phone, &older_phone, &by_study] {
        assert_eq!(decide(hello, &routes(), false), Decision::Alert(Alert::UnrecognizedName));
    }
    assert_eq!(decide(&nameless_phone, &routes(), true), Decision::Alert(Alert::UnrecognizedName));
    assert_eq!(decide(&older_phone, &routes(), true), Decision::Legacy);
    assert_eq!(decide(&by_study, &routes(), true), Decision::Legacy);
}

#[test]
fn attack_53_an_unknown_label_or_selector_is_unrecognised_and_never_legacy() {
    assert_eq!(alerted(&native(NOBODYS)), Alert::UnrecognizedName);
    assert_eq!(alerted(&HelloBuilder::browser(&name_of(NOBODYS))), Alert::UnrecognizedName);
    let selector = HelloBuilder::native("p-0000.cellar.example", "upc-pair/1");
    assert_eq!(alerted(&selector), Alert::UnrecognizedName);
}

#[test]
fn attack_54_a_runtime_that_gets_a_neighbours_connection_answers_that_nobody_is_here() {
    let mut borises = Routes::new();
    borises.register(PAIR, Route { user: BORIS, kind: Kind::Pair(WINDOW) }).unwrap();
    assert_eq!(decide(&native(NATIVE).read(), &borises, true), Decision::Alert(Alert::UnrecognizedName));
}

#[test]
fn attack_55_a_label_is_neither_taken_from_its_owner_nor_withdrawn_by_another() {
    let mut routes = routes();
    let theft = Route { user: BORIS, kind: Kind::Native(DeviceId([9; 16])) };
    assert_eq!(routes.register(NATIVE, theft), Err(BadRoute::Taken));
    assert_eq!(routes.register_selector(selector(), ANNE, WINDOW), Err(BadRoute::Taken));
    assert_eq!(routes.withdraw(BORIS, Name::Label(NATIVE)), Err(BadRoute::NotYours));
    assert_eq!(routes.withdraw(ANNE, Name::Selector(selector())), Err(BadRoute::NotYours));
    assert_eq!(routes.withdraw(ANNE, Name::Label(NOBODYS)), Err(BadRoute::NotYours));
    assert_eq!(routes.find(Name::Label(NATIVE)).unwrap().user, ANNE);

    routes.withdraw(ANNE, Name::Label(NATIVE)).unwrap();
    assert_eq!(decide(&native(NATIVE).read(), &routes, true), Decision::Alert(Alert::UnrecognizedName));
    routes.withdraw_all(BORIS);
    assert_eq!(routes.len(), 1);
}

#[test]
fn a_person_has_so_many_labels_and_no_more_and_a_withdrawn_one_makes_room() {
    let mut routes = Routes::new();
    let route = Route { user: ANNE, kind: Kind::Web };
    let label = |index: usize| Label([index as u8; 16]);
    (0..LABELS_PER_USER_MAX).for_each(|index| routes.register(label(index), route).unwrap());
    let full = Err(BadRoute::Full { max: LABELS_PER_USER_MAX });
    assert_eq!(routes.register(label(200), route), full);
    assert_eq!(routes.register(label(200), Route { user: BORIS, ..route }), Ok(()));
    routes.withdraw(ANNE, Name::Label(label(0))).unwrap();
    assert_eq!(routes.register(label(0), route), Ok(()));
}

#[test]
fn what_tls_turned_out_to_be_is_compared_with_what_was_routed() {
    let decision = decided(&native(NATIVE));
    let (name, other) = (name_of(NATIVE), name_of(WEB));
    let check = |name: Option<&str>, protocol: Option<&[u8]>, tls13| {
        check_established(decision, name, protocol, tls13)
    };
    assert_eq!(check(Some(&name), Some(ALPN_CONNECT), true), Ok(()));
    assert_eq!(check(Some(&name), Some(ALPN_CONNECT), false), Err(Refusal::Version));
    assert_eq!(check(Some(&name), None, true), Err(Refusal::Protocol));
    assert_eq!(check(Some(&name), Some(ALPN_PAIR), true), Err(Refusal::Protocol));
    assert_eq!(check(Some(&other), Some(ALPN_CONNECT), true), Err(Refusal::ServerName));
    assert_eq!(check(None, Some(ALPN_CONNECT), true), Err(Refusal::ServerName));

    let web = Decision::Web { user: ANNE, label: WEB };
    assert_eq!(check_established(web, Some(&other), None, false), Ok(()));
    assert_eq!(check_established(web, Some(&other), Some(ALPN_WEB), true), Ok(()));
    assert_eq!(check_established(web, Some(&other), Some(ALPN_CONNECT), true), Err(Refusal::Protocol));
    assert_eq!(check_established(web, Some(&name), Some(ALPN_WEB), true), Err(Refusal::ServerName));
    let pair = Decision::Pair { user: BORIS, window: WINDOW, name: Name::Selector(selector()) };
    assert_eq!(check_established(pair, Some("p-7k3m.x"), Some(ALPN_PAIR), true), Ok(()));
    assert_eq!(check_established(pair, Some("p-7k3m.x"), Some(ALPN_PAIR), false), Err(Refusal::Version));
    assert_eq!(check_established(Decision::Legacy, None, None, false), Ok(()));
    assert_eq!(check_established(Decision::Legacy, None, Some(ALPN_CONNECT), true), Err(Refusal::Protocol));
    assert_eq!(check_established(Decision::Legacy, Some(&name), None, true), Err(Refusal::ServerName));
    let closed = Decision::Alert(Alert::UnrecognizedName);
    assert_eq!(check_established(closed, Some(&name), Some(ALPN_CONNECT), true), Err(Refusal::NotRouted));
}

/// An operation on a table, with its person and label; a simple map of owners serves as the model.
#[derive(Debug, Clone)]
enum Step {
    Register(u8, u8),
    RegisterSelector(u8, u8),
    Withdraw(u8, u8),
    WithdrawSelector(u8, u8),
    WithdrawAll(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (user, label) = (0_u8..3, 0_u8..6);
    prop_oneof![
        (user.clone(), label.clone()).prop_map(|(user, label)| Step::Register(user, label)),
        (user.clone(), label.clone()).prop_map(|(user, label)| Step::RegisterSelector(user, label)),
        (user.clone(), label.clone()).prop_map(|(user, label)| Step::Withdraw(user, label)),
        (user.clone(), label).prop_map(|(user, label)| Step::WithdrawSelector(user, label)),
        user.prop_map(Step::WithdrawAll),
    ]
}

#[test]
fn a_name_reads_what_it_prints_and_every_name_of_a_table_is_listed() {
    let mut listed: Vec<String> = routes().names().map(|name| name.to_string()).collect();
    listed.sort();
    let mut want = vec![NATIVE.to_string(), WEB.to_string(), PAIR.to_string(), selector().server_label()];
    want.sort();
    assert_eq!(listed, want);
    assert!(listed.iter().all(|text| Name::parse(text).is_some_and(|name| name.to_string() == *text)));
    for none in ["", "www", "p-12345", "p-7k3m.x", &format!("{NATIVE}.x"), &"a".repeat(27)] {
        assert_eq!(Name::parse(none), None, "{none}");
    }
}

proptest! {
    #[test]
    fn a_label_has_one_owner_until_that_owner_gives_it_up(steps in proptest::collection::vec(step(), 0..60)) {
        let (mut routes, mut owners) = (Routes::new(), HashMap::new());
        let label = |index: u8| Name::Label(Label([index; 16]));
        let selector = |index: u8| Name::Selector(Selector::parse(&format!("000{index}")).unwrap());
        for step in steps {
            let (name, user, done) = match step {
                Step::Register(user, index) => {
                    let route = Route { user: UserId([user; 16]), kind: Kind::Web };
                    (label(index), user, routes.register(Label([index; 16]), route).is_ok())
                }
                Step::RegisterSelector(user, index) => {
                    let Name::Selector(text) = selector(index) else { unreachable!() };
                    (selector(index), user, routes.register_selector(text, UserId([user; 16]), WINDOW).is_ok())
                }
                Step::Withdraw(user, index) | Step::WithdrawSelector(user, index) => {
                    let name = if matches!(step, Step::Withdraw(..)) { label(index) } else { selector(index) };
                    let expected = owners.get(&name) == Some(&user);
                    prop_assert_eq!(routes.withdraw(UserId([user; 16]), name).is_ok(), expected);
                    if expected { owners.remove(&name); }
                    continue;
                }
                Step::WithdrawAll(user) => {
                    routes.withdraw_all(UserId([user; 16]));
                    owners.retain(|_, owner| *owner != user);
                    continue;
                }
            };
                        if done {
                prop_assert_eq!(owners.insert(name, user), None);
            } else if !owners.contains_key(&name) {
                let held = |(name, owner): (&Name, &u8)| *owner == user && matches!(name, Name::Selector(_));
                prop_assert_eq!(owners.iter().filter(|entry| held(*entry)).count(), SELECTORS_PER_USER_MAX);
            }
            prop_assert_eq!(routes.len(), owners.len());
        }
        for index in 0..6 {
            for name in [label(index), selector(index)] {
                let owner = owners.get(&name).map(|user| UserId([*user; 16]));
                prop_assert_eq!(routes.find(name).map(|route| route.user), owner);
            }
        }
    }

    #[test]
    fn no_hello_reaches_a_person_but_by_a_label_of_that_person(
        which in 0_usize..6, protocols in proptest::collection::vec(0_usize..5, 0..3),
        types in (0_u8..3, 0_u8..3), tls13: bool, legacy: bool,
    ) {
        let names = [NATIVE, WEB, PAIR, NOBODYS].map(name_of);
        let name = names.get(which).cloned().unwrap_or_else(|| ["p-7k3m.a.b", "a.b"][which - 4].to_owned());
        let all = ["upc/1", "upc-pair/1", "http/1.1", "h2", "upc/2"];
        let offered: Vec<&str> = protocols.iter().map(|index| all[*index]).collect();
        let mut hello = HelloBuilder::native(&name, "upc/1").without(16).without(19).without(20);
        if !offered.is_empty() { hello = hello.protocols(&offered); }
        hello = hello.with(19, &[1, types.0]).with(20, &[1, types.1]);
        if !tls13 { hello = hello.versions(&[0x0303]); }
        match decide(&hello.read(), &routes(), legacy) {
            Decision::Native { user, device, label } => {
                prop_assert_eq!((user, device, label, which), (ANNE, PHONE, NATIVE, 0));
                prop_assert!(offered.contains(&"upc/1") && tls13 && types == (2, 2));
            }
            Decision::Web { user, label } => {
                prop_assert_eq!((user, label, which), (ANNE, WEB, 1));
                prop_assert!(types.1 == 0 && offered.iter().all(|protocol| !protocol.starts_with("upc")));
            }
            Decision::Pair { user, window, .. } => {
                prop_assert_eq!((user, window), (BORIS, WINDOW));
                prop_assert!([2, 4].contains(&which) && tls13 && types == (2, 2));
            }
            Decision::Legacy => prop_assert!(legacy && which == 5),
            Decision::Alert(_) => {}
        }
    }
}
