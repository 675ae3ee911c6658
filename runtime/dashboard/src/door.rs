//! Who may call: the browser that was given the link, and nobody else on this machine or in that browser.
//!
//! * A link carries a code of 128 bits behind `#`, which a browser sends to nobody; the page hands it in once. The browser
//!   then has a cookie, and the page a token; a call needs both.
//! * Browsers send a cookie of `localhost` to every port of it, so a server of another user may learn the cookie. The
//!   token stays with the page: storage belongs to an origin, port included.
//! * A foreign page can make a browser send requests. It can neither read the token nor set `Origin` or `Host`.

use std::sync::{Mutex, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use hyper::HeaderMap;
use hyper::header::{self, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a code, a cookie or a token.
const SECRET_BYTES: usize = 16;
/// The name of the cookie.
const COOKIE: &str = "cellar";
/// The header with the page's token.
pub(crate) const TOKEN_FIELD: &str = "x-cellar-token";

type Words = Zeroizing<String>;

/// No random bytes from the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness;

/// The door of one server.
pub struct Door {
    /// `localhost:PORT` and `127.0.0.1:PORT`.
    hosts: [String; 2],
    port: u16,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The code that was not used yet.
    code: Option<Words>,
    /// Those who entered: cookie and token. A new link ends what was before.
    inside: Option<(Words, Words)>,
}

/// A link that lets one browser in, once. It is a secret until then.
pub struct Link(Words);

impl Link {
    /// The text, to be shown to the owner alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// What a browser gets that has entered.
pub(crate) struct Entered {
    /// For `Set-Cookie`.
    pub(crate) cookie: String,
    /// For the page.
    pub(crate) token: Words,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It names another host: a name that leads to this machine.
    Host,
    /// It comes from another page.
    Origin,
    /// It has no cookie or token, or not those of this server.
    Outside,
    /// The code is not valid, or was used.
    Code,
}

impl Door {
    /// The door of the server at that port; nobody may enter yet.
    pub fn new(port: u16) -> Self {
        let hosts = [format!("localhost:{port}"), format!("127.0.0.1:{port}")];
        Self { hosts, port, state: Mutex::default() }
    }

    /// A new link; whoever entered before is outside from now on.
    ///
    /// # Errors
    /// Where the operating system gives no random bytes.
    pub fn link(&self) -> Result<Link, NoRandomness> {
        let code = secret()?;
        let link = format!("http://localhost:{}/#enter={}", self.port, *code);
        *self.state() = State { code: Some(code), inside: None };
        Ok(Link(Zeroizing::new(link)))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request names this server: names of others that lead to the loopback are refused.
    pub(crate) fn check_host(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refused::Host) };
        let is_ours = self.hosts.iter().any(|ours| ours.as_bytes() == host.as_bytes());
        if is_ours { Ok(()) } else { Err(Refused::Host) }
    }

    /// Whether a request was made by the page of this server, as the browser says.
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return Err(Refused::Origin) };
        let host = headers.get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
        let is_ours = origin.as_bytes().strip_prefix(b"http://").is_some_and(|named| named == host);
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let is_same = site.is_none_or(|site| site == b"same-origin");
        if is_ours && is_same { Ok(()) } else { Err(Refused::Origin) }
    }

    /// Whether a request without a body was made by the page of this server, as the browser says: it names an origin with
    /// those of other pages alone.
    pub(crate) fn check_site(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let is_same = headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin");
        match is_same {
            false => Err(Refused::Origin),
            true if headers.contains_key(header::ORIGIN) => self.check_origin(headers),
            true => Ok(()),
        }
    }

    /// Takes a code in, once.
    pub(crate) fn enter(&self, code: &str) -> Result<Entered, Refused> {
        let (cookie, token) = (secret().map_err(|_| Refused::Code)?, secret().map_err(|_| Refused::Code)?);
        let mut state = self.state();
        state.code.take_if(|known| same(known, code)).ok_or(Refused::Code)?;
        let entered = Entered {
            cookie: format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", *cookie),
            token: token.clone(),
        };
        state.inside = Some((cookie, token));
        Ok(entered)
    }

    /// Whether the browser and the page of a request have entered.
    pub(crate) fn check_inside(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let state = self.state();
        let (cookie, token) = state.inside.as_ref().ok_or(Refused::Outside)?;
        let shown = headers.get(TOKEN_FIELD).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let has_token = same(token, shown);
        let has_cookie = cookies(headers).any(|shown| same(cookie, shown));
        if has_token && has_cookie { Ok(()) } else { Err(Refused::Outside) }
    }

    /// Whether the browser of a request has entered: enough for what is no secret, such as the policy of the page.
    pub(crate) fn knows_browser(&self, headers: &HeaderMap) -> bool {
        let state = self.state();
        state.inside.as_ref().is_some_and(|(cookie, _)| cookies(headers).any(|shown| same(cookie, shown)))
    }
}

/// Values of our cookie: a server at another port may have set one of the same name.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn same(known: &str, shown: &str) -> bool {
    known.as_bytes().ct_eq(shown.as_bytes()).into()
}

fn secret() -> Result<Words, NoRandomness> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    SystemRandom::new().fill(&mut *bytes).map_err(|_| NoRandomness)?;
    Ok(Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    fn code_of(door: &Door) -> String {
        let link = door.link().expect("randomness");
        link.reveal().split_once("#enter=").expect("a code").1.to_owned()
    }

    #[test]
    fn a_code_lets_one_in_once_and_a_new_link_ends_what_was_before() {
        let door = Door::new(4000);
        assert_eq!(door.enter("").map(drop), Err(Refused::Code), "nobody was invited");
        let code = code_of(&door);
        assert!(door.enter(&code[1..]).is_err());
        let entered = door.enter(&code).unwrap_or_else(|_| panic!("the code counts"));
        assert!(door.enter(&code).is_err(), "once");
        let cookie = entered.cookie.split(';').next().expect("a pair").to_owned();
        let whole = |cookie: &str, token: &str| headers(&[("cookie", cookie), (TOKEN_FIELD, token)]);
        assert_eq!(door.check_inside(&whole(&cookie, &entered.token)), Ok(()));
        let beside = format!("other=1; cellar=forged; {cookie}");
        assert_eq!(door.check_inside(&whole(&beside, &entered.token)), Ok(()));
        assert!(door.check_inside(&whole("cellar=", &entered.token)).is_err());
        assert!(door.check_inside(&whole(&cookie, "")).is_err());
        assert!(door.check_inside(&HeaderMap::new()).is_err());
        let second = code_of(&door);
        assert!(door.check_inside(&whole(&cookie, &entered.token)).is_err());
        assert!(door.enter(&code).is_err());
        assert!(door.enter(&second).is_ok());
    }

    #[test]
    fn only_this_servers_names_and_page_pass() {
        let door = Door::new(4000);
        for (host, passes) in [
            ("localhost:4000", true),
            ("127.0.0.1:4000", true),
            ("localhost", false),
            ("localhost:4001", false),
            ("evil.example:4000", false),
            ("LOCALHOST:4000", false),
            ("[::1]:4000", false),
            ("", false),
        ] {
            assert_eq!(door.check_host(&headers(&[("host", host)])).is_ok(), passes, "{host}");
        }
        assert!(
            door.check_host(&headers(&[("host", "localhost:4000"), ("host", "localhost:4000")])).is_err()
        );
        assert!(door.check_host(&HeaderMap::new()).is_err());
        let from = |origin: &str, site: Option<&str>| {
            let mut all = headers(&[("host", "localhost:4000"), ("origin", origin)]);
            if let Some(site) = site {
                all.append("sec-fetch-site", HeaderValue::from_str(site).expect("a value"));
            }
            door.check_origin(&all).is_ok()
        };
        assert!(from("http://localhost:4000", None) && from("http://localhost:4000", Some("same-origin")));
        for origin in ["null", "http://localhost:4001", "https://localhost:4000", "http://127.0.0.1:4000", ""]
        {
            assert!(!from(origin, None), "{origin}");
        }
        assert!(!from("http://localhost:4000", Some("same-site")));
        assert!(door.check_origin(&headers(&[("host", "localhost:4000")])).is_err(), "no Origin");
    }
}
