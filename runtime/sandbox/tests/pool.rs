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
    for _ in 0..10 {
        pool.submit(person(2), || {}).unwrap();
    }
    assert_eq!(pool.submit(person(3), || {}), Err(Overloaded::Everybody { waiting: 20 }));
    drop(busy);
    pool.shutdown();
    assert_eq!(pool.submit(person(1), || {}), Err(Overloaded::ShuttingDown));
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
