//! `cellar receiver`: trackers from the shops.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::pair::{Png, picture};
use super::{Options, Who, administer, carry_out, moment_of_ms, show};
use runtime_host::admin::{
    AddReceiver, ListReceivers, ReceiverAdded, ReceiverSummary, RevokeReceiver, TrackerApp,
};
use runtime_program::typed::quoted;
use runtime_program::{Failure, console};

/// The commands about receivers.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Show an address and a code with which an app from the shops reports to a person's diary, and to nothing else
    #[command(
        after_help = "Example:\n  cellar receiver add Ada --app owntracks\n  cellar receiver add Ada --app traccar --name 'old phone' --time-zone Europe/Berlin\n  cellar receiver add Ada --app overland --base https://trackers.example\n  cellar receiver add Ada --app gpslogger --settings gpslogger.properties"
    )]
    Add {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The app
        #[arg(long, value_enum)]
        app: App,
        /// A name for the device; without it the app's
        #[arg(long)]
        name: Option<String>,
        /// The time zone in which the diary tells what the device sends; without it whole hours by the longitude
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
        /// Where the app reaches the host, for a proxy in front of it; without it the host's own address
        #[arg(long, value_name = "URL")]
        base: Option<String>,
        /// A file that does not exist yet, for the settings that the app takes as a file: GPSLogger's .properties
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
        /// Write the code to scan into this PNG file too
        #[arg(long, value_name = "FILE")]
        png: Option<PathBuf>,
    },
    /// List a person's receivers, revoked ones included
    #[command(after_help = "Example:\n  cellar receiver list Ada")]
    List(Who),
    /// Revoke a receiver, at once and for ever: its address leads nowhere
    #[command(after_help = "Example:\n  cellar receiver revoke Ada 'old phone'")]
    Revoke {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// Its id, the first digits of the id, or its name
        receiver: String,
    },
}

/// An app from the shops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum App {
    /// OwnTracks, for Android and iOS
    Owntracks,
    /// Overland, for iOS
    Overland,
    /// Traccar Client, for Android and iOS; also OsmAnd
    Traccar,
    /// GPSLogger, for Android
    Gpslogger,
}

impl From<App> for TrackerApp {
    fn from(app: App) -> Self {
        match app {
            App::Owntracks => Self::OwnTracks,
            App::Overland => Self::Overland,
            App::Traccar => Self::Traccar,
            App::Gpslogger => Self::GpsLogger,
        }
    }
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(verb: Verb, options: &Options) -> Result<(), Failure> {
    match verb {
        Verb::Add { who, app, name, time_zone, base, settings, png } => {
            // Before anything is made: the address is shown only once.
            let settings = settings.map(|path| Settings::create(app, path)).transpose()?;
            let png = png.as_deref().map(Png::create).transpose()?;
            let ask = AddReceiver { person: who.name(), app: app.into(), name, time_zone, base };
            let added = administer(options, ask)?;
            png.map_or(Ok(()), |png| png.write(&added.link))?;
            settings.map_or(Ok(()), |file| file.write(added.settings.as_deref().unwrap_or_default()))?;
            if !options.json {
                console::line(picture(&added.link)?)?;
            }
            show(options, &added, tell_added)
        }
        Verb::List(who) => {
            let person = who.name();
            carry_out(options, ListReceivers { person: person.clone() }, |all| tell_list(all, &person))
        }
        Verb::Revoke { who, receiver } => {
            carry_out(options, RevokeReceiver { person: who.name(), receiver }, |revoked| {
                format!("{} is shut out. What it has brought stays.", revoked.receiver)
            })
        }
    }
}

/// A new file for settings, which only its owner may read. It is removed if nothing is written to it.
struct Settings {
    path: PathBuf,
    file: File,
    written: bool,
}

impl Settings {
    fn create(app: App, path: PathBuf) -> Result<Self, Failure> {
        if app != App::Gpslogger {
            return Err(Failure::new("only GPSLogger takes a file of settings", "leave out --settings"));
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| Failure::of_file(&path, &error))?;
        Ok(Self { path, file, written: false })
    }

    fn write(mut self, text: &str) -> Result<(), Failure> {
        self.file.write_all(text.as_bytes()).map_err(|error| Failure::of_file(&self.path, &error))?;
        self.written = true;
        Ok(())
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        if !self.written {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn tell_added(added: &ReceiverAdded) -> String {
    let how = match added.app {
        TrackerApp::OwnTracks => {
            "Scan this with the phone's camera, or open the link on the phone: OwnTracks asks whether to take the settings."
        }
        TrackerApp::Overland => {
            "Scan this with the phone's camera, or open the link on the phone: Overland asks whether to take the settings."
        }
        TrackerApp::Traccar => "Scan this in Traccar Client, under Settings.",
        TrackerApp::GpsLogger => {
            "Scan this, copy the text, and put it into GPSLogger under Logging details, Log to custom URL, URL; or write a file with --settings."
        }
    };
    let mut told = format!(
        "{how}\n\n  {}\n\nWhoever has this can add to the diary and read nothing. It is shown only now; the id is {}.",
        added.link, added.receiver
    );
    if added.waits {
        told.push_str("\nOne of the person's phones has to sign for it first: until then it is refused.");
    }
    told.push_str(
        "\nThe host answers it where legacy.enabled is set: docs/phones.md says what each app needs.",
    );
    told
}

fn tell_list(all: &[ReceiverSummary], person: &str) -> String {
    let line = |receiver: &ReceiverSummary| {
        let seen = match (receiver.status.as_str(), receiver.last_seen_ms) {
            ("waiting", _) => "waiting for the first point".to_owned(),
            (_, Some(seen_ms)) => format!("last here {}", moment_of_ms(seen_ms)),
            (_, None) => "never here".to_owned(),
        };
        format!(
            "{}  {:20} {:9} {:8} since {}, {seen}",
            receiver.receiver,
            receiver.name,
            receiver.app,
            receiver.status,
            moment_of_ms(receiver.added_ms)
        )
    };
    match all {
        [] => {
            format!("no receivers: `cellar receiver add {} --app owntracks` adds one", quoted(person.trim()))
        }
        all => all.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use runtime_host::admin::{Ask, Context, PhoneAddress, tracker_link};
    use runtime_host::config::Config;

    use super::super::open_runtime;
    use super::*;

    /// Pixels of a side of each module, for a reader of codes.
    const MODULE_PIXELS: usize = 4;

    /// The text of a code that is drawn in characters, each of which is two modules, one above the other.
    fn scanned(picture: &str) -> Option<String> {
        let rows: Vec<Vec<(bool, bool)>> = picture
            .lines()
            .map(|line| {
                let modules = |character| match character {
                    '\u{2588}' => (true, true),
                    '\u{2580}' => (true, false),
                    '\u{2584}' => (false, true),
                    _ => (false, false),
                };
                line.chars().map(modules).collect()
            })
            .collect();
        let (width, height) = (rows.first()?.len() * MODULE_PIXELS, rows.len() * 2 * MODULE_PIXELS);
        let is_drawn = |x: usize, y: usize| {
            let (column, row) = (x / MODULE_PIXELS, y / MODULE_PIXELS);
            let (upper, lower) = rows[row / 2].get(column).copied().unwrap_or_default();
            if row % 2 == 0 { upper } else { lower }
        };
        // What is drawn is a dark module.
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(
                width,
                height,
                |x, y| {
                    if is_drawn(x, y) { 0 } else { 255 }
                },
            );
        let grids = image.detect_grids();
        grids.first()?.decode().ok().map(|(_, text)| text)
    }

    /// The address of samples, which leads nowhere.
    const SAMPLE: &str = "https://host.example/r/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn docs() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
    }

    fn sample(app: TrackerApp) -> (PathBuf, String) {
        let path = docs().join(format!("pictures/tracker-{}.png", app.name()));
        (path, tracker_link(app, SAMPLE, "my phone"))
    }

    /// The text of the code in a picture.
    fn scanned_from(path: &Path) -> String {
        let file = std::io::BufReader::new(File::open(path).expect("a picture"));
        let mut decoder = png::Decoder::new(file);
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        let (width, height) = (info.width as usize, info.height as usize);
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
        image.detect_grids().first().expect("a code").decode().expect("it reads").1
    }

    #[test]
    fn the_samples_of_the_page_about_phones_are_what_the_command_shows() {
        let page = fs::read_to_string(docs().join("phones.md")).expect("the page");
        for app in TrackerApp::ALL {
            let (path, link) = sample(app);
            assert_eq!(scanned_from(&path), link, "run the ignored test that writes the pictures");
            let text = format!("    {link}\n");
            assert!(page.contains(&text), "docs/phones.md lacks {link}");
            assert!(page.contains(&format!("(pictures/tracker-{}.png)", app.name())), "{app:?}");
        }
    }

    #[test]
    #[ignore = "writes docs/pictures"]
    fn the_pictures_of_samples_are_written() {
        for app in TrackerApp::ALL {
            let (path, link) = sample(app);
            Png::create(&path).expect("a file").write(&link).expect("written");
        }
    }

    #[test]
    fn settings_are_written_into_a_new_file_of_their_owner_or_leave_none() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gpslogger.properties");
        assert!(Settings::create(App::Overland, path.clone()).is_err() && !path.exists());
        drop(Settings::create(App::Gpslogger, path.clone()).expect("a file"));
        assert!(!path.exists(), "nothing was written to it");
        Settings::create(App::Gpslogger, path.clone()).expect("a file").write("a=b\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "a=b\n");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(Settings::create(App::Gpslogger, path.clone()).is_err() && path.exists());
    }

    #[test]
    fn the_code_that_is_shown_for_each_app_reads_back_to_the_exact_setting() {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = open_runtime(&Config::default(), folder.path()).expect("a runtime");
        runtime.people().add("Ada", 0.0).expect("added");
        let pin = "0".repeat(64).parse().expect("64 digits");
        let phone_address = PhoneAddress { address: "host.example:8443".to_owned(), pin };
        for app in TrackerApp::ALL {
            let ask = AddReceiver {
                person: "Ada".to_owned(),
                app,
                name: Some("my phone".to_owned()),
                time_zone: Some("Europe/Berlin".to_owned()),
                base: None,
            };
            let added = ask.answer(&Context { runtime: &runtime, phone_address: &phone_address });
            let added = added.expect("added");
            let read = scanned(&picture(&added.link).expect("drawn")).expect("a code");
            assert_eq!(read, added.link, "{app:?}");
            let secret = added.address.strip_prefix("https://host.example:8443/r/").expect("its own address");
            let receiving = runtime.owners().receiver(secret).expect("it leads somewhere");
            assert_eq!(
                (&*receiving.app, receiving.time_zone.as_deref()),
                (app.name(), Some("Europe/Berlin"))
            );
            assert_eq!(receiving.stamp().to_string(), added.receiver);
            let told = tell_added(&added);
            assert!(told.contains(&added.link) && told.contains("read nothing"), "{told}");
        }
        runtime.shutdown();
    }
}
