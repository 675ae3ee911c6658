//! What answers at a person's own name before the routes for tokens do: the owner's page, and its calls.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use handshake::limit::Source;
use hyper::body::Incoming;
use hyper::{Request, Response};
use runtime_user::{Taken, UserId};
use runtime_wire::places::Place;

use super::reply::{Record, Reply};
use super::routes::Template;
use super::service::{Callers, method_name};
use super::watch::Phase;

/// A browser's connection.
#[derive(Clone)]
pub struct Visit {
    /// The person at whose name it is.
    pub user: UserId,
    /// Where it comes from.
    pub source: Source,
    /// The server name of the connection.
    pub name: String,
    /// Its place among the host's connections.
    pub place: Arc<Place>,
}

/// A whole answer.
pub struct Shown {
    /// Status, headers, body.
    pub response: Response<Bytes>,
    /// The memory that the body is counted in.
    pub taken: Option<Taken>,
}

/// An answer that comes.
pub type Showing = Pin<Box<dyn Future<Output = Shown> + Send>>;

/// What answers.
pub trait Page: Send + Sync + 'static {
    /// Whether this path is the page's; every other one is left to the routes for tokens.
    fn takes(&self, path: &str) -> bool;

    /// Answers a request. Never fails: a refusal is an answer too.
    fn answer(self: Arc<Self>, visit: Visit, request: Request<Incoming>) -> Showing;
}

/// The page of a port, for connections at a person's name.
#[derive(Clone)]
pub(crate) struct OfPerson {
    pub(crate) page: Arc<dyn Page>,
    pub(crate) visit: Visit,
}

impl OfPerson {
    /// The page, where the callers are one person's.
    pub(crate) fn new(
        page: Option<Arc<dyn Page>>,
        callers: Callers,
        source: Source,
        name: Option<&str>,
        place: &Arc<Place>,
    ) -> Option<Self> {
        let (page, Callers::Of(user), Some(name)) = (page?, callers, name) else { return None };
        Some(Self { page, visit: Visit { user, source, name: name.to_owned(), place: Arc::clone(place) } })
    }

    /// Answers, and writes the request's line in the log.
    pub(crate) async fn answer(self, request: Request<Incoming>, phase: Arc<Phase>) -> Response<Reply> {
        let mut record = Record::start(method_name(request.method()), phase);
        (record.route, record.user) = (Template::Own("page"), Some(self.visit.user));
        let Shown { response, taken } = self.page.answer(self.visit, request).await;
        let (parts, body) = response.into_parts();
        record.status = parts.status.as_u16();
        Response::from_parts(parts, Reply::whole(body, taken, record))
    }
}
