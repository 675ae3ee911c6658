//! The threads that run cells take turns between people.

#![allow(clippy::unwrap_used)]

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use runtime_sandbox::*;
use runtime_types::UserId;

fn person(number: u8) -> UserId {
    UserId([number; 16])
}

fn pool(threads: usize, running_per_person_max: usize) -> WorkerPool {
    let settings = PoolSettings {
        name: "test",
        threads,
        waiting_max: 20,
        waiting_per_person_max: 10,
        running_per_person_max,
        begun_per_person_max: 3,
    };
    WorkerPool::start(settings).unwrap()
}

/// Keeps one thread of a pool busy until the sender is dropped; returns once it is.
fn occupy(pool: &WorkerPool, who: UserId) -> Sender<()> {
    let (release, released): (Sender<()>, Receiver<()>) = mpsc::channel();
    let (begun, begins) = mpsc::channel();
    pool.submit(who, move || {
        begun.send(()).unwrap();
        assert!(released.recv().is_err());
    })
    .unwrap();
    begins.recv().unwrap();
    release
}

#[test]
fn people_take_turns_however_much_one_of_them_asks_for() {
    let pool = pool(1, 1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let busy = occupy(&pool, person(9));
    let submit = |who: u8, job: u8| {
        let order = Arc::clone(&order);
        pool.submit(person(who), move || order.lock().unwrap().push((who, job))).unwrap();
    };
    (0..6).for_each(|job| submit(1, job));
    (0..2).for_each(|job| submit(2, job));
    submit(3, 0);
    assert_eq!(pool.waiting(), 9);
    drop(busy);
    pool.shutdown();
    let order = order.lock().unwrap().clone();
    assert_eq!(order, [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2), (1, 3), (1, 4), (1, 5)]);
}

#[test]
fn nobody_runs_more_at_once_than_allowed_while_others_get_the_free_threads() {
    let pool = pool(2, 1);
    let first = occupy(&pool, person(1));
    let (sender, done) = mpsc::channel();
    let mine = sender.clone();
    pool.submit(person(1), move || mine.send(1).unwrap()).unwrap();
    // The second thread is free, but person 1 may not have it.
    pool.submit(person(2), move || sender.send(2).unwrap()).unwrap();
    assert_eq!(done.recv().unwrap(), 2);
    assert_eq!(pool.waiting(), 1);
    drop(first);
    assert_eq!(done.recv().unwrap(), 1);
}

#[test]
fn what_does_not_fit_is_refused_at_once() {
    let pool = pool(1, 1);
    let busy = occupy(&pool, person(9));
    for _ in 0..10 {
        pool.submit(person(1), || {}).unwrap();
    }
    assert_eq!(pool.submit(person(1), || {}), Err(Overloaded::Person { waiting: 10 }));
    for who in 2..12 {
        pool.submit(person(who), || {}).unwrap();
    }
    assert_eq!(pool.submit(person(12), || {}), Err(Overloaded::Everybody { waiting: 20 }));
    drop(busy);
    pool.shutdown();
    assert_eq!(pool.submit(person(1), || {}), Err(Overloaded::ShuttingDown));
}

#[test]
fn attack_84_nobody_has_more_jobs_waiting_than_others_can_still_add() {
    let pool = pool(1, 1);
    let busy = occupy(&pool, person(9));
    let fill = |who: u8| (0..20).take_while(|_| pool.submit(person(who), || {}).is_ok()).count();
    // As many people as like to may fill the queue: each leaves something to the next.
    assert_eq!((1..=5).map(fill).collect::<Vec<_>>(), [10, 5, 3, 1, 1]);
    drop(busy);
}

/// Keeps a job aside until the sender is dropped; returns once it is.
fn stand_aside(pool: &WorkerPool, who: UserId, ended: Sender<u8>) -> Sender<()> {
    let (release, released): (Sender<()>, Receiver<()>) = mpsc::channel();
    let (begun, begins) = mpsc::channel();
    let seat = pool.seat(who);
    pool.submit(who, move || {
        let waited = seat.aside(move || {
            begun.send(()).unwrap();
            assert!(released.recv().is_err());
        });
        waited.unwrap();
        ended.send(who.0[0]).unwrap();
    })
    .unwrap();
    begins.recv().unwrap();
    release
}

#[test]
fn attack_80_a_job_that_waits_for_its_caller_holds_no_thread() {
    let pool = pool(1, 1);
    let (ended, ends) = mpsc::channel();
    // Three of one person wait, which is as many as may have begun; the fourth waits for its turn.
    let waiting: Vec<_> = (0..3).map(|_| stand_aside(&pool, person(1), ended.clone())).collect();
    let fourth = ended.clone();
    pool.submit(person(1), move || fourth.send(4).unwrap()).unwrap();
    let other = ended.clone();
    pool.submit(person(2), move || other.send(2).unwrap()).unwrap();
    assert_eq!(ends.recv().unwrap(), 2);
    assert_eq!(pool.waiting(), 1);
    drop(waiting);
    let mut rest: Vec<u8> = (0..4).map(|_| ends.recv().unwrap()).collect();
    rest.sort_unstable();
    assert_eq!(rest, [1, 1, 1, 4]);
}

#[test]
fn a_job_that_comes_back_waits_for_its_turn() {
    let pool = pool(1, 1);
    let (ended, ends) = mpsc::channel();
    let aside = stand_aside(&pool, person(1), ended.clone());
    let busy = occupy(&pool, person(2));
    drop(aside);
    while pool.waiting() == 0 {
        std::thread::yield_now();
    }
    assert!(ends.try_recv().is_err(), "the only thread is another's");
    drop(busy);
    assert_eq!(ends.recv().unwrap(), 1);
}

#[test]
fn who_finds_no_place_aside_is_told_so_and_the_last_places_are_not_for_those_who_have_one() {
    let pool = pool(1, 1);
    let (ended, ends) = mpsc::channel();
    let mut waiting = Vec::new();
    for who in 0..31 {
        waiting.push(stand_aside(&pool, person(who), ended.clone()));
    }
    let (seat, crowded) = (pool.seat(person(40)), mpsc::channel());
    pool.submit(person(40), move || crowded.0.send(seat.aside(|| ())).unwrap()).unwrap();
    assert_eq!(crowded.1.recv().unwrap(), Err(Crowded { aside: 31 }));
    drop(waiting);
    for _ in 0..31 {
        ends.recv().unwrap();
    }
}

#[test]
fn a_job_that_panics_while_it_stands_aside_ends_alone() {
    let pool = pool(1, 1);
    let (seat, (sender, done)) = (pool.seat(person(1)), mpsc::channel());
    pool.submit(person(1), move || seat.aside(|| panic!("on purpose")).unwrap()).unwrap();
    pool.submit(person(1), move || sender.send(()).unwrap()).unwrap();
    done.recv().unwrap();
}

#[test]
fn shutdown_waits_for_jobs_that_stand_aside() {
    let pool = Arc::new(pool(2, 1));
    let (ended, ends) = mpsc::channel();
    let aside = stand_aside(&pool, person(1), ended);
    let closing = Arc::clone(&pool);
    let closed = std::thread::spawn(move || closing.shutdown());
    while pool.submit(person(2), || {}) != Err(Overloaded::ShuttingDown) {
        std::thread::yield_now();
    }
    drop(aside);
    closed.join().unwrap();
    assert_eq!(ends.recv().unwrap(), 1);
}

#[test]
fn a_job_that_panics_ends_alone() {
    let pool = pool(1, 1);
    let (sender, done) = mpsc::channel();
    pool.submit(person(1), || panic!("on purpose")).unwrap();
    pool.submit(person(1), move || sender.send(()).unwrap()).unwrap();
    done.recv().unwrap();
}

#[test]
fn shutdown_runs_what_was_taken() {
    let pool = pool(2, 1);
    let (sender, done) = mpsc::channel();
    for job in 0..10 {
        let sender = sender.clone();
        pool.submit(person(job % 3), move || sender.send(job).unwrap()).unwrap();
    }
    drop(sender);
    pool.shutdown();
    pool.shutdown();
    let mut ran: Vec<_> = done.iter().collect();
    ran.sort_unstable();
    assert_eq!(ran, (0..10).collect::<Vec<_>>());
}

#[test]
fn threads_have_names_that_a_log_can_show() {
    let pool = pool(1, 1);
    let (sender, name) = mpsc::channel();
    pool.submit(person(1), move || sender.send(std::thread::current().name().map(str::to_owned)).unwrap())
        .unwrap();
    assert_eq!(name.recv().unwrap().as_deref(), Some("test-0"));
}
