//! Entries that a cell reads from the store: the packed form `CPG1` of docs/formats/page.md.

use crate::EntryId;
use crate::take::Take;

const MAGIC: [u8; 4] = *b"CPG1";
const HEADER_BYTES: usize = 16;
const RECORD_BYTES: usize = 48;
const FLAG_INVALID: u16 = 1;

const ID_PREFIX: &[u8] = br#"{"_id":{"$oid":""#;
const USER_PREFIX: &[u8] = br#""},"user_id":{"$uuid":""#;
const METADATA_PREFIX: &[u8] = br#""},"metadata":"#;
const DATA_PREFIX: &[u8] = br#","data":"#;
const INVALID_SUFFIX: &[u8] = br#","invalid":true"#;
/// From the start of an entry to its metadata.
const METADATA_OFFSET: usize = ID_PREFIX.len() + 24 + USER_PREFIX.len() + 32 + METADATA_PREFIX.len();
const _: () = assert!(METADATA_OFFSET == 109, "docs/formats/page.md says 109");

/// Why a page was refused; nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a page of entries: {0}")]
pub struct BadPage(&'static str);

/// One entry of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry<'a> {
    /// Its id.
    pub id: EntryId,
    /// Such as `background/location`.
    pub key: &'a str,
    /// Whether it is marked invalid; only in results of queries that ask for invalid ones.
    pub invalid: bool,
    /// `metadata.write_ts`, s.
    pub write_ts: f64,
    /// The time that the query names, s.
    pub time: f64,
    /// A JSON object.
    pub metadata: &'a str,
    /// A JSON object.
    pub data: &'a str,
    /// The whole entry as the HTTP API gives it.
    pub text: &'a str,
}

/// Builds pages of about `bytes_max`; the runtime's side.
///
/// The page grows in place: records in a reserved space at its start, texts behind it. A space that turns out too small
/// is enlarged by moving the texts once.
#[derive(Debug)]
pub struct PageWriter {
    user_hex: [u8; 32],
    bytes_max: usize,
    /// Header, records, unused bytes; from `payload_offset` on the payload.
    page: Vec<u8>,
    payload_offset: usize,
    names: Vec<String>,
    names_bytes: usize,
    count: u32,
}

impl PageWriter {
    /// An empty page of entries of the person `user`, at most `bytes_max` long unless one entry alone is longer.
    pub fn new(user: [u8; 16], bytes_max: usize) -> Self {
        let mut user_hex = [0; 32];
        write_hex(&user, &mut user_hex);
        Self {
            user_hex,
            bytes_max,
            page: Vec::new(),
            payload_offset: 0,
            names: Vec::new(),
            names_bytes: 2,
            count: 0,
        }
    }

    /// Adds an entry; returns `false` where the page is full. `extra`: further members without braces, or empty.
    pub fn push(&mut self, entry: &Entry<'_>, extra: &str) -> bool {
        let entry_bytes = METADATA_OFFSET
            + entry.metadata.len()
            + DATA_PREFIX.len()
            + entry.data.len()
            + if entry.invalid { INVALID_SUFFIX.len() } else { 0 }
            + if extra.is_empty() { 0 } else { 1 + extra.len() }
            + 1;
        let known = self.names.iter().position(|name| name == entry.key);
        let name_bytes = if known.is_some() { 0 } else { 2 + entry.key.len() };
        // The unused space counts as well: it is sent with the rest.
        let head = self.payload_offset.max(self.head_bytes() + name_bytes + RECORD_BYTES);
        let grown = head + (self.page.len() - self.payload_offset) + 1 + entry_bytes;
        if self.count > 0 && grown > self.bytes_max {
            return false;
        }
        let name = known.unwrap_or_else(|| {
            self.names_bytes += name_bytes;
            self.names.push(entry.key.to_owned());
            self.names.len() - 1
        });
        self.make_room(entry_bytes);
        if self.count > 0 {
            self.page.push(b',');
        }
        let start = self.page.len();
        self.write_text(entry, extra);
        self.write_record(entry, name, start);
        self.count += 1;
        true
    }

    /// Reserves space for one more record, and for about as many as the page will have.
    fn make_room(&mut self, entry_bytes: usize) {
        let wanted = self.head_bytes() + RECORD_BYTES;
        if wanted <= self.payload_offset {
            return;
        }
        let payload_bytes = self.page.len() - self.payload_offset;
        let each = payload_bytes.checked_div(self.count as usize).unwrap_or(entry_bytes);
        let left = self.bytes_max.saturating_sub(wanted + payload_bytes);
        // An eighth more, since entries differ; but never space that this entry needs.
        let records = left / (each + RECORD_BYTES) * 9 / 8;
        let room = (records * RECORD_BYTES).min(left.saturating_sub(entry_bytes + 1));
        if self.page.is_empty() {
            let first = wanted + room + entry_bytes;
            self.page.reserve_exact(first.max(self.bytes_max.min(1 << 20)));
        }
        let more = wanted + room - self.payload_offset;
        self.page.splice(self.payload_offset..self.payload_offset, std::iter::repeat_n(0, more));
        self.payload_offset += more;
    }

    /// Header, records and names as they are.
    fn head_bytes(&self) -> usize {
        HEADER_BYTES + self.count as usize * RECORD_BYTES + self.names_bytes
    }

    fn write_text(&mut self, entry: &Entry<'_>, extra: &str) {
        let mut id_hex = [0; 24];
        write_hex(&entry.id.0, &mut id_hex);
        let prefix = [ID_PREFIX, &id_hex, USER_PREFIX, &self.user_hex, METADATA_PREFIX];
        for part in prefix {
            self.page.extend_from_slice(part);
        }
        self.page.extend_from_slice(entry.metadata.as_bytes());
        self.page.extend_from_slice(DATA_PREFIX);
        self.page.extend_from_slice(entry.data.as_bytes());
        if entry.invalid {
            self.page.extend_from_slice(INVALID_SUFFIX);
        }
        if !extra.is_empty() {
            self.page.push(b',');
            self.page.extend_from_slice(extra.as_bytes());
        }
        self.page.push(b'}');
    }

    fn write_record(&mut self, entry: &Entry<'_>, name: usize, start: usize) {
        let end = self.page.len();
        let at = HEADER_BYTES + self.count as usize * RECORD_BYTES;
        let record = &mut self.page[at..at + RECORD_BYTES];
        record[..12].copy_from_slice(&entry.id.0);
        record[12..14].copy_from_slice(&u16::try_from(name).expect("under 65,536 keys a page").to_le_bytes());
        record[14..16].copy_from_slice(&(u16::from(entry.invalid) * FLAG_INVALID).to_le_bytes());
        record[16..20].copy_from_slice(&short(start - self.payload_offset));
        record[20..24].copy_from_slice(&short(end - start));
        record[24..28].copy_from_slice(&short(entry.metadata.len()));
        record[28..32].copy_from_slice(&short(entry.data.len()));
        record[32..40].copy_from_slice(&entry.write_ts.to_le_bytes());
        record[40..].copy_from_slice(&entry.time.to_le_bytes());
    }

    /// The present size of the page, bytes.
    pub fn size(&self) -> usize {
        self.page.len()
    }

    /// How many entries it has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The finished page; empty bytes where it has no entry, which marks the end of a result.
    pub fn finish(mut self) -> Vec<u8> {
        if self.count == 0 {
            return Vec::new();
        }
        let payload_bytes = self.page.len() - self.payload_offset;
        self.page[..4].copy_from_slice(&MAGIC);
        self.page[4..8].copy_from_slice(&self.count.to_le_bytes());
        self.page[8..12].copy_from_slice(&short(self.payload_offset));
        self.page[12..16].copy_from_slice(&short(payload_bytes));
        let mut at = HEADER_BYTES + self.count as usize * RECORD_BYTES;
        let mut put = |bytes: &[u8]| {
            self.page[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&u16::try_from(self.names.len()).expect("under 65,536 keys a page").to_le_bytes());
        for name in &self.names {
            put(&u16::try_from(name.len()).expect("keys are short").to_le_bytes());
            put(name.as_bytes());
        }
        self.page
    }
}

fn short(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a page is under 4 GiB").to_le_bytes()
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

struct Header<'a> {
    count: usize,
    payload_offset: usize,
    payload: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, BadPage> {
        let mut take = Take::new(bytes);
        if take.array() != Some(MAGIC) {
            return Err(BadPage("it does not begin with CPG1"));
        }
        let [count, payload_offset, payload_bytes] =
            [take.u32(), take.u32(), take.u32()].map(|number| number.map(|number| number as usize));
        let (Some(count), Some(payload_offset), Some(payload_bytes)) = (count, payload_offset, payload_bytes)
        else {
            return Err(BadPage("it ends too early"));
        };
        let payload = bytes.get(payload_offset..).filter(|payload| payload.len() == payload_bytes);
        match payload {
            Some(payload) if payload_offset >= HEADER_BYTES => Ok(Self { count, payload_offset, payload }),
            _ => Err(BadPage("the payload is not where the header says")),
        }
    }
}

/// How many entries a page has, and their texts joined by one comma, for a cell that forwards whole pages: only the
/// header is checked.
pub fn as_a_whole(bytes: &[u8]) -> Result<(usize, &[u8]), BadPage> {
    Header::read(bytes).map(|header| (header.count, header.payload))
}

/// A page that has been checked; the cell's side. Borrows everything.
#[derive(Debug)]
pub struct Page<'a> {
    records: &'a [[u8; RECORD_BYTES]],
    names: Vec<&'a str>,
    payload: &'a str,
}

impl<'a> Page<'a> {
    /// Checks a page that is not empty.
    pub fn read(bytes: &'a [u8]) -> Result<Self, BadPage> {
        let Header { count, payload_offset, payload } = Header::read(bytes)?;
        let short = BadPage("it ends too early");
        let mut take = Take::new(&bytes[HEADER_BYTES..payload_offset]);
        let records = take.bytes(count.saturating_mul(RECORD_BYTES)).ok_or(short.clone())?;
        let names_count = take.u16().ok_or(short.clone())?;
        let mut names = Vec::with_capacity(usize::from(names_count).min(bytes.len() / 2));
        for _ in 0..names_count {
            let length = take.u16().ok_or(short.clone())?;
            names.push(take.text(usize::from(length)).ok_or(BadPage("a key is cut or not UTF-8"))?);
        }
        let payload = std::str::from_utf8(payload).map_err(|_| BadPage("the payload is not UTF-8"))?;
        let page = Self { records: records.as_chunks().0, names, payload };
        (0..page.len()).try_for_each(|index| page.check(index))?;
        Ok(page)
    }

    fn check(&self, index: usize) -> Result<(), BadPage> {
        self.entry(index).map(drop).ok_or(BadPage("an entry does not fit the payload"))
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has none; the runtime never sends such a page.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The entries' JSON texts, joined by one comma.
    pub fn payload(&self) -> &'a str {
        self.payload
    }

    /// The entries, in the order of the result.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'a>> + '_ {
        (0..self.len()).map(|index| self.entry(index).expect("read has checked every entry"))
    }

    fn entry(&self, index: usize) -> Option<Entry<'a>> {
        let mut take = Take::new(self.records.get(index)?);
        let id = EntryId(take.array()?);
        let key = self.names.get(usize::from(take.u16()?))?;
        let flags = take.u16()?;
        let [offset, entry_bytes, metadata_bytes, data_bytes] =
            [take.u32()? as usize, take.u32()? as usize, take.u32()? as usize, take.u32()? as usize];
        let (write_ts, time) = (take.f64()?, take.f64()?);
        let text = self.payload.get(offset..offset.checked_add(entry_bytes)?)?;
        let metadata_end = METADATA_OFFSET.checked_add(metadata_bytes)?;
        let metadata = text.get(METADATA_OFFSET..metadata_end)?;
        let data_start = metadata_end + DATA_PREFIX.len();
        let data = text.get(data_start..data_start.checked_add(data_bytes)?)?;
        Some(Entry { id, key, invalid: flags & FLAG_INVALID != 0, write_ts, time, metadata, data, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry<'a>(id: u8, key: &'a str, data: &'a str) -> Entry<'a> {
        let metadata = r#"{"write_ts":2.5}"#;
        Entry {
            id: EntryId([id; 12]),
            key,
            invalid: false,
            write_ts: 2.5,
            time: 1.5,
            metadata,
            data,
            text: "",
        }
    }

    fn page_of(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut writer = PageWriter::new([0xab; 16], 1 << 20);
        for entry in entries {
            assert!(writer.push(entry, ""));
        }
        let size = writer.size();
        let page = writer.finish();
        assert_eq!(page.len(), size);
        page
    }

    #[test]
    fn entries_come_back_with_their_texts() {
        let bytes =
            page_of(&[entry(1, "a/b", r#"{"ts":1.5}"#), entry(2, "a/c", "{}"), entry(3, "a/b", "{}")]);
        let page = Page::read(&bytes).expect("sound");
        let back: Vec<_> = page.entries().map(|entry| (entry.id.0[0], entry.key, entry.data)).collect();
        assert_eq!(back, [(1, "a/b", r#"{"ts":1.5}"#), (2, "a/c", "{}"), (3, "a/b", "{}")]);
        let whole: serde_json::Value = serde_json::from_str(&format!("[{}]", page.payload())).expect("JSON");
        assert_eq!(whole[1]["_id"]["$oid"], "020202020202020202020202");
        assert_eq!(whole[1]["user_id"]["$uuid"], "abababababababababababababababab");
        assert_eq!(whole[0]["data"]["ts"], 1.5);
    }

    #[test]
    fn a_full_page_refuses_one_more_but_takes_one_large_entry_alone() {
        let large = format!("\"{}\"", "x".repeat(5_000));
        let mut writer = PageWriter::new([0; 16], 4_096);
        assert!(writer.push(&entry(1, "a/b", &large), ""));
        assert!(!writer.push(&entry(2, "a/b", "{}"), ""));
        assert_eq!(Page::read(&writer.finish()).expect("sound").len(), 1);
    }

    #[test]
    fn a_page_holds_what_fits_however_the_sizes_of_entries_change() {
        let large = format!("\"{}\"", "x".repeat(30_000));
        let sizes = [&large, "{}", "{}"].into_iter().chain(std::iter::repeat_n("{}", 2_000));
        let (mut writer, mut pushed) = (PageWriter::new([0; 16], 64 << 10), Vec::new());
        for (index, data) in sizes.enumerate() {
            let key = format!("a/{}", index % 40);
            if !writer.push(&entry(1, &key, data), "") {
                break;
            }
            pushed.push((key, data));
        }
        let bytes = writer.finish();
        // An entry of this kind takes 190 bytes: less than one of them is left over, and space for some records.
        assert!(bytes.len() <= 64 << 10 && pushed.len() > 150, "{} bytes, {}", bytes.len(), pushed.len());
        let page = Page::read(&bytes).expect("sound");
        let back: Vec<_> = page.entries().map(|entry| (entry.key.to_owned(), entry.data)).collect();
        assert_eq!(back, pushed);
        assert_eq!(as_a_whole(&bytes), Ok((pushed.len(), page.payload().as_bytes())));
    }

    #[test]
    fn further_members_come_after_the_data() {
        let mut writer = PageWriter::new([0; 16], 4_096);
        writer.push(&Entry { invalid: true, ..entry(1, "a/b", "{}") }, r#""error":{"reason":"x"}"#);
        let bytes = writer.finish();
        let page = Page::read(&bytes).expect("sound");
        let first = page.entries().next().expect("one entry");
        assert!(first.invalid);
        assert!(
            first.text.ends_with(r#""data":{},"invalid":true,"error":{"reason":"x"}}"#),
            "{}",
            first.text
        );
    }

    #[test]
    fn a_page_that_is_truncated_anywhere_is_refused() {
        let bytes = page_of(&[entry(1, "a/b", "{}"), entry(2, "a/c", "{}")]);
        for end in 0..bytes.len() {
            assert!(Page::read(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_makes_the_reader_panic(at in 0_usize..300, to: u8) {
            let mut bytes = page_of(&[entry(1, "a/b", "{}"), entry(2, "a/c", "{}")]);
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(page) = Page::read(&bytes) {
                page.entries().for_each(drop);
            }
        }
    }
}
