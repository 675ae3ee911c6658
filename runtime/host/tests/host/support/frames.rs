//! Frames of HTTP/2 by hand: what no client would send.

use tokio::io::{AsyncRead, AsyncReadExt};

pub const HEADERS: u8 = 1;
const RESET: u8 = 3;
pub const GOAWAY: u8 = 7;
const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// A frame as it came.
pub struct Frame {
    pub kind: u8,
    pub payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut out = vec![a, b, c, kind, flags];
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// What a client says first.
pub fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat()
}

/// The head of a POST whose body is to follow.
pub fn headers(stream: u32, authority: &str, path: &str) -> Vec<u8> {
    // Indexed: `:method: POST`, `:scheme: https`; literal, names indexed, not kept: `:authority`, `:path`.
    let mut block = vec![0x83, 0x87];
    for (name, value) in [(1_u8, authority), (4, path)] {
        block.push(name);
        block.push(u8::try_from(value.len()).ok().filter(|length| *length < 127).expect("a short text"));
        block.extend_from_slice(value.as_bytes());
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RESET, 0, stream, &CANCEL)
}

pub fn empty_data(stream: u32) -> Vec<u8> {
    frame(DATA, 0, stream, &[])
}

/// The next frame; `None`: the connection has ended.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let read = async {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).ok()?];
        stream.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind: head[3], payload })
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), read).await.expect("a frame or the end")
}
