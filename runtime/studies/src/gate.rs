//! One answer: every check, then the mark, then the noise.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use runtime_study::{
    Answer, Answered, Ask, CONFIDENCE_PERCENT, SignedStudy, Study, Total, answer_file, error_bar, mark_file,
};

use crate::{GateError, noise};

/// Answers one epoch of a study, once. An epoch that was answered before gets the very same answer again.
///
/// # Errors
/// [`GateError`].
pub fn answer(ask: &Ask) -> Result<Answer, GateError> {
    let signed = SignedStudy::parse(ask.study.as_bytes())?;
    let study = signed.study();
    if study.answered != Answered::OneHost {
        return Err(GateError::Aggregators);
    }
    let no_such_epoch = || GateError::NoSuchEpoch { epoch: ask.epoch, epochs: study.epochs().len() };
    let epoch = study.epoch_at(ask.epoch).ok_or_else(no_such_epoch)?;
    check_sums(study, ask)?;
    if !mark(&mark_file(&ask.folder, ask.epoch))? {
        return stored(ask);
    }
    let (totals, scale) = noise::add(study, &ask.sums)?;
    let named = study.numbers().iter().zip(totals);
    let answer = Answer {
        study: signed.id().to_string(),
        name: study.name.clone(),
        epoch: epoch.index,
        from_s: epoch.from_s,
        until_s: epoch.until_s,
        smallest_group: study.smallest_group,
        epsilon_micro: study.epsilon_micro,
        scale,
        error_bar: error_bar(scale),
        confidence_percent: CONFIDENCE_PERCENT,
        totals: named.map(|(number, total)| Total { name: number.name.clone(), total }).collect(),
    };
    keep(ask, &answer)?;
    Ok(answer)
}

fn check_sums(study: &Study, ask: &Ask) -> Result<(), GateError> {
    let (found, wanted) = (ask.sums.len(), study.numbers().len());
    if found != wanted {
        return Err(GateError::Length { found, wanted });
    }
    if ask.people < study.smallest_group {
        return Err(GateError::TooFew { least: study.smallest_group });
    }
    // Together, as the L1 bound of each contribution is.
    let norm: u128 = ask.sums.iter().map(|sum| u128::from(sum.unsigned_abs())).sum();
    let most = u128::from(study.l1.unsigned_abs()) * u128::from(ask.people);
    if norm > most { Err(GateError::Sum { people: ask.people }) } else { Ok(()) }
}

/// Makes the mark, durably; false if it is there already.
fn mark(path: &Path) -> Result<bool, GateError> {
    match create_new(path) {
        Ok(file) => {
            file.sync_all().and_then(|()| sync_folder(path)).map_err(disk(path))?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(disk(path)(error)),
    }
}

fn stored(ask: &Ask) -> Result<Answer, GateError> {
    let path = answer_file(&ask.folder, ask.epoch);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(GateError::Spent { epoch: ask.epoch });
        }
        Err(error) => return Err(disk(&path)(error)),
    };
    serde_json::from_slice(&text).map_err(|_| GateError::Spent { epoch: ask.epoch })
}

/// Keeps the answer, so that whoever did not receive it can ask again.
fn keep(ask: &Ask, answer: &Answer) -> Result<(), GateError> {
    let path = answer_file(&ask.folder, ask.epoch);
    let text = serde_json::to_vec_pretty(answer).expect("texts and finite numbers are JSON");
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&ask.folder)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        sync_folder(&path)
    };
    write().map_err(disk(&path))
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> GateError {
    let path = path.to_owned();
    move |source| GateError::Disk { path, source }
}
