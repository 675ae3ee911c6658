//! A connection to an aggregator: TLS 1.3 with raw public keys on both sides. Who connects is a host, or a researcher,
//! with a key that was drawn for the connection, or the other aggregator with its own.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use handshake::encoding::Spki;
use handshake::keys::SigningKey;
use ring::digest::{SHA256, digest};
use runtime_study::Aggregator;
use runtime_wire::tls::{peer_key, raw_client, raw_server};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use crate::PEER_SILENCE_S;
use crate::error::LinkError;
use crate::message::{Message, Reply, Request, length};

/// The name of the protocol in ALPN.
pub const PROTOCOL: &[u8] = b"cellar-aggregator/1";
/// No name is looked at: the key decides.
const NAME: &str = "aggregator.invalid";

/// SHA-256 of a public key in DER, 64 hex digits: as studies name it.
pub fn key_name(spki: &Spki) -> String {
    HEXLOWER.encode(digest(&SHA256, spki.as_bytes()).as_ref())
}

/// A connection to an aggregator.
pub struct Link(StreamOwned<ClientConnection, TcpStream>);

impl Link {
    /// Connects to the aggregator of that key, and no other.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn connect(to: &Aggregator, own: &SigningKey) -> Result<Self, LinkError> {
        let addresses = to.address.to_socket_addrs().map_err(LinkError::Address)?;
        let (wait, mut last) =
            (Duration::from_secs(PEER_SILENCE_S), io::Error::from(io::ErrorKind::NotFound));
        for address in addresses {
            match TcpStream::connect_timeout(&address, wait) {
                Ok(stream) => return Self::over(stream, to, own),
                Err(error) => last = error,
            }
        }
        Err(LinkError::Io(last))
    }

    fn over(stream: TcpStream, to: &Aggregator, own: &SigningKey) -> Result<Self, LinkError> {
        bound(&stream)?;
        let key = to.key.clone();
        let accepts = Arc::new(move |spki: &Spki| key_name(spki) == key);
        let config = raw_client(own.pkcs8(), own.spki(), PROTOCOL, accepts)?;
        let name = ServerName::try_from(NAME).expect("it is a name");
        Ok(Self(StreamOwned::new(ClientConnection::new(config, name)?, stream)))
    }

    /// Asks once.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn ask(&mut self, request: &Request) -> Result<Reply, LinkError> {
        write(&mut self.0, request)?;
        match read(&mut self.0)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))? {
            Reply::Refused(refusal) => Err(LinkError::Refused(refusal)),
            reply => Ok(reply),
        }
    }
}

/// How an aggregator with that key listens: whoever connects shows some key.
///
/// # Errors
/// Where the key is not valid.
pub fn listening(own: &SigningKey) -> Result<Arc<ServerConfig>, rustls::Error> {
    raw_server(own.pkcs8(), own.spki(), PROTOCOL, Arc::new(|_| true), false)
}

/// A connection that an aggregator has accepted.
pub struct Accepted(StreamOwned<ServerConnection, TcpStream>);

impl Accepted {
    /// Shakes hands. Returns the name of the peer's key, too.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub fn over(stream: TcpStream, config: &Arc<ServerConfig>) -> io::Result<(Self, String)> {
        bound(&stream)?;
        let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let key = peer_key(stream.conn.peer_certificates()).ok_or(io::ErrorKind::InvalidData)?;
        Ok((Self(stream), key_name(&key)))
    }

    /// The next request; `None` where the peer has ended the connection.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn request(&mut self) -> Result<Option<Request>, LinkError> {
        read(&mut self.0)
    }

    /// Answers it.
    ///
    /// # Errors
    /// [`LinkError::Io`].
    pub fn reply(&mut self, reply: &Reply) -> Result<(), LinkError> {
        write(&mut self.0, reply)
    }
}

fn bound(stream: &TcpStream) -> io::Result<()> {
    let wait = Some(Duration::from_secs(PEER_SILENCE_S));
    stream.set_read_timeout(wait)?;
    stream.set_write_timeout(wait)?;
    stream.set_nodelay(true)
}

fn write(to: &mut impl Write, message: &impl Message) -> Result<(), LinkError> {
    let bytes = message.encode();
    let count = u32::try_from(bytes.len()).expect("no message has 4 GiB").to_be_bytes();
    to.write_all(&[&count[..], &bytes].concat())?;
    to.flush()?;
    Ok(())
}

fn read<M: Message>(from: &mut impl Read) -> Result<Option<M>, LinkError> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = length(head)?;
    let mut bytes = Vec::new();
    // What is there, not what was promised, is allocated.
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Some(M::decode(&bytes)?))
}
