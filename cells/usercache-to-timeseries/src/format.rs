//! Converts an entry as a phone wrote it to the entry of the timeseries, for every key and both platforms.

use cells_model::background::MotionType;
use cells_model::plausible::{
    ACCURACY_MAX_M, LAG_MAX_S, LEAD_MAX_S, LEAD_OF_CLOCK_MAX_S, WRITTEN_FROM, is_nowhere,
};
use cells_model::text::{Object, number, quoted};
use cells_model::time::{LocalTime, SERVER_ZONE, Zone, Zones};

use crate::phones::Phone;
use crate::{AHEAD_MAX_S, Reason};

/// An entry of the timeseries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatted<'a> {
    /// Mostly the key under which it was sent.
    pub key: &'a str,
    /// A JSON object.
    pub metadata: String,
    /// A JSON object.
    pub data: String,
}

/// How an entry's data is converted, by key.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Location,
    Motion,
    Transition,
    Battery,
    Ble,
    /// About a span of time: `start_ts` and `end_ts`.
    Span,
    /// About a moment: `ts`.
    Moment,
    /// Unchanged, except that an unknown zone, which a browser has guessed, is replaced.
    Plain,
}

fn form_of(key: &str) -> Option<Form> {
    // The reference checks only the part behind the slash; here `foo/location` is not a location.
    Some(match key {
        "background/location" | "background/filtered_location" => Form::Location,
        "background/motion_activity" => Form::Motion,
        "statemachine/transition" => Form::Transition,
        "background/battery" => Form::Battery,
        "background/bluetooth_ble" => Form::Ble,
        "manual/mode_confirm"
        | "manual/purpose_confirm"
        | "manual/replaced_mode"
        | "manual/destination_confirm"
        | "manual/trip_user_input"
        | "manual/trip_addition_input"
        | "manual/place_user_input"
        | "manual/place_addition_input" => Form::Span,
        "manual/demographic_survey" | "manual/incident" | "config/app_ui_config" => Form::Moment,
        "stats/client_time"
        | "stats/client_nav_event"
        | "stats/client_error"
        | "config/sensor_config"
        | "config/sync_config"
        | "config/consent" => Form::Plain,
        _ => return None,
    })
}

/// What is known about the clock by which an entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteClock {
    /// It is right, as far as is known.
    Right,
    /// The readings that were written around the entry are ahead by the same amount: the clock is slow.
    Behind,
}

/// Makes the entry of the timeseries. Members that are not named by the form keep their text.
pub fn format<'a>(
    zones: &mut Zones,
    clock: WriteClock,
    key: &'a str,
    metadata: &str,
    data: &str,
) -> Result<Formatted<'a>, Reason> {
    let taken_in = cells_model::keys::taken_in_key(key);
    let mut metadata = Object::read(metadata).map_err(|bad| Reason::Unreadable("metadata", bad))?;
    let phone = Phone::named(metadata.string("platform").as_deref()).ok_or(Reason::Platform)?;
    let form = form_of(taken_in).ok_or(Reason::Key)?;
    let data = Object::read(data).map_err(|bad| Reason::Unreadable("data", bad))?;
    let zone = zone_of(zones, &mut metadata, phone, form)?;
    if taken_in != key {
        metadata.set("key", quoted(taken_in));
    }
    let write_ts = metadata.number("write_ts").ok_or(Reason::Field("metadata.write_ts", "a number"))?;
    if write_ts < WRITTEN_FROM {
        return Err(Reason::NeverSet);
    }
    let written = zone.at(write_ts)?;
    // The phone's values are not kept: they are computed again from write_ts.
    metadata.remove("write_local_dt");
    metadata.remove("write_fmt_time");
    let mut members = String::with_capacity(256);
    written.write_members("write_", &mut members);
    let write_ts_text = metadata.get("write_ts").expect("it was read above").to_owned();
    let entry = Told { zone, clock, written, write_ts, write_ts_text };
    let data = entry.data(form, phone, data)?;
    // The runtime checks all writes, and one refused entry would fail the whole run.
    cells_model::keys::check(taken_in, &data).map_err(Reason::Form)?;
    Ok(Formatted { key: taken_in, metadata: metadata.write(&members), data })
}

fn zone_of<'z>(
    zones: &'z mut Zones,
    metadata: &mut Object<'_>,
    phone: Phone,
    form: Form,
) -> Result<&'z Zone, Reason> {
    let name = metadata.string("time_zone").map(std::borrow::Cow::into_owned);
    let lenient = form == Form::Plain;
    let name = match name {
        Some(name) if !lenient || zones.get(&name).is_ok() => name,
        // Old Android phones name no zone; this default is the reference's.
        None if phone == Phone::Ios && !lenient => return Err(Reason::NoZone),
        Some(_) | None => {
            metadata.set("time_zone", quoted(SERVER_ZONE));
            SERVER_ZONE.to_owned()
        }
    };
    Ok(zones.get(&name)?)
}

/// When and where an entry was written down.
struct Told<'z> {
    zone: &'z Zone,
    clock: WriteClock,
    written: LocalTime<'z>,
    write_ts: f64,
    write_ts_text: String,
}

impl Told<'_> {
    fn data(&self, form: Form, phone: Phone, data: Object<'_>) -> Result<String, Reason> {
        match form {
            Form::Location => self.location(data),
            Form::Motion if phone == Phone::Ios => self.motion_of_ios(data),
            Form::Motion => self.motion_of_android(data),
            Form::Transition => self.transition(phone, &data),
            Form::Battery => self.battery(phone, data),
            Form::Ble => self.ble(phone, data),
            Form::Span => self.span(data),
            Form::Moment => {
                let more = self.about("ts", "", &data)?;
                Ok(without_local(data, "").write(&more))
            }
            Form::Plain => {
                self.not_ahead("ts", data.number("ts"))?;
                Ok(data.write(""))
            }
        }
    }

    /// A sensor's reading must be about a moment shortly before its writing.
    fn soon_written(&self, ts: f64) -> Result<(), Reason> {
        let lead_s = ts - self.write_ts;
        let lead_max_s = match self.clock {
            WriteClock::Right => LEAD_MAX_S,
            WriteClock::Behind => LEAD_OF_CLOCK_MAX_S,
        };
        if lead_s > lead_max_s {
            Err(Reason::Ahead { lead_s })
        } else if -lead_s > LAG_MAX_S {
            Err(Reason::Behind)
        } else {
            Ok(())
        }
    }

    /// Entries of people and programs must be about a moment before they were written; a day covers clocks and zones
    /// that are set wrong.
    fn not_ahead(&self, field: &'static str, ts: Option<f64>) -> Result<(), Reason> {
        if ts.is_some_and(|ts| ts > self.write_ts + AHEAD_MAX_S) {
            Err(Reason::AboutFuture(field))
        } else {
            Ok(())
        }
    }

    /// The local forms of a time of the data itself.
    fn about(&self, field: &'static str, prefix: &str, data: &Object<'_>) -> Result<String, Reason> {
        let ts = data.number(field).ok_or(Reason::Field(field, "a number"))?;
        self.not_ahead(field, Some(ts))?;
        let mut more = String::with_capacity(320);
        self.zone.at(ts)?.write_members(prefix, &mut more);
        Ok(more)
    }

    /// The local forms of the moment of writing, as members of the data.
    fn at_writing(&self) -> String {
        let mut more = String::with_capacity(192);
        self.written.write_members("", &mut more);
        more
    }

    fn location(&self, mut data: Object<'_>) -> Result<String, Reason> {
        let degrees = |data: &Object<'_>, name: &'static str, max: f64| {
            let text = data.get(name).filter(|text| number(text).is_some_and(|degrees| degrees.abs() <= max));
            text.map(str::to_owned).ok_or(Reason::Field(name, "a number of degrees"))
        };
        let (longitude, latitude) = (degrees(&data, "longitude", 180.0)?, degrees(&data, "latitude", 90.0)?);
        if is_nowhere(number(&latitude).unwrap_or(f64::NAN), number(&longitude).unwrap_or(f64::NAN)) {
            return Err(Reason::Nowhere);
        }
        match data.number("accuracy") {
            Some(..0.0) => return Err(Reason::NoPlace),
            Some(accuracy) if accuracy > ACCURACY_MAX_M => return Err(Reason::Anywhere),
            _ => {}
        }
        let ts = data.number("ts").ok_or(Reason::Field("ts", "a number"))?;
        self.soon_written(ts)?;
        let mut more = String::with_capacity(320);
        self.zone.at(ts)?.write_members("", &mut more);
        if let Some(heading) = data.remove("bearing") {
            data.set("heading", heading);
        }
        more.push_str(&format!(r#","loc":{{"type":"Point","coordinates":[{longitude},{latitude}]}}"#));
        data.remove("loc");
        Ok(without_local(data, "").write(&more))
    }

    fn motion_of_android(&self, mut data: Object<'_>) -> Result<String, Reason> {
        // Each version of the play services has different names, made by an obfuscator.
        const TYPES: [&str; 7] = ["agb", "zzaEg", "zzbjA", "ajO", "zzaKM", "zzbhB", "type"];
        const CONFIDENCES: [&str; 7] = ["agc", "zzaEh", "zzbjB", "ajP", "zzaKN", "zzbhC", "confidence"];
        let said = |name: &str| data.get(name).filter(|text| *text != "null");
        let first = |names: [&str; 7]| names.into_iter().find_map(said).map(str::to_owned);
        let kind = first(TYPES).ok_or(Reason::Field("type", "a number"))?;
        let known = number(&kind)
            .filter(|kind| kind.fract() == 0.0)
            .and_then(|kind| MotionType::from_number(kind as i64));
        known.ok_or(Reason::Unknown("type"))?;
        let confidence = first(CONFIDENCES);
        if confidence.as_deref().is_some_and(|text| number(text).is_none()) {
            return Err(Reason::Field("confidence", "a number"));
        }
        match data.get("ts") {
            Some(ts) => {
                let ts = number(ts).ok_or(Reason::Field("ts", "a number"))?;
                self.soon_written(ts)?;
            }
            None => {
                data = Object::empty();
                data.set("ts", self.write_ts_text.clone());
            }
        }
        data.set("type", kind);
        if let Some(confidence) = confidence {
            data.set("confidence", confidence);
        }
        Ok(without_local(data, "").write(&self.at_writing()))
    }

    fn motion_of_ios(&self, mut data: Object<'_>) -> Result<String, Reason> {
        const FLAGS: [(&str, MotionType); 6] = [
            ("stationary", MotionType::Still),
            ("walking", MotionType::Walking),
            ("running", MotionType::Running),
            ("cycling", MotionType::Bicycling),
            ("automotive", MotionType::InVehicle),
            ("unknown", MotionType::Unknown),
        ];
        if FLAGS.iter().all(|(name, _)| matches!(data.get(name), None | Some("null"))) {
            return Err(Reason::Field(FLAGS[0].0, "true or false"));
        }
        let mut set = Vec::new();
        for (name, kind) in FLAGS {
            match data.get(name) {
                Some("true" | "1") => set.push(kind),
                Some("false" | "0" | "null") | None => {}
                Some(_) => return Err(Reason::Field(name, "true or false")),
            }
        }
        let kind = match set[..] {
            [] => MotionType::None,
            [one] => one,
            [MotionType::Still, MotionType::InVehicle] => MotionType::StoppedWhileInVehicle,
            _ => return Err(Reason::TwoActivities),
        };
        if data.get("confidence_level").is_none()
            && let Some(level) = data.remove("confidence").filter(|level| level != "null")
        {
            let number = match &*level {
                "\"low\"" => "50",
                "\"medium\"" => "75",
                "\"high\"" => "100",
                _ => return Err(Reason::Unknown("confidence")),
            };
            data.set("confidence_level", level);
            data.set("confidence", number);
        }
        data.set("type", kind.number().to_string());
        data.set("ts", self.write_ts_text.clone());
        Ok(without_local(data, "").write(&self.at_writing()))
    }

    fn transition(&self, phone: Phone, data: &Object<'_>) -> Result<String, Reason> {
        let state = data.string("currState").ok_or(Reason::Field("currState", "a string"))?;
        let state = phone.state(&state).ok_or(Reason::Unknown("currState"))?;
        let transition = match data.get("transition") {
            Some("null") | None => "null".to_owned(),
            Some(_) => {
                let name = data.string("transition").ok_or(Reason::Field("transition", "a string"))?;
                phone.transition(&name).ok_or(Reason::Unknown("transition"))?.number().to_string()
            }
        };
        let (state, ts) = (state.number(), &self.write_ts_text);
        let told = self.at_writing();
        Ok(format!(r#"{{"curr_state":{state},"transition":{transition},"ts":{ts},{told}}}"#))
    }

    fn battery(&self, phone: Phone, mut data: Object<'_>) -> Result<String, Reason> {
        let status = data.number("battery_status").ok_or(Reason::Field("battery_status", "a number"))?;
        let status = phone.battery_status(status).ok_or(Reason::Unknown("battery_status"))?;
        if phone == Phone::Ios {
            const RATIO: &str = "battery_level_ratio";
            let ratio = data.number(RATIO).ok_or(Reason::Field(RATIO, "a number"))?;
            data = Object::empty();
            data.set("battery_level_pct", format!("{:?}", ratio * 100.0));
        } else {
            const LEVEL: &str = "battery_level_pct";
            data.number(LEVEL).ok_or(Reason::Field(LEVEL, "a number"))?;
        }
        data.set("battery_status", status.number().to_string());
        data.set("ts", self.write_ts_text.clone());
        Ok(without_local(data, "").write(&self.at_writing()))
    }

    fn ble(&self, phone: Phone, mut data: Object<'_>) -> Result<String, Reason> {
        let event = data.string("eventType").ok_or(Reason::Field("eventType", "a string"))?;
        let event = phone.ble_event(&event).ok_or(Reason::Unknown("eventType"))?.number().to_string();
        data.set("eventType", event);
        data.number("ts").map_or(Ok(()), |ts| self.soon_written(ts))?;
        Ok(without_local(data, "").write(&self.at_writing()))
    }

    fn span(&self, data: Object<'_>) -> Result<String, Reason> {
        let start = self.about("start_ts", "start_", &data)?;
        let end = self.about("end_ts", "end_", &data)?;
        let data = without_local(without_local(data, "start_"), "end_");
        Ok(data.write(&format!("{start},{end}")))
    }
}

/// Removes local times that the phone sent: its form differs, and they are computed again.
fn without_local<'a>(mut data: Object<'a>, prefix: &str) -> Object<'a> {
    for name in ["local_dt", "fmt_time"] {
        data.remove(&format!("{prefix}{name}"));
    }
    data
}
