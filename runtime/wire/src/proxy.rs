//! The header in which a gateway names the caller whose bytes follow: the binary header of version 2 of the PROXY
//! protocol, of which only TCP over IPv4 and IPv6 is supported.
//!
//! * Invariants: it is read from configured gateways only, and decides nothing but whose allowance a connection counts
//!   against.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, on behalf of another peer.
const VERSION_PROXY: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const IPV4_BYTES: usize = 12;
const IPV6_BYTES: usize = 36;

/// The header for a connection from `peer` that arrived at `local`.
pub fn header(peer: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    out.push(VERSION_PROXY);
    match (peer.ip().to_canonical(), local.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.push(TCP_OVER_IPV4);
            out.extend_from_slice(&(IPV4_BYTES as u16).to_be_bytes());
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
        }
        (from, to) => {
            let six = |address: IpAddr| match address {
                IpAddr::V4(four) => four.to_ipv6_mapped(),
                IpAddr::V6(six) => six,
            };
            out.push(TCP_OVER_IPV6);
            out.extend_from_slice(&(IPV6_BYTES as u16).to_be_bytes());
            out.extend_from_slice(&six(from).octets());
            out.extend_from_slice(&six(to).octets());
        }
    }
    out.extend_from_slice(&peer.port().to_be_bytes());
    out.extend_from_slice(&local.port().to_be_bytes());
    out
}

/// Reads the header; returns the caller that the gateway names.
///
/// # Errors
/// The error of the socket; `InvalidData` for anything but such a header.
pub async fn read_header(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<SocketAddr> {
    let mut head = [0; 16];
    socket.read_exact(&mut head).await?;
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    let wanted = match (head[..12] == SIGNATURE, head[12], head[13]) {
        (true, VERSION_PROXY, TCP_OVER_IPV4) => IPV4_BYTES,
        (true, VERSION_PROXY, TCP_OVER_IPV6) => IPV6_BYTES,
        _ => 0,
    };
    if wanted == 0 || length != wanted {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no header of a gateway"));
    }
    let mut body = [0; IPV6_BYTES];
    socket.read_exact(&mut body[..length]).await?;
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    Ok(if wanted == IPV4_BYTES {
        (Ipv4Addr::new(body[0], body[1], body[2], body[3]), port(8)).into()
    } else {
        let mut octets = [0; 16];
        octets.copy_from_slice(&body[..16]);
        (Ipv6Addr::from(octets).to_canonical(), port(32)).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<SocketAddr> {
        read_header(&mut &*bytes).await
    }

    #[tokio::test]
    async fn a_caller_is_read_as_the_gateway_wrote_it() {
        for (peer, local) in [
            ("192.0.2.7:50000", "198.51.100.1:443"),
            ("[2001:db8::7]:50000", "[2001:db8::1]:443"),
            ("192.0.2.7:50000", "[2001:db8::1]:443"),
        ] {
            let (peer, local): (SocketAddr, SocketAddr) =
                (peer.parse().expect("an address"), local.parse().expect("an address"));
            assert_eq!(read(&header(peer, local)).await.expect("a header"), peer);
        }
    }

    #[tokio::test]
    async fn anything_else_is_an_error() {
        let sound = header(([192, 0, 2, 7], 1).into(), ([192, 0, 2, 8], 2).into());
        for cut in 0..sound.len() {
            assert!(read(&sound[..cut]).await.is_err(), "{cut}");
        }
        for at in 0..16 {
            let mut changed = sound.clone();
            changed[at] ^= 0x40;
            assert!(read(&changed).await.is_err(), "{at}");
        }
    }
}
