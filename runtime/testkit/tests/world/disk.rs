//! Disks that refuse for a while, with everything above the store: puts are refused with a reason and with when to come
//! again, reads go on, and once the disk is well the same process takes what comes next. Nobody restarts anything.

use std::io::ErrorKind;

use runtime_simulator::{Person, Phone, batches, simulate_day};
use runtime_store::testing::SimDisk;
use runtime_testkit::{Disks, World, put_body};
use runtime_user::{ANSWERS_UNTOLD_MAX, Area, RunOutcome, UserId};

/// 2024-03-04, a Monday.
const FIRST_DAY: u32 = 19_786;
const NOON_AFTER: f64 = (FIRST_DAY + 3) as f64 * 86_400.0 + 43_200.0;

const KINDS: [(ErrorKind, &str); 3] = [
    (ErrorKind::StorageFull, "disk-full"),
    (ErrorKind::ReadOnlyFilesystem, "disk-read-only"),
    (ErrorKind::Other, "disk-failing"),
];

fn day(number: u32) -> Vec<String> {
    simulate_day(&Person::invent(11, Phone::Android).plan(FIRST_DAY + number), 11).entries
}

fn code(world: &World, user: UserId, entries: &[String]) -> Option<(u16, &'static str, Option<u32>)> {
    let refused = world.call(user, "usercache/put", "", put_body(entries).as_bytes(), NOON_AFTER).err()?;
    Some((refused.status(), refused.code(), refused.retry_after_s()))
}

#[test]
fn while_a_disk_refuses_puts_say_why_reads_go_on_and_the_first_put_afterwards_is_stored() {
    for (kind, expected) in KINDS {
        let disks = Disks::default();
        let world = disks.world();
        let user = world.person("somebody");
        let trips = ["segmentation/raw_trip"];
        world.put(user, &day(0), NOON_AFTER);
        world.pipeline(user, NOON_AFTER);
        let diary = world.entries(user, &trips);
        assert!(!diary.is_empty(), "a diary without trips shows nothing");

        let disk = disks.of(user);
        disk.refuse_from(disk.points(), kind);
        for _ in 0..3 {
            assert_eq!(code(&world, user, &day(1)), Some((503, expected, Some(5))), "{kind}");
            // As often as answers may leave while the disk takes no audit lines.
            for _ in 0..ANSWERS_UNTOLD_MAX / 3 {
                assert_eq!(world.entries(user, &trips), diary, "{kind}");
            }
        }
        // A run that cannot be kept has failed, and is asked for again.
        assert!(world.runtime.pipelines().run(user, NOON_AFTER + 60.0).is_err(), "{kind}");
        assert!(world.runtime.timetable().pending(user).is_some(), "{kind}");
        // Somebody else has another disk.
        let other = world.person("somebody else");
        world.put(other, &day(1), NOON_AFTER);

        disk.heal();
        world.put(user, &day(1), NOON_AFTER);
        world.pipeline(user, NOON_AFTER + 120.0);
        let calm = world.person("calm");
        for number in 0..2 {
            world.put(calm, &day(number), NOON_AFTER);
            world.pipeline(calm, NOON_AFTER + 120.0 * f64::from(number));
        }
        assert_eq!(world.canonical(user), world.canonical(calm), "{kind}");
        let mut told = 0;
        let count = |_: Area, text: &str| {
            told += usize::from(text.contains("datastreams-get"));
            Ok(())
        };
        world.runtime.person(user).expect("open").each_entry(&[Area::Audit], count).expect("audit entries");
        assert!(
            told >= ANSWERS_UNTOLD_MAX / 3 * 3,
            "{kind}: reads while the disk refused are told afterwards: {told}"
        );
        let person = world.runtime.person(user).expect("open");
        let puts = person.audit(None, Some("usercache-put")).expect("an audit");
        let outcomes = |outcome| puts.iter().filter(|line| line.outcome == outcome).count();
        assert_eq!((outcomes(RunOutcome::NotStored), outcomes(RunOutcome::Done)), (3, 2), "{kind}: {puts:?}");
    }
}

/// Three loads of a life, on a disk that begins to refuse at a point and is well again before whoever was refused comes
/// again; answers whether it refused anybody.
fn live(world: &World, user: UserId, disk: &SimDisk, refuses: Option<(u64, ErrorKind)>) -> bool {
    if let Some((point, kind)) = refuses {
        disk.refuse_from(disk.points() + point, kind);
    }
    let mut refused = false;
    for number in 0..3 {
        let now = NOON_AFTER + 3_600.0 * f64::from(number);
        let entries = day(number);
        for batch in batches(&entries, 400) {
            let body = put_body(batch);
            let put = || world.call(user, "usercache/put", "", body.as_bytes(), now);
            let answered = put().or_else(|_| {
                refused = true;
                disk.heal();
                put()
            });
            assert_eq!(answered.expect("stored at once").status, 200);
        }
        let report = world.runtime.pipelines().run(user, now).or_else(|_| {
            refused = true;
            disk.heal();
            world.runtime.pipelines().run(user, now + 40.0)
        });
        assert!(report.expect("a run").succeeded());
    }
    disk.heal();
    refused
}

#[test]
fn a_disk_that_refuses_at_any_moment_of_three_loads_gives_the_same_diary() {
    let disks = Disks::default();
    let world = disks.world();
    let calm = world.person("calm");
    world.runtime.person(calm).expect("wakes");
    let before = disks.of(calm).points();
    live(&world, calm, &disks.of(calm), None);
    let points = disks.of(calm).points() - before;
    let want = world.canonical(calm);
    let looks = if std::env::var_os("CELLAR_LONG").is_some() { points } else { 16 };
    let mut times = 0;
    for look in 0..looks {
        let point = look * points / looks;
        let (kind, _) = KINDS[look as usize % KINDS.len()];
        let user = world.person("unlucky");
        world.runtime.person(user).expect("wakes");
        times += u64::from(live(&world, user, &disks.of(user), Some((point, kind))));
        let got = world.canonical(user);
        let odd = got.iter().zip(&want).find(|(got, want)| got != want);
        assert!(got == want, "{kind} from point {point}: {} entries of {}; {odd:?}", got.len(), want.len());
        world.runtime.erase(user).expect("erased");
    }
    assert!(times * 2 > looks, "refused only {times} times");
    println!("{points} points, refused at {times} of them");
}

#[test]
fn a_slow_disk_keeps_nobody_waiting_but_its_own_person() {
    let disks = Disks::default();
    let world = disks.world();
    let (slow, other) = (world.person("slow"), world.person("other"));
    for user in [slow, other] {
        world.put(user, &day(0), NOON_AFTER);
    }
    let disk = disks.of(slow);
    disk.hold_syncs();
    std::thread::scope(|scope| {
        let put = scope.spawn(|| world.put(slow, &day(1), NOON_AFTER));
        disk.await_held_sync();
        // Somebody else's puts, and the slow one's own reads.
        for _ in 0..20 {
            world.put(other, &day(1), NOON_AFTER);
            assert_eq!(world.entries(slow, &["segmentation/raw_trip"]).len(), 0);
        }
        disk.release_syncs();
        put.join().expect("stored in the end");
    });
}
