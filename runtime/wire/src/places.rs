//! The places of a port: some for strangers, some for those who have proved who they are.
//!
//! * Invariants: however many strangers connect, from however many networks, they take none of the places of people;
//!   no source and no person takes all places of its kind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handshake::limit::{NoPlace, Places as Fair, Source};
use runtime_types::UserId;
use tokio::sync::Notify;

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceLimits {
    /// For strangers. At least 1.
    pub strangers_max: usize,
    /// Of them for one source.
    pub each_source_max: usize,
    /// For devices and holders of a token. At least 1.
    pub people_max: usize,
    /// Of them for one person.
    pub each_person_max: usize,
}

/// The places of a port.
#[derive(Debug)]
pub struct Places(Mutex<Books>);

#[derive(Debug)]
struct Books {
    limits: PlaceLimits,
    strangers: Fair<Source>,
    people: Fair<UserId>,
    open: HashMap<u64, (Holder, Arc<Notify>)>,
    next: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// A gateway's, which has not told yet from where its caller comes: it has no place until then. Gateways are known,
    /// and the port bounds all sockets. If it had one, all callers of a gateway that are just arriving would count as
    /// one source, and keep each other out.
    Gateway,
    Stranger(Source),
    Person(UserId),
}

impl Books {
    fn enter(&mut self, holder: Holder, connection: u64) -> Result<(), NoPlace> {
        let lost = match holder {
            Holder::Gateway => None,
            Holder::Stranger(source) => {
                self.strangers.enter(source, self.limits.each_source_max, connection)?
            }
            Holder::Person(user) => self.people.enter(user, self.limits.each_person_max, connection)?,
        };
        if let Some((_, end)) = lost.and_then(|lost| self.open.remove(&lost)) {
            end.notify_one();
        }
        Ok(())
    }

    fn leave(&mut self, holder: Holder, connection: u64) {
        match holder {
            Holder::Gateway => {}
            Holder::Stranger(source) => self.strangers.leave(&source, connection),
            Holder::Person(user) => self.people.leave(&user, connection),
        }
    }
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    connection: u64,
    end: Arc<Notify>,
}

impl Places {
    /// No place is taken.
    pub fn new(limits: PlaceLimits) -> Arc<Self> {
        let (strangers, people) = (Fair::new(limits.strangers_max), Fair::new(limits.people_max));
        Arc::new(Self(Mutex::new(Books { limits, strangers, people, open: HashMap::new(), next: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from that source; `None`: from a gateway. Another connection may lose its place.
    ///
    /// # Errors
    /// [`NoPlace`]: the connection is to be closed.
    pub fn enter(self: &Arc<Self>, source: Option<Source>) -> Result<Place, NoPlace> {
        let mut books = self.lock();
        let holder = source.map_or(Holder::Gateway, Holder::Stranger);
        let (connection, end) = (books.next, Arc::new(Notify::new()));
        books.next += 1;
        books.enter(holder, connection)?;
        books.open.insert(connection, (holder, Arc::clone(&end)));
        Ok(Place { places: Arc::clone(self), connection, end })
    }
}

impl Place {
    /// A gateway has told from where its caller comes.
    ///
    /// # Errors
    /// [`NoPlace`]: the connection is to be closed.
    pub fn comes_from(&self, source: Source) -> Result<(), NoPlace> {
        self.becomes(Holder::Stranger(source))
    }

    /// The caller has proved to be a device or a token of this person. The first person counts.
    ///
    /// # Errors
    /// [`NoPlace`]: the connection keeps a stranger's place.
    pub fn admit(&self, user: UserId) -> Result<(), NoPlace> {
        self.becomes(Holder::Person(user))
    }

    fn becomes(&self, holder: Holder) -> Result<(), NoPlace> {
        let mut books = self.places.lock();
        // A connection that has lost its place is about to end.
        let Some((before, end)) = books.open.remove(&self.connection) else { return Ok(()) };
        let moved = match before {
            Holder::Person(_) => Ok(before),
            Holder::Gateway | Holder::Stranger(_) => books.enter(holder, self.connection).map(|()| holder),
        };
        if let Ok(now) = moved
            && now != before
        {
            books.leave(before, self.connection);
        }
        books.open.insert(self.connection, (moved.unwrap_or(before), end));
        moved.map(drop)
    }

    /// Waits until the place is another's.
    pub async fn lost(&self) {
        self.end.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut books = self.places.lock();
        if let Some((holder, _)) = books.open.remove(&self.connection) {
            books.leave(holder, self.connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(each_kind: usize) -> Arc<Places> {
        Places::new(PlaceLimits {
            strangers_max: each_kind,
            each_source_max: 64,
            people_max: each_kind,
            each_person_max: 64,
        })
    }

    fn from(network: u8) -> Option<Source> {
        Some(Source::V4([127, network, 0]))
    }

    fn counts(places: &Places) -> (usize, usize) {
        let books = places.lock();
        let gateways = books.open.values().filter(|(holder, _)| *holder == Holder::Gateway).count();
        assert_eq!(books.open.len(), gateways + books.strangers.taken() + books.people.taken());
        (books.strangers.taken(), books.people.taken())
    }

    #[tokio::test]
    async fn strangers_take_none_of_the_places_of_people_and_lose_theirs_to_who_has_less() {
        let places = places(4);
        let greedy: Vec<_> = (0..20).filter_map(|_| places.enter(from(1)).ok()).collect();
        assert_eq!(greedy.len(), 4);
        let honest = places.enter(from(2)).expect("another source");
        greedy[0].lost().await;
        honest.admit(UserId([1; 16])).expect("a place for people");
        assert_eq!(counts(&places), (3, 1));
        drop(greedy);
        assert_eq!(counts(&places), (0, 1));
        honest.admit(UserId([2; 16])).expect("it stays where it is");
        drop(honest);
        assert_eq!(counts(&places), (0, 0));
    }

    #[tokio::test]
    async fn the_connections_of_one_person_take_no_other_persons_places() {
        let places = places(4);
        let connect = |number: u8| {
            let place = places.enter(from(number)).expect("a stranger's place");
            place.admit(UserId([number; 16])).map(|()| place)
        };
        let greedy: Vec<_> = (0..6).filter_map(|_| connect(1).ok()).collect();
        assert_eq!((greedy.len(), counts(&places)), (4, (0, 4)));
        let other = connect(2).expect("a place of the greedy one's");
        greedy[0].lost().await;
        assert_eq!(counts(&places), (0, 4));
        drop((other, greedy));
        assert_eq!(counts(&places), (0, 0));
    }

    #[test]
    fn callers_of_a_gateway_count_by_their_own_sources() {
        let places = places(200);
        let through = |network| {
            let place = places.enter(None).expect("gateways are not limited");
            place.comes_from(Source::V4([10, 0, network])).map(|()| place)
        };
        let greedy: Vec<_> = (0..100).filter_map(|_| through(1).ok()).collect();
        assert_eq!(greedy.len(), 64);
        assert!(through(2).is_ok());
    }

    #[test]
    fn attack_82_callers_that_arrive_through_a_gateway_at_the_same_moment_do_not_keep_each_other_out() {
        let places = places(8);
        // Each from a network of its own: all places are taken.
        let told = |network| {
            let place = places.enter(None)?;
            place.comes_from(Source::V4([10, 1, network])).map(|()| place)
        };
        let stuck: Vec<_> = (0..8).map(|network| told(network).expect("a place")).collect();
        // Many whose gateway has not told yet from where they come, and a phone among them.
        let arriving: Vec<_> = (0..50).map(|_| places.enter(None).expect("no place is needed yet")).collect();
        let phone = told(200).expect("the oldest of the others loses its place");
        phone.admit(UserId([1; 16])).expect("a place for people");
        drop((stuck, arriving));
    }
}
