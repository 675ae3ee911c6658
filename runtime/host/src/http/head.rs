//! What of a request's head reaches a cell: its method, its query, and the headers that the contract names.

use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use runtime_user::{Head, Method as CellMethod};

use super::refusal::Refusal;
use super::routes::Route;

/// The head as a cell may know it; an empty one for a route of the host's own.
///
/// # Errors
/// 414 or 431 for what is too long.
pub(crate) fn of(route: &Route, parts: &Parts) -> Result<Head, Refusal> {
    if !route.is_cell() {
        return Ok(Head::default());
    }
    let method = if parts.method == Method::GET { CellMethod::Get } else { CellMethod::Post };
    let query = parts.uri.query().unwrap_or_default();
    Head::new(method, query, |name| value(&parts.headers, name)).map_err(|bad| Refusal::bad_head(&bad))
}

/// The lines of a header, joined as a list; `None` without one, or if one of them is not visible ASCII.
pub(super) fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Result<Vec<_>, _> = headers.get_all(name).iter().map(|line| line.to_str()).collect();
    lines.ok().filter(|lines| !lines.is_empty()).map(|lines| lines.join(", "))
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use runtime_user::paths::Paths;

    use super::*;

    fn parts(uri: &str, headers: &[(&str, &[u8])]) -> Parts {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn head(uri: &str, headers: &[(&str, &[u8])]) -> Result<Head, Refusal> {
        let route = Route::find(&Paths::default(), &Method::GET, "/x/reader").expect("a path of a cell");
        of(&route, &parts(uri, headers))
    }

    #[test]
    fn lines_of_a_header_are_joined_and_what_is_no_text_is_left_out() {
        let both = head("/x/reader?a=1", &[("accept", b"text/csv"), ("accept", b"text/html")]);
        let joined = head("/x/reader?a=1", &[("accept", b"text/csv, text/html")]);
        assert_eq!(both, joined);
        let none = head("/x/reader?a=1", &[]);
        assert_ne!(both, none);
        assert_eq!(
            head("/x/reader?a=1", &[("accept", b"\xff"), ("cookie", b"1"), ("authorization", b"2")]),
            none
        );
    }

    #[test]
    fn the_hosts_own_routes_know_no_head_and_a_cells_is_refused_where_it_is_too_long() {
        let long = format!("/health?{}", "q".repeat(5_000));
        let own = Route::find(&Paths::default(), &Method::GET, "/health").expect("a route");
        assert_eq!(of(&own, &parts(&long, &[])), Ok(Head::default()));
        assert_eq!(head(&long, &[]).map_err(|refusal| refusal.status), Err(414));
        let header = [("if-none-match", &[b'e'; 2_000][..])];
        assert_eq!(head("/x/reader", &header).map_err(|refusal| refusal.status), Err(431));
    }
}
