//! What the members of a stream's data are, from the marks in its schema.
//!
//! A schema says of a member by `"x-cellar"` what it tells: a place, a time, an id, or nothing of these. Under a coarse
//! grant only marked members are shown; whatever a schema does not mark, or does not name, is left out. So a member
//! that nobody thought of gives nothing away.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The keyword of a mark in a schema.
pub const MARK: &str = "x-cellar";

/// What a member tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// Neither where nor when: shown as it is, if it is of the type that the schema says.
    Plain,
    /// Degrees of latitude; `longitude` stands beside it.
    Latitude,
    /// Degrees of longitude; `latitude` stands beside it.
    Longitude,
    /// A geometry of GeoJSON.
    Point,
    /// A length, m: rounded to the size of the grid's cells.
    Length,
    /// Where, in a form that cannot be made coarser, such as a speed: left out if places are coarse.
    Place,
    /// A moment, s.
    Time,
    /// The parts of a local time.
    LocalParts,
    /// A local time as a text.
    LocalText,
    /// A span, s: rounded down to whole grains.
    Duration,
    /// When, in a form that cannot be made coarser, such as a number in an order: left out if times are coarse.
    Moment,
    /// Both of the last: left out under every coarse grant.
    Detail,
    /// The id of an entry.
    Id,
    /// The name of a device: left out for every cell from elsewhere.
    Device,
}

impl Mark {
    /// Every mark with its word in schemas.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Plain, "plain"),
        (Self::Latitude, "latitude"),
        (Self::Longitude, "longitude"),
        (Self::Point, "point"),
        (Self::Length, "length"),
        (Self::Place, "place"),
        (Self::Time, "time"),
        (Self::LocalParts, "local-parts"),
        (Self::LocalText, "local-text"),
        (Self::Duration, "duration"),
        (Self::Moment, "moment"),
        (Self::Detail, "detail"),
        (Self::Id, "id"),
        (Self::Device, "device"),
    ];

    /// The mark of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == word).map(|(mark, _)| mark)
    }

    /// Whether it is about each number and text below it.
    fn is_inherited(self) -> bool {
        matches!(self, Self::Plain | Self::Length | Self::Duration | Self::Time)
    }
}

/// Why a schema cannot be used for a coarse grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadShape {
    /// A mark that is not known.
    #[error("the schema marks a member with a word that is not known")]
    Word,
    /// A reference that leads nowhere.
    #[error("the schema refers to a definition that it does not have")]
    Reference,
    /// An object with several latitudes or longitudes, or one without the other.
    #[error("the schema has an object that does not have one latitude and one longitude")]
    Coordinates,
}

/// The members of a stream's data, compiled from its schema.
#[derive(Debug, Clone)]
pub struct Shape {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: usize,
    /// Members that name a device, however deep they stand.
    pub(crate) devices: Vec<String>,
}

/// One value of the data.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// Nothing is known about it.
    Unknown,
    /// One of these values.
    One(Vec<Value>),
    /// A number, text or flag.
    Leaf {
        mark: Option<Mark>,
        kinds: Kinds,
    },
    /// A value that the mark is about as a whole.
    Whole(Mark),
    /// Left out if what the mark names is coarse; otherwise as the other node.
    Gate(Mark, usize),
    List(usize),
    Object(Object),
}

/// An object, by the names of its members.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub members: HashMap<String, usize>,
    /// What members without a name here are; `None`: left out.
    pub others: Option<usize>,
    /// The names of its latitude and its longitude.
    pub at: Option<[String; 2]>,
}

/// Types that a leaf may have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kinds {
    pub number: bool,
    pub text: bool,
}

impl Shape {
    /// Compiles a schema.
    ///
    /// # Errors
    /// It has a mark that is not known, or marks coordinates that do not stand in pairs.
    pub fn of(schema: &Value) -> Result<Self, BadShape> {
        let definitions = schema.get("$defs").and_then(Value::as_object);
        let mut compiler =
            Compiler { definitions, nodes: Vec::new(), known: HashMap::new(), devices: Vec::new() };
        let root = compiler.place(schema, None)?;
        Ok(Self { nodes: compiler.nodes, root, devices: compiler.devices })
    }

    /// Whether the outermost object has coordinates, an accuracy and a filter that are marked as columns of locations
    /// show them.
    pub(crate) fn has_columns(&self) -> bool {
        let Node::Object(Object { members, at: Some([latitude, longitude]), .. }) = &self.nodes[self.root]
        else {
            return false;
        };
        let plain = |name: &str| {
            let node = members.get(name).map(|place| &self.nodes[*place]);
            matches!(node, Some(Node::Leaf { mark: Some(Mark::Plain), .. }))
        };
        latitude == "latitude" && longitude == "longitude" && plain("accuracy") && plain("filter")
    }
}

struct Compiler<'s> {
    definitions: Option<&'s Map<String, Value>>,
    nodes: Vec<Node>,
    /// Definitions by name and the mark that is inherited.
    known: HashMap<(&'s str, Option<Mark>), usize>,
    devices: Vec<String>,
}

impl<'s> Compiler<'s> {
    fn place(&mut self, schema: &'s Value, inherited: Option<Mark>) -> Result<usize, BadShape> {
        match mark_of(schema)? {
            Some(mark @ (Mark::Place | Mark::Moment)) => {
                let inner = self.unmarked(schema, Some(Mark::Plain))?;
                Ok(self.push(Node::Gate(mark, inner)))
            }
            Some(mark) if !mark.is_inherited() => Ok(self.push(whole_or_leaf(mark))),
            own => self.unmarked(schema, own.or(inherited)),
        }
    }

    /// The same, whatever mark the schema has itself.
    fn unmarked(&mut self, schema: &'s Value, mark: Option<Mark>) -> Result<usize, BadShape> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.definition(reference, mark);
        }
        let node = self.node(schema, mark)?;
        Ok(self.push(node))
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn definition(&mut self, reference: &'s str, mark: Option<Mark>) -> Result<usize, BadShape> {
        let name = reference.strip_prefix("#/$defs/").ok_or(BadShape::Reference)?;
        if let Some(known) = self.known.get(&(name, mark)) {
            return Ok(*known);
        }
        let schema = self.definitions.and_then(|all| all.get(name)).ok_or(BadShape::Reference)?;
        // Reserved before the nodes below it, because a definition may refer to itself.
        let place = self.push(Node::Unknown);
        self.known.insert((name, mark), place);
        let inner = match mark_of(schema)? {
            // What a member says is closer than what its definition says.
            Some(own) if own.is_inherited() => self.unmarked(schema, mark.or(Some(own)))?,
            _ => self.place(schema, mark)?,
        };
        self.nodes[place] = self.nodes[inner].clone();
        Ok(place)
    }

    fn node(&mut self, schema: &'s Value, mark: Option<Mark>) -> Result<Node, BadShape> {
        let Some(members) = schema.as_object() else { return Ok(leaf_of_anything(schema, mark)) };
        if let Some(only) = members.get("const") {
            return Ok(Node::One(vec![only.clone()]));
        }
        if let Some(Value::Array(values)) = members.get("enum") {
            return Ok(Node::One(values.clone()));
        }
        let kinds = match members.get("type") {
            Some(Value::String(kind)) => vec![kind.as_str()],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is = |kind: &str| kinds.contains(&kind);
        if is("object") || members.contains_key("properties") {
            return self.object(members, mark);
        }
        if is("array") {
            return match members.get("items") {
                Some(items) => Ok(Node::List(self.place(items, mark)?)),
                None => Ok(Node::Unknown),
            };
        }
        let untyped = kinds.is_empty();
        let text = is("string") || untyped && mark == Some(Mark::Plain);
        Ok(Node::Leaf { mark, kinds: Kinds { number: is("number") || is("integer"), text } })
    }

    fn object(&mut self, schema: &'s Map<String, Value>, mark: Option<Mark>) -> Result<Node, BadShape> {
        let mut members = HashMap::new();
        let (mut latitude, mut longitude) = (None, None);
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let twice = match mark_of(member)? {
                Some(Mark::Latitude) => latitude.replace(name.clone()),
                Some(Mark::Longitude) => longitude.replace(name.clone()),
                Some(Mark::Device) => {
                    self.devices.push(name.clone());
                    None
                }
                _ => None,
            };
            if twice.is_some() {
                return Err(BadShape::Coordinates);
            }
            members.insert(name.clone(), self.place(member, mark)?);
        }
        let at = match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => Some([latitude, longitude]),
            (None, None) => None,
            _ => return Err(BadShape::Coordinates),
        };
        let others = match schema.get("additionalProperties") {
            None | Some(Value::Bool(false)) => None,
            Some(others) => Some(self.place(others, mark)?),
        };
        Ok(Node::Object(Object { members, others, at }))
    }
}

/// The mark that a schema has itself.
fn mark_of(schema: &Value) -> Result<Option<Mark>, BadShape> {
    match schema.get(MARK) {
        None => Ok(None),
        Some(word) => word.as_str().and_then(Mark::parse).map(Some).ok_or(BadShape::Word),
    }
}

fn whole_or_leaf(mark: Mark) -> Node {
    match mark {
        Mark::Latitude | Mark::Longitude => {
            Node::Leaf { mark: Some(mark), kinds: Kinds { number: true, text: false } }
        }
        mark => Node::Whole(mark),
    }
}

/// The node of `true` or `false`.
fn leaf_of_anything(schema: &Value, mark: Option<Mark>) -> Node {
    match (schema, mark) {
        (Value::Bool(true), Some(Mark::Plain)) => {
            Node::Leaf { mark, kinds: Kinds { number: false, text: true } }
        }
        _ => Node::Unknown,
    }
}
