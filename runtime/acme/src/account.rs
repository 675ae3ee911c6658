//! The host's account with the server: made once, with a key of its own.

use std::fs;
use std::path::{Path, PathBuf};

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::files;
use crate::order::OrderError;
use crate::transport::Transport;

const ACCOUNT_FILE: &str = "account.json";

/// What is kept of it.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    contact: Vec<String>,
    credentials: AccountCredentials,
}

fn file(folder: &Path) -> PathBuf {
    folder.join(ACCOUNT_FILE)
}

/// The account of this folder, made where there is none for that directory. A file that cannot be read, or that others
/// can read, is replaced with a new account: nothing depends on the earlier one.
pub(crate) async fn open(
    folder: &Path,
    directory: &str,
    contact: &[String],
    transport: Transport,
) -> Result<Account, OrderError> {
    let builder = Account::builder_with_http(Box::new(transport));
    let contacts: Vec<&str> = contact.iter().map(String::as_str).collect();
    let path = file(folder);
    let kept = spawn_blocking(move || read(&path)).await.map_err(|_| OrderError::Ended)?;
    let Some(mut kept) = kept.filter(|kept| kept.directory == directory) else {
        let new =
            NewAccount { contact: &contacts, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder.create(&new, directory.to_owned(), None).await?;
        let kept = Kept { directory: directory.to_owned(), contact: contact.to_vec(), credentials };
        write(folder, kept).await?;
        return Ok(account);
    };
    if kept.contact == contact {
        return Ok(builder.from_credentials(kept.credentials).await?);
    }
    let again = serde_json::from_value(serde_json::to_value(&kept.credentials)?)?;
    let account = builder.from_credentials(again).await?;
    account.update_contacts(&contacts).await?;
    kept.contact = contact.to_vec();
    write(folder, kept).await?;
    Ok(account)
}

/// Forgets the account, since the server does not know it any more.
pub(crate) fn forget(folder: &Path) {
    // Where it stays, the next try fails in the same way, and says so.
    let _ = fs::remove_file(file(folder));
}

fn read(path: &Path) -> Option<Kept> {
    if !files::is_private(path).ok()? {
        return None;
    }
    let text = Zeroizing::new(fs::read(path).ok()?);
    serde_json::from_slice(&text).ok()
}

async fn write(folder: &Path, kept: Kept) -> Result<(), OrderError> {
    let folder = folder.to_owned();
    let written = spawn_blocking(move || {
        let text = Zeroizing::new(serde_json::to_vec(&kept)?);
        files::make_folder(&folder)?;
        files::replace(&file(&folder), &[&text], |_| Ok::<(), std::io::Error>(()))?;
        Ok(())
    });
    written.await.map_err(|_| OrderError::Ended)?
}
