//! Tokens for phones that cannot pair.

use std::net::IpAddr;

use handshake::token::AppForm;
use runtime_program::{Failure, typed};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::logged;

/// Creates another token for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeToken {
    /// The person, by name or id.
    pub person: String,
    /// Whether the earlier ones become invalid.
    pub revoke_others: bool,
    /// The study and the subgroup that an app expects a token to name; none: a token for `cellar phone`.
    pub study: Option<(String, String)>,
}

/// The answer to [`MakeToken`].
#[derive(Serialize, Deserialize)]
pub struct TokenMade {
    /// The person's id.
    pub id: String,
    /// The token for the app of a study. A secret, which is shown only once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The connection string of a phone that cannot pair, without a study. A secret, which is shown only once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// Whether the token is refused until one of the person's phones has signed for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// The person's own address, if the host has a name.
    pub own: Option<String>,
}

impl Ask for MakeToken {
    type Answer = TokenMade;

    fn answer(self, context: &Context<'_>) -> Result<TokenMade, Failure> {
        let (runtime, phone_address) = (context.runtime, context.phone_address);
        let user = context.find(&self.person)?;
        let form = |(study, subgroup): (String, String)| {
            AppForm::new(typed::trimmed(&study), typed::trimmed(&subgroup))
        };
        let form = self.study.map(form).transpose();
        let form = form.map_err(|error| Failure::of(&error, "give it another --study or --subgroup"))?;
        // This comes before the token is made: a token that is made but not shown would be lost, and the others with
        // it.
        let label = runtime.owners().web_label(user).map_err(logged)?;
        let token = runtime.people().new_token(user, form.as_ref(), self.revoke_others).map_err(logged)?;
        // The token is made; where nobody can sign for it, the host notes it in the store.
        runtime.owners().vouch_unsigned(user).map_err(logged)?;
        let (host, port) = phone_address.address.rsplit_once(':').unwrap_or((&phone_address.address, "443"));
        // An IP address has no subdomains that an app could look up.
        let own = host.parse::<IpAddr>().is_err().then(|| {
            format!("https://{}:{port}/", handshake::encoding::server_name(&label.to_string(), host))
        });
        let (token, connect) = match form {
            Some(form) => (Some(form.reveal(&token).as_str().to_owned()), None),
            None => (None, Some(phone_address.connection(token.reveal()))),
        };
        let waits = runtime.owners().needs_signature(user).map_err(logged)?;
        Ok(TokenMade { id: user.dashed(), token, connect, waits, own })
    }
}
