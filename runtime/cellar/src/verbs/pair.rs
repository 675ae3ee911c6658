//! `cellar pair`: shows a code, reports which phone came, and lets the owner decide.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handshake::keys::{Agree, Phrase};
use handshake::pairing::WindowState;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use ring::rand::SystemRandom;
use runtime_user::{ClaimSummary, PairingStatus};

use super::{Options, Who, administer, carry_out, show};
use runtime_host::admin::{AnswerPairing, CheckPairing, OpenPairing, PairingOpened, PersonStatus};
use runtime_host::admin::{ShowPairing, StoreState};
use runtime_program::typed::quoted;
use runtime_program::{Failure, console};

/// The example that `--help` shows.
pub const EXAMPLE: &str =
    "Example:\n  cellar pair owner\n  cellar pair Ada --png code.png --no-phrase\n  cellar pair Ada --cancel";

/// Interval between checks whether a phone has come.
const LOOK: Duration = Duration::from_millis(300);
/// Pixels of one module of a PNG.
const PNG_MODULE_PIXELS: u32 = 8;

/// The options of a pairing.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    who: Who,
    /// How long the code is valid, minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=15))]
    minutes: u64,
    /// Show no code to type, only the one to scan
    #[arg(long)]
    scan_only: bool,
    /// Write the code to scan into this PNG file too
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// The phone may list devices and lock the store
    #[arg(long)]
    admin: bool,
    /// Create no recovery phrase, even for the first phone
    #[arg(long)]
    no_phrase: bool,
    /// Create a recovery phrase now, in place of an existing one
    #[arg(long, conflicts_with = "no_phrase")]
    phrase: bool,
    /// Show the codes and exit; `cellar device approve` decides later
    #[arg(long)]
    detach: bool,
    /// End the pairing that is under way, whichever phone waits
    #[arg(long, conflicts_with_all = ["png", "admin", "detach", "scan_only"])]
    cancel: bool,
}

impl Args {
    fn lifetime_ms(&self) -> u64 {
        self.minutes * 60_000
    }
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy; also where a phone was not admitted.
pub fn run(args: &Args, options: &Options) -> Result<(), Failure> {
    let person = args.who.clone().name();
    if args.cancel {
        return carry_out(options, AnswerPairing { person, digits: None }, |_| {
            "the pairing is over, nobody was let in".to_owned()
        });
    }
    // Everything that can fail comes before a secret is created or shown.
    let (lifetime_ms, typed) = (Some(args.lifetime_ms()), !args.scan_only);
    administer(options, CheckPairing { person: person.clone(), lifetime_ms, typed })?;
    let png = args.png.as_deref().map(Png::create).transpose()?;
    let status = administer(options, PersonStatus { person: person.clone() })?;
    // The first phone brings the key; if the phone is lost, only a phrase opens the store.
    let wants_phrase = args.phrase || (!args.no_phrase && status.store == StoreState::Absent);
    let phrase = wants_phrase.then(|| Phrase::random(&SystemRandom::new())).transpose();
    let phrase = phrase.map_err(|error| Failure::of(&error, "try again"))?;
    if let Some(phrase) = &phrase {
        show_phrase(phrase, options.json)?;
    }
    let recovery = phrase.as_ref().map(|phrase| phrase.wrap_key().public());
    drop(phrase);
    let ask = OpenPairing { person: person.clone(), lifetime_ms, typed, admin: args.admin, recovery };
    let opened = administer(options, ask)?;
    png.map_or(Ok(()), |png| png.write(&opened.qr))?;
    if options.json {
        console::json(&opened)?;
    } else {
        console::line(shown(&opened, args.minutes)?)?;
    }
    if args.detach { Ok(()) } else { follow(&person, options) }
}

/// Shows the phrase; a person at a terminal types two of its words, as a check that it was written down.
fn show_phrase(phrase: &Phrase, as_json: bool) -> Result<(), Failure> {
    let words = phrase.reveal();
    if as_json {
        return console::line(serde_json::json!({ "recovery_phrase": words.as_str() }));
    }
    console::line(
        "Write these 24 words down, on paper. If every paired phone is lost, they alone open the data:\n",
    )?;
    let words: Vec<&str> = words.split(' ').collect();
    for (row, chunk) in words.chunks(6).enumerate() {
        let numbered = chunk.iter().enumerate().map(|(at, word)| format!("{:2} {word:9}", row * 6 + at + 1));
        console::line(format!("  {}", numbered.collect::<Vec<_>>().join(" ")))?;
    }
    console::line("")?;
    if !io::stdin().is_terminal() {
        return Ok(());
    }
    let places = Phrase::check_places(&SystemRandom::new());
    for place in places.map_err(|error| Failure::of(&error, "try again"))? {
        while !phrase.word_is(place, &ask(&format!("Word {}: ", place + 1))?) {
            console::line("That is another word. Look at what you wrote down.")?;
        }
    }
    Ok(())
}

/// Asks a question and returns the line that the person types.
fn ask(question: &str) -> Result<String, Failure> {
    let no_terminal = |error: io::Error| Failure::of(&error, "use a terminal, or --detach");
    console::text(question)?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).map_err(no_terminal)? == 0 {
        return Err(Failure::new("nothing was typed", "use a terminal, or --detach"));
    }
    Ok(line.trim().to_owned())
}

fn drawn(qr: &str) -> Result<QrCode, Failure> {
    QrCode::with_error_correction_level(qr, qrcode::EcLevel::M)
        .map_err(|error| Failure::of(&error, "use the typed code"))
}

/// The code, drawn in characters.
pub(super) fn picture(qr: &str) -> Result<String, Failure> {
    Ok(drawn(qr)?.render::<Dense1x2>().quiet_zone(true).build())
}

pub(super) fn shown(opened: &PairingOpened, minutes: u64) -> Result<String, Failure> {
    let picture = picture(&opened.qr)?;
    let mut told = format!("{picture}\nScan this with the phone's app within {minutes} minutes.");
    if let Some(code) = &opened.code {
        told.push_str(&format!("\nOr type, at {}:  {}", opened.address, code.as_str()));
    }
    Ok(told)
}

/// A file for the code. If no code is written to it, an existing file stays as it was and a new one is removed.
pub(super) struct Png {
    path: PathBuf,
    file: File,
    is_new: bool,
    written: bool,
}

impl Png {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        let (file, is_new) = match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (options.open(path), false),
            made => (made, true),
        };
        let file = file.map_err(|error| no_png(path, &error))?;
        Ok(Self { path: path.to_owned(), file, is_new, written: false })
    }

    pub(super) fn write(mut self, qr: &str) -> Result<(), Failure> {
        let (image, pixels) = bitmap(qr)?;
        if self.file.metadata().is_ok_and(|found| found.is_file()) {
            self.file.set_len(0).map_err(|error| no_png(&self.path, &error))?;
        }
        let mut encoder = png::Encoder::new(io::BufWriter::new(&self.file), pixels, pixels);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(|error| no_png(&self.path, &error))?;
        writer.write_image_data(&image).map_err(|error| no_png(&self.path, &error))?;
        writer.finish().map_err(|error| no_png(&self.path, &error))?;
        self.written = true;
        Ok(())
    }
}

impl Drop for Png {
    fn drop(&mut self) {
        if self.is_new && !self.written {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn no_png(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()), "name a file that you may write")
}

/// The code as one byte for each pixel, from black to white, and the number of pixels of a side.
fn bitmap(qr: &str) -> Result<(Vec<u8>, u32), Failure> {
    let code = drawn(qr)?;
    let (side, colors) = (code.width() as u32, code.to_colors());
    // Four modules of white around it, as readers expect.
    let pixels = (side + 8) * PNG_MODULE_PIXELS;
    let mut image = vec![255_u8; (pixels * pixels) as usize];
    for (at, color) in colors.iter().enumerate().filter(|(_, color)| **color == qrcode::Color::Dark) {
        let _ = color;
        let (row, column) = (at as u32 / side + 4, at as u32 % side + 4);
        for y in row * PNG_MODULE_PIXELS..(row + 1) * PNG_MODULE_PIXELS {
            let start = (y * pixels + column * PNG_MODULE_PIXELS) as usize;
            image[start..start + PNG_MODULE_PIXELS as usize].fill(0);
        }
    }
    Ok((image, pixels))
}

/// Reports the progress of the pairing until it is over.
fn follow(person: &str, options: &Options) -> Result<(), Failure> {
    let mut last = None;
    loop {
        let status = administer(options, ShowPairing { person: person.to_owned() })?;
        if last.as_ref() != Some(&status) {
            show(options, &status, |status| tell(status.as_ref()))?;
            if !console::has_reader() {
                return Ok(());
            }
            match status.as_ref() {
                Some(PairingStatus { state: WindowState::Claimed, claim: Some(claim), .. })
                    if !options.json && io::stdin().is_terminal() =>
                {
                    decide(person, claim, options)?;
                }
                Some(PairingStatus { state: WindowState::Done, .. }) => return Ok(()),
                Some(PairingStatus { state: WindowState::Burnt, .. }) | None => {
                    let remedy = format!("`cellar pair {}` shows another code", quoted(person.trim()));
                    return Err(Failure::new("no phone was let in", remedy));
                }
                _ => {}
            }
            last = Some(status);
        }
        std::thread::sleep(LOOK);
    }
}

fn tell(status: Option<&PairingStatus>) -> String {
    let told = match status.map(|status| (status.state, &status.claim)) {
        Some((WindowState::Open, _)) => "waiting for the phone",
        Some((WindowState::Claimed, Some(ClaimSummary { name, platform, digits }))) => {
            return format!("{name} ({platform}) has the code. It must show: {digits}");
        }
        Some((WindowState::Claimed, None)) => "a phone has the code",
        Some((WindowState::Enrolling, _)) => "let in; the phone is fetching its papers",
        Some((WindowState::Done, _)) => "paired",
        Some((WindowState::Burnt, _)) | None => "the code is no longer valid",
    };
    told.to_owned()
}

fn decide(person: &str, claim: &ClaimSummary, options: &Options) -> Result<(), Failure> {
    let yes = matches!(ask("Does it show exactly that? [y/N] ")?.to_lowercase().as_str(), "y" | "yes");
    let digits = yes.then(|| claim.digits.clone());
    administer(options, AnswerPairing { person: person.to_owned(), digits }).map(drop)
}
