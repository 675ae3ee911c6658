//! An XML file that is being written, element by element.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// The open elements are those that were opened and not closed; the caller closes them in their order.
pub struct Elements<W: Write> {
    xml: Writer<W>,
}

impl<W: Write> Elements<W> {
    /// Begins the file with its first element.
    pub fn begin(out: W, root: BytesStart<'_>) -> io::Result<Self> {
        let mut xml = Writer::new_with_indent(out, b' ', 1);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.write_event(Event::Start(root))?;
        Ok(Self { xml })
    }

    /// Begins an element with attributes.
    pub fn start(&mut self, element: BytesStart<'_>) -> io::Result<()> {
        self.xml.write_event(Event::Start(element))
    }

    pub fn open(&mut self, name: &str) -> io::Result<()> {
        self.start(BytesStart::new(name))
    }

    pub fn close(&mut self, name: &str) -> io::Result<()> {
        self.xml.write_event(Event::End(BytesEnd::new(name)))
    }

    /// An element that has nothing but a text.
    pub fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.open(name)?;
        self.xml.write_event(Event::Text(BytesText::new(&printable(text))))?;
        self.close(name)
    }

    /// Closes the first element and ends the file.
    pub fn end(mut self, root: &str) -> io::Result<()> {
        self.close(root)?;
        let mut out = self.xml.into_inner();
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// The text without what XML cannot represent.
fn printable(text: &str) -> String {
    let spaced = text.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter });
    spaced.filter(|letter| !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}')).collect()
}
