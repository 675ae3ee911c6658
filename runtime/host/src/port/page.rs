//! The page that a browser on this machine shows where it opens the port without TLS.
//!
//! * Only callers on the loopback get it: a program on this machine learns nothing new from it. The port says nothing
//!   about itself to other callers (docs/decisions/0024-a-page-for-this-machine.md).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the browser may take to read the page and to close.
const WAIT: Duration = Duration::from_secs(2);
/// How much of the browser's request is read after the page was written, bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// The first bytes of a browser's request.
pub(super) const METHOD: &[u8] = b"GET ";

const TEXT: &str = "\
This is a Cellar host: a private server for people's own data.

Phones are paired with it, and the command line does the rest:

    `cellar open PERSON`  shows that person's page in a browser
    `cellar pair PERSON`  shows a code for the app of a phone
    `cellar user list`    shows who has a runtime here
    `cellar --help`       lists everything else

Only browsers on this machine read this text.
";

/// Answers any request with the page, then ends the connection.
pub(super) async fn show(socket: &mut TcpStream) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\ncache-control: no-store\r\n\r\n{TEXT}",
        TEXT.len()
    );
    let exchange = async {
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        // Closing a socket that has unread bytes resets the connection, and the page may be lost.
        tokio::io::copy(&mut socket.take(REQUEST_BYTES_MAX), &mut tokio::io::sink()).await
    };
    // A browser that is gone or slow needs no page.
    let _ = timeout(WAIT, exchange).await;
}
