//! The files of the page, as its build made them.

/// One file.
pub(crate) struct Asset {
    /// Its path below `/`, such as `assets/page-1a2b3c.js`.
    pub(crate) name: &'static str,
    /// As it is.
    pub(crate) plain: &'static [u8],
    /// Compressed with gzip, if that is smaller.
    pub(crate) packed: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/built.rs"));

/// The page itself.
const INDEX: &str = "index.html";

/// What is served where the page was not built.
static PLAIN: Asset = Asset { name: INDEX, plain: include_bytes!("not-built.html"), packed: None };

/// Whether the page is part of this program.
pub fn is_built() -> bool {
    BUILT.iter().any(|asset| asset.name == INDEX)
}

/// The file of a path. Names are compared as they are: a path with `..` or an escape is the name of no file.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    let name = match path.strip_prefix('/')? {
        "" => INDEX,
        name => name,
    };
    let built = BUILT.iter().find(|asset| asset.name == name);
    built.or_else(|| (name == INDEX && !is_built()).then_some(&PLAIN))
}

impl Asset {
    /// Whether the content never changes under this name: the build puts a digest of it there.
    pub(crate) fn is_immutable(&self) -> bool {
        self.name.starts_with("assets/")
    }

    /// Whether it is the page itself.
    pub(crate) fn is_page(&self) -> bool {
        self.name == INDEX
    }

    /// The media type.
    pub(crate) fn media_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("json") => "application/json",
            Some("txt") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_whether_it_was_built_or_not_and_no_path_leads_elsewhere() {
        assert!(find("/").is_some());
        assert_eq!(find("/").map(|asset| asset.name), find("/index.html").map(|asset| asset.name));
        for path in
            ["", "/..", "/assets/..", "/../Cargo.toml", "/assets/%2e%2e/index.html", "//", "/INDEX.HTML"]
        {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
