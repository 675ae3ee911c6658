//! Where a browser finds a person's page on the host's own port.

use std::net::IpAddr;

use handshake::encoding::server_name;
use runtime_program::Failure;
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::{SET_ADDRESS, logged};

/// Asks for the address of a person's page; draws its name at the first time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowWebAddress {
    /// The person, by name or id.
    pub person: String,
}

/// The answer to [`ShowWebAddress`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebAddress {
    /// The person's id.
    pub id: String,
    /// The address, `https://LABEL.HOST:PORT/`. Whoever knows it may ask for the sign-in, and nothing more.
    pub address: String,
}

impl Ask for ShowWebAddress {
    type Answer = WebAddress;

    fn answer(self, context: &Context<'_>) -> Result<WebAddress, Failure> {
        let user = context.find(&self.person)?;
        let (host, port) = context.phone_address.host_and_port()?;
        if host.parse::<IpAddr>().is_ok() {
            let what =
                format!("{host} is an address without names below it, and a passkey belongs to a name");
            return Err(Failure::new(what, SET_ADDRESS));
        }
        let label = context.runtime.owners().web_label(user).map_err(logged)?;
        let name = server_name(&label.to_string(), &host);
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        Ok(WebAddress { id: user.dashed(), address: format!("https://{name}{port}/") })
    }
}
