//! What the manifest of a package must keep. Its cell comes from somebody whom the host does not know, so it may not
//! take names of ours, and says in an owner's words what it is.

use runtime_types::{StreamKey, is_visible};

use crate::{CellToml, StreamsToml, World};

/// Longest title, characters.
pub const TITLE_CHARS_MAX: usize = 80;
/// Longest purpose, characters.
pub const PURPOSE_CHARS_MAX: usize = 400;
/// Longest reason for reading some streams, characters.
pub const WHY_CHARS_MAX: usize = 200;
/// Longest name of a publisher, characters.
pub const PUBLISHER_CHARS_MAX: usize = 80;
/// Longest contact of a publisher, characters.
pub const CONTACT_CHARS_MAX: usize = 200;
/// Shortest and longest name of a cell in a package, bytes.
const NAME_BYTES: std::ops::RangeInclusive<usize> = 3..=40;
/// Longest name of a stage, bytes.
const STAGE_BYTES_MAX: usize = 64;
/// The one area that a package's cell reaches.
const AREA: &str = "timeseries";
/// Families of streams begin with this where they belong to cells of packages.
const FAMILY: &str = "study.";
/// Interfaces that only built-in cells have: they reach what phones have just put, and documents of other cells.
const OURS: [&str; 2] = ["usercache", "documents"];

/// What a manifest says that a package's must not say, or leaves out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotForPackage {
    /// The name is not of the form.
    #[error("the name of a package's cell has 3 to 40 of a-z, 0-9 and '-', and begins with a letter")]
    Name,
    /// The version is 0.
    #[error("the version is 0; the first is 1")]
    Version,
    /// A text that an owner must be able to read is missing.
    #[error("`{member}` is missing; an owner decides by it")]
    Missing {
        /// The member.
        member: &'static str,
    },
    /// A text is empty, too long, or shows something other than it is.
    #[error("`{member}` has 1 to {chars_max} characters, none of them a control or invisible character")]
    Text {
        /// The member.
        member: &'static str,
        /// The limit.
        chars_max: usize,
    },
    /// A member that only built-in cells have.
    #[error("`{member}` is for built-in cells; {remedy}")]
    BuiltIn {
        /// The member.
        member: &'static str,
        /// What a package has in its place.
        remedy: &'static str,
    },
    /// An interface that only built-in cells have.
    #[error("the interface {name} is for built-in cells; a package's cell reads and writes the timeseries")]
    Interface {
        /// The interface.
        name: String,
    },
    /// A member that a cell of this world does not have.
    #[error("`{member}` is for a cell of another world")]
    World {
        /// The member.
        member: &'static str,
    },
    /// Both `after` and `replaces`, or a stage without either.
    #[error("a stage in a package names one stage of the host, with `after` or with `replaces`")]
    Place,
    /// A name that no stage has.
    #[error("`{member}` names a stage with 1 to 64 of A-Z, a-z, 0-9, '_' and '-'")]
    Stage {
        /// The member.
        member: &'static str,
    },
    /// Streams in an area that a package's cell does not reach.
    #[error("`{member}` names the area {area}; a package's cell reaches timeseries only")]
    Area {
        /// `reads`, `needs` or `writes`.
        member: &'static str,
        /// The area.
        area: String,
    },
    /// A text that is no stream and no pattern of streams.
    #[error("`{member}` names {key}, which is no stream: family/name, where a whole part may be '*'")]
    Key {
        /// `reads`, `needs` or `writes`.
        member: &'static str,
        /// The text.
        key: String,
    },
    /// A stream that belongs to others.
    #[error("`{member}` names {key}; the streams of this cell are {family}/...")]
    Foreign {
        /// `writes` or `types`.
        member: &'static str,
        /// The key.
        key: String,
        /// The family of the cell's own streams.
        family: String,
    },
}

impl CellToml {
    /// The family of the streams that belong to this cell if it comes in a package, such as `study.modes`.
    pub fn family(&self) -> String {
        format!("{FAMILY}{}", self.name)
    }

    /// Checks what only a package's manifest must keep; a manifest that passes may still be refused by the runtime.
    ///
    /// # Errors
    /// [`NotForPackage`]: the first thing that is wrong.
    pub fn for_package(&self) -> Result<(), NotForPackage> {
        if !is_package_name(&self.name) {
            return Err(NotForPackage::Name);
        }
        if self.version == 0 {
            return Err(NotForPackage::Version);
        }
        self.check_texts()?;
        self.check_members()?;
        self.check_place()?;
        self.check_streams()
    }

    fn check_texts(&self) -> Result<(), NotForPackage> {
        let missing = |member| NotForPackage::Missing { member };
        text("title", self.title.as_deref().ok_or(missing("title"))?, TITLE_CHARS_MAX)?;
        text("purpose", self.purpose.as_deref().ok_or(missing("purpose"))?, PURPOSE_CHARS_MAX)?;
        if let Some(publisher) = &self.publisher {
            text("publisher.name", &publisher.name, PUBLISHER_CHARS_MAX)?;
            publisher
                .contact
                .as_deref()
                .map_or(Ok(()), |contact| text("publisher.contact", contact, CONTACT_CHARS_MAX))?;
        }
        let reasons = self.reads.iter().filter_map(|streams| streams.why.as_deref());
        reasons.into_iter().try_for_each(|why| text("why", why, WHY_CHARS_MAX))?;
        if !self.description.is_empty() {
            text("description", &self.description, PURPOSE_CHARS_MAX)?;
        }
        Ok(())
    }

    fn check_members(&self) -> Result<(), NotForPackage> {
        let ours = |member, remedy| Err(NotForPackage::BuiltIn { member, remedy });
        if self.test {
            return ours("test", "remove it");
        }
        if !self.paths.is_empty() {
            return ours("paths", "an endpoint of a package is reached at x/<name>/...");
        }
        if self.pipeline_stage.is_some() {
            return ours("pipeline-stage", "name a stage of the host with `after` or `replaces`");
        }
        if !self.documents.read.is_empty() || !self.documents.write.is_empty() {
            return ours("documents", "a package's cell keeps its state and reads streams");
        }
        match self.interfaces.iter().find(|name| OURS.contains(&name.as_str())) {
            Some(name) => Err(NotForPackage::Interface { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Where a stage stands, and what only stages have.
    fn check_place(&self) -> Result<(), NotForPackage> {
        let places = [("after", &self.after), ("replaces", &self.replaces)];
        let mut named = places.into_iter().filter_map(|(member, stage)| Some((member, stage.as_deref()?)));
        match (self.world, named.next(), named.next()) {
            (World::Stage, Some((member, stage)), None) if !is_stage(stage) => {
                return Err(NotForPackage::Stage { member });
            }
            (World::Stage, Some(_), None) => return Ok(()),
            (World::Stage, _, _) => return Err(NotForPackage::Place),
            (_, Some((member, _)), _) => return Err(NotForPackage::World { member }),
            (_, None, _) => {}
        }
        let none_but_stages = |member, is_empty: bool| match is_empty {
            true => Ok(()),
            false => Err(NotForPackage::World { member }),
        };
        none_but_stages("needs", self.needs.is_empty())?;
        if self.world == World::Contribution {
            none_but_stages("writes", self.writes.is_empty())?;
            none_but_stages("types", self.types.is_empty())?;
        }
        Ok(())
    }

    fn check_streams(&self) -> Result<(), NotForPackage> {
        for (member, all) in [("reads", &self.reads), ("needs", &self.needs), ("writes", &self.writes)] {
            all.iter().try_for_each(|streams| of_the_area(member, streams))?;
        }
        let family = self.family();
        let foreign = |member, key: &String| {
            Err(NotForPackage::Foreign { member, key: key.clone(), family: family.clone() })
        };
        for key in self.writes.iter().flat_map(|streams| &streams.keys) {
            let named = key.split_once('/').map_or("", |(family, _)| family);
            // The streams of the stage in whose place it runs; whether it is one of those is the runtime's to say.
            let replaced = self.replaces.is_some() && named != "*" && !named.starts_with(FAMILY);
            if named != family && !replaced {
                return foreign("writes", key);
            }
        }
        for key in self.types.keys() {
            if StreamKey::parse(key).map(|key| key.family() != family).unwrap_or(true) {
                return foreign("types", key);
            }
        }
        Ok(())
    }
}

fn text(member: &'static str, text: &str, chars_max: usize) -> Result<(), NotForPackage> {
    let sound = text.chars().count() <= chars_max && !text.trim().is_empty() && is_visible(text);
    if sound { Ok(()) } else { Err(NotForPackage::Text { member, chars_max }) }
}

/// Whether a package's cell may be called that: 3 to 40 of a-z, 0-9 and '-', of which the first is a letter.
pub fn is_package_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    NAME_BYTES.contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(plain)
}

fn is_stage(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=STAGE_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain)
}

fn of_the_area(member: &'static str, streams: &StreamsToml) -> Result<(), NotForPackage> {
    if streams.area != AREA {
        return Err(NotForPackage::Area { member, area: streams.area.chars().take(64).collect() });
    }
    match streams.keys.iter().find(|key| !is_pattern(key)) {
        Some(key) => Err(NotForPackage::Key { member, key: key.chars().take(140).collect() }),
        None => Ok(()),
    }
}

/// Whether a text is a stream's key, where a whole part may be `*`.
fn is_pattern(text: &str) -> bool {
    let Some((family, name)) = text.split_once('/') else { return false };
    let part = |part| if part == "*" { "any" } else { part };
    StreamKey::parse(&format!("{}/{}", part(family), part(name))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGE: &str = r#"
        name = "modes"
        version = 1
        world = "stage"
        title = "Modes by month"
        purpose = "Tells how far you went by bicycle, bus and car."
        after = "MODE_INFERENCE"
        interfaces = ["timeseries-read", "timeseries-write"]
        [publisher]
        name = "Institute"
        contact = "modes@institute.example"
        [[reads]]
        area = "timeseries"
        keys = ["analysis/inferred_section"]
        why = "They have the mode."
        [[writes]]
        area = "timeseries"
        keys = ["study.modes/share"]
        [types."study.modes/share"]
        schema = "schemas/share.json"
    "#;

    fn judged(text: &str) -> Result<(), NotForPackage> {
        CellToml::parse(text).expect("it reads").for_package()
    }

    /// What [`STAGE`] is refused for once `from` in it is `to`.
    fn refused(from: &str, to: &str) -> NotForPackage {
        assert!(STAGE.contains(from), "{from}");
        judged(&STAGE.replacen(from, to, 1)).expect_err(to)
    }

    #[test]
    fn a_manifest_that_says_what_an_owner_needs_is_for_a_package() {
        assert_eq!(judged(STAGE), Ok(()));
        let endpoint = STAGE.replace("\"stage\"", "\"endpoint\"").replace("after = \"MODE_INFERENCE\"", "");
        assert_eq!(judged(&endpoint), Ok(()));
        let (head, _) = endpoint.split_once("[[writes]]").expect("it writes");
        assert_eq!(judged(&head.replace("\"endpoint\"", "\"contribution\"")), Ok(()));
    }

    #[test]
    fn title_and_purpose_are_there_and_show_what_they_are() {
        assert_eq!(refused("title =", "# title ="), NotForPackage::Missing { member: "title" });
        assert_eq!(refused("purpose =", "# purpose ="), NotForPackage::Missing { member: "purpose" });
        let long = "x".repeat(PURPOSE_CHARS_MAX + 1);
        for (from, to, member) in [
            ("Modes by month", " ", "title"),
            ("Modes by month", "Modes\\u202Eby month", "title"),
            ("Modes by month", "Modes\\nby month", "title"),
            ("Tells how far", long.as_str(), "purpose"),
            ("Institute", "Insti\\u200btute", "publisher.name"),
            ("modes@", "modes\\u00ad@", "publisher.contact"),
            ("They have", "\\u0000", "why"),
        ] {
            assert!(
                matches!(refused(from, to), NotForPackage::Text { member: named, .. } if named == member)
            );
        }
        assert_eq!(judged(&STAGE.replacen("Modes by month", &"é".repeat(TITLE_CHARS_MAX), 1)), Ok(()));
    }

    #[test]
    fn a_name_is_short_and_plain() {
        for name in ["mo", "Modes", "modes.x", "modes_x", "-modes", "7modes", "módes", &"m".repeat(41)] {
            assert_eq!(refused("\"modes\"", &format!("{name:?}")), NotForPackage::Name, "{name}");
        }
        assert_eq!(refused("version = 1", "version = 0"), NotForPackage::Version);
    }

    #[test]
    fn attack_117_a_package_writes_and_describes_only_streams_of_its_own_name() {
        for key in
            ["analysis/inferred_section", "study/share", "study.other/share", "study.modesx/a", "*/*", "*/x"]
        {
            let why = refused("[\"study.modes/share\"]", &format!("[\"study.modes/share\", \"{key}\"]"));
            assert!(matches!(why, NotForPackage::Foreign { member: "writes", .. }), "{key}: {why}");
            let why = refused("[types.\"study.modes/share\"]", &format!("[types.\"{key}\"]"));
            assert!(matches!(why, NotForPackage::Foreign { member: "types", .. }), "{key}: {why}");
        }
        // In the place of a stage of the host it may write that stage's streams, but describe none, and never those of
        // another package.
        let replacing = STAGE.replace("after =", "replaces =");
        let writes =
            |key: &str| judged(&replacing.replace("[\"study.modes/share\"]", &format!("[\"{key}\"]")));
        assert_eq!(writes("analysis/inferred_section"), Ok(()));
        for key in ["study.other/share", "*/inferred_section"] {
            assert!(matches!(writes(key), Err(NotForPackage::Foreign { .. })), "{key}");
        }
        let types =
            replacing.replace("[types.\"study.modes/share\"]", "[types.\"analysis/inferred_section\"]");
        assert!(matches!(judged(&types), Err(NotForPackage::Foreign { member: "types", .. })));
    }

    #[test]
    fn what_only_built_in_cells_have_is_refused() {
        for (from, to, member) in [
            ("version = 1", "version = 1\ntest = true", "test"),
            ("version = 1", "version = 1\npipeline-stage = \"X\"", "pipeline-stage"),
            ("[publisher]", "[documents]\nread = [\"profile\"]\n[publisher]", "documents"),
            ("[[reads]]", "[[paths]]\npath = \"a/b\"\nscope = \"datastreams:read\"\n[[reads]]", "paths"),
        ] {
            assert!(
                matches!(refused(from, to), NotForPackage::BuiltIn { member: named, .. } if named == member)
            );
        }
        for name in ["usercache", "documents"] {
            let why = refused("\"timeseries-read\"", &format!("{name:?}"));
            assert_eq!(why, NotForPackage::Interface { name: name.to_owned() });
        }
    }

    #[test]
    fn streams_are_those_of_the_timeseries_and_are_streams() {
        for area in ["usercache", "errors", "audit", "moon"] {
            let why = refused("\"timeseries\"", &format!("{area:?}"));
            assert!(matches!(why, NotForPackage::Area { member: "reads", .. }), "{area}: {why}");
        }
        for key in ["inferred_section", "analysis/", "a/b/c", "ana*/x", "analysis/ü"] {
            let why = refused("analysis/inferred_section", key);
            assert!(matches!(why, NotForPackage::Key { member: "reads", .. }), "{key}: {why}");
        }
        assert_eq!(judged(&STAGE.replace("analysis/inferred_section", "analysis/*")), Ok(()));
    }

    #[test]
    fn a_stage_stands_behind_one_stage_or_in_its_place_and_nothing_else_does() {
        assert_eq!(refused("after = \"MODE_INFERENCE\"", ""), NotForPackage::Place);
        assert_eq!(refused("after =", "replaces = \"X\"\nafter ="), NotForPackage::Place);
        assert_eq!(
            refused("\"MODE_INFERENCE\"", "\"MODE INFERENCE\""),
            NotForPackage::Stage { member: "after" }
        );
        assert_eq!(refused("\"stage\"", "\"endpoint\""), NotForPackage::World { member: "after" });
        let contribution = STAGE.replace("\"stage\"", "\"contribution\"").replace("after =", "# after =");
        assert_eq!(judged(&contribution), Err(NotForPackage::World { member: "writes" }));
    }
}
