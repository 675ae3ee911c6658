//! Hellos built by hand, for tests: valid ones, and ones with one wrong part.

use super::Hello;

/// The content of a hello. [`Self::native`] and [`Self::browser`] are the two usual ones.
#[derive(Debug, Clone)]
pub(crate) struct HelloBuilder {
    pub extensions: Vec<(u16, Vec<u8>)>,
    pub session_id: Vec<u8>,
    pub suites: Vec<u16>,
}

/// A value that no implementation knows (RFC 8701).
const GREASE: u16 = 0x4a4a;

impl HelloBuilder {
    pub fn empty() -> Self {
        Self { extensions: Vec::new(), session_id: vec![7; 32], suites: vec![GREASE, 0x1301, 0x1302] }
    }

    /// A phone: raw keys both ways, only TLS 1.3.
    pub fn native(name: &str, protocol: &str) -> Self {
        let hello = Self::empty().with(GREASE, &[]).name(name).protocols(&[protocol]);
        hello.with(19, &[1, 2]).with(20, &[1, 2]).versions(&[0x0304]).key_share(32)
    }

    /// A browser: certificates, both versions, a hybrid key.
    pub fn browser(name: &str) -> Self {
        let hello = Self::empty().with(GREASE, &[]).name(name).protocols(&["h2", "http/1.1"]);
        hello.versions(&[GREASE, 0x0304, 0x0303]).key_share(1216).with(0x5a5a, &[0])
    }

    pub fn with(mut self, kind: u16, content: &[u8]) -> Self {
        self.extensions.push((kind, content.to_vec()));
        self
    }

    pub fn without(mut self, kind: u16) -> Self {
        self.extensions.retain(|(other, _)| *other != kind);
        self
    }

    pub fn name(self, name: &str) -> Self {
        let entry = [&[0_u8][..], &behind_u16(name.as_bytes())].concat();
        self.without(0).with(0, &behind_u16(&entry))
    }

    pub fn protocols(self, protocols: &[&str]) -> Self {
        let list: Vec<u8> = protocols.iter().flat_map(|protocol| behind_u8(protocol.as_bytes())).collect();
        self.without(16).with(16, &behind_u16(&list))
    }

    pub fn versions(self, versions: &[u16]) -> Self {
        let list: Vec<u8> = versions.iter().flat_map(|version| version.to_be_bytes()).collect();
        self.without(43).with(43, &behind_u8(&list))
    }

    pub fn key_share(self, bytes: usize) -> Self {
        let share = [&[0x11_u8, 0xec][..], &behind_u16(&vec![0x55; bytes])].concat();
        self.without(51).with(51, &behind_u16(&share))
    }

    /// The message with its header, without records.
    pub fn message(&self) -> Vec<u8> {
        let suites: Vec<u8> = self.suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        let content =
            |(kind, content): &(u16, Vec<u8>)| [&kind.to_be_bytes()[..], &behind_u16(content)].concat();
        let extensions: Vec<u8> = self.extensions.iter().flat_map(content).collect();
        let mut body = vec![3, 3];
        body.extend([9; 32]);
        body.extend(behind_u8(&self.session_id));
        body.extend(behind_u16(&suites));
        body.extend(behind_u8(&[0]));
        body.extend(behind_u16(&extensions));
        handshake(1, &body)
    }

    /// The message in one record.
    pub fn bytes(&self) -> Vec<u8> {
        records(&self.message(), usize::MAX)
    }

    pub fn read(&self) -> Hello {
        match super::HelloReader::new().feed(&self.bytes()) {
            super::Progress::Hello(hello) => hello,
            other => panic!("{other:?}"),
        }
    }
}

/// A handshake message of any kind.
pub(crate) fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

/// One record of any kind.
pub(crate) fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 3, 1][..], &behind_u16(content)].concat()
}

/// The message in records of at most `size` bytes.
pub(crate) fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size.min(1 << 14)).flat_map(|part| record(22, part)).collect()
}

pub(crate) fn behind_u8(content: &[u8]) -> Vec<u8> {
    [&[content.len() as u8][..], content].concat()
}

pub(crate) fn behind_u16(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u16).to_be_bytes()[..], content].concat()
}
