//! Formats that are XML, as a stream of opening and closing elements with the text between.

mod gpx;
mod kml;
mod tcx;

use std::io::{self, BufRead, Read};

use cells_json::text::push_text;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::{Fix, Format, Item, RAW_BYTES_MAX, ReadError, Reading, Refused, Takes};

/// How much of a file one tag or one text may take, bytes.
const EVENT_BYTES_MAX: u64 = 16 << 20;
/// How deep elements may nest.
const DEPTH_MAX: usize = 64;
/// The longest text of an element of a point that is kept, bytes.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// Follows the elements of a format.
trait Follows {
    /// An element opens; its name has no prefix.
    fn open(&mut self, name: &str, attributes: &Attributes<'_>, sink: &mut Sink<'_>);
    /// An element closes; `text` is all text directly within it.
    fn close(&mut self, name: &str, text: &str, sink: &mut Sink<'_>);
}

/// The attributes of an element.
struct Attributes<'e>(&'e BytesStart<'e>);

impl Attributes<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let attribute =
            self.0.attributes().flatten().find(|attribute| attribute.key.local_name().into_inner() == name);
        Some(attribute?.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
    }

    fn number(&self, name: &str) -> Option<f64> {
        crate::number::plain(&self.get(name)?)
    }
}

/// Takes what a format's reader found.
struct Sink<'t> {
    at: u64,
    ended: bool,
    take: Takes<'t>,
}

impl Sink<'_> {
    fn item(&mut self, item: Item<'_>) {
        if !self.ended {
            self.ended = (self.take)(item).is_break();
        }
    }

    fn give(&mut self, reading: Reading, raw: &str) {
        self.item(Item::Reading { reading, raw });
    }

    /// Gives a fix after its check, or the refusal with what was read of it.
    fn fix(&mut self, fix: Fix, raw: &str) {
        match fix.checked() {
            Ok(fix) => self.give(Reading::Fix(fix), raw),
            Err(why) => self.refuse(why, raw),
        }
    }

    fn refuse(&mut self, why: &'static str, text: &str) {
        let refused = Refused::new(self.at, why, text);
        self.item(Item::Refused(refused));
    }
}

/// Reads a file of a format that is XML.
pub fn read(format: Format, source: &mut dyn BufRead, take: Takes<'_>) -> Result<(), ReadError> {
    match format {
        Format::Kml => follow(format, &mut kml::Kml::default(), source, take),
        Format::Tcx => follow(format, &mut tcx::Tcx::default(), source, take),
        _ => follow(format, &mut gpx::Gpx::default(), source, take),
    }
}

fn follow(
    format: Format,
    follows: &mut impl Follows,
    source: &mut dyn BufRead,
    take: Takes<'_>,
) -> Result<(), ReadError> {
    let mut reader = Reader::from_reader(Bounded { source, since: 0 });
    reader.config_mut().check_comments = false;
    let mut sink = Sink { at: 0, ended: false, take };
    let (mut buffer, mut texts, mut depth) = (Vec::new(), Texts::default(), 0_usize);
    loop {
        buffer.clear();
        buffer.shrink_to(EVENT_BYTES_KEPT);
        reader.get_mut().since = 0;
        let broken = |at: u64, why: String| ReadError::Broken { format, at, why };
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) => {
                return Err(io::Error::new(error.kind(), error.to_string()).into());
            }
            Err(error) => return Err(broken(reader.error_position(), error.to_string())),
        };
        sink.at = reader.buffer_position();
        match event {
            Event::Start(start) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(broken(sink.at, format!("elements nest more than {DEPTH_MAX} deep")));
                }
                texts.clear();
                follows.open(start.local_name().into_inner(), &Attributes(&start), &mut sink);
            }
            Event::Empty(start) => {
                texts.clear();
                follows.open(start.local_name().into_inner(), &Attributes(&start), &mut sink);
                follows.close(start.local_name().into_inner(), "", &mut sink);
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                follows.close(end.local_name().into_inner(), texts.0.trim(), &mut sink);
                texts.clear();
            }
            Event::Text(text) => texts.push(&text),
            Event::CData(text) => texts.push(&text),
            Event::GeneralRef(name) => texts.push(&reference(&name)),
            Event::Eof if depth > 0 => {
                return Err(broken(sink.at, "it ends before its last element".to_owned()));
            }
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        if sink.ended {
            return Ok(());
        }
    }
}

/// How much of the buffer for one tag is kept for the next, bytes.
const EVENT_BYTES_KEPT: usize = 64 << 10;

/// The text of the element that is open.
#[derive(Default)]
struct Texts(String);

impl Texts {
    fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(EVENT_BYTES_KEPT);
    }

    fn push(&mut self, text: &str) {
        if (self.0.len() + text.len()) as u64 <= EVENT_BYTES_MAX {
            self.0.push_str(text);
        }
    }
}

/// The letter of a reference such as `amp` or `#38`; a file's own entities are not resolved.
fn reference(name: &quick_xml::events::BytesRef<'_>) -> String {
    match name.resolve_char_ref() {
        Ok(Some(letter)) => letter.to_string(),
        _ => match &**name {
            "amp" => "&".to_owned(),
            "lt" => "<".to_owned(),
            "gt" => ">".to_owned(),
            "quot" => "\"".to_owned(),
            "apos" => "'".to_owned(),
            _ => String::new(),
        },
    }
}

/// A source in which no single tag or text may be endless.
struct Bounded<'s> {
    source: &'s mut dyn BufRead,
    since: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.since += read as u64;
        Ok(read)
    }
}

impl BufRead for Bounded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.since > EVENT_BYTES_MAX {
            let why = format!("one tag or text has more than {EVENT_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        self.source.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.since += bytes as u64;
        self.source.consume(bytes);
    }
}

/// What else a point's elements say, as a JSON object.
#[derive(Default)]
struct Others(String);

impl Others {
    fn add(&mut self, name: &str, text: &str) {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || self.0.len() + text.len() > RAW_BYTES_MAX / 2 {
            return;
        }
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_text(&mut self.0, name);
        self.0.push(':');
        push_text(&mut self.0, text);
    }

    /// The object, and nothing is left; empty where nothing was added.
    fn take(&mut self) -> String {
        if !self.0.is_empty() {
            self.0.push('}');
        }
        std::mem::take(&mut self.0)
    }
}
