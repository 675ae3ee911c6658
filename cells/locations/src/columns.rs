//! Whole streams as columns.

use cells_sdk::limits::ROWS_MAX;
use cells_sdk::{Failure, LocationRows, LocationSource, Query, ReadEntries, RunError};

/// How a phone chose the moments of its fixes, as `data.filter` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// `time`: fixes at regular times (Android).
    Time,
    /// `distance`: fixes at regular distances (iOS).
    Distance,
    /// Any other word, such as `app`: as the app of another tracker chose them.
    App,
}

/// The source of trips in points whose sampling is [`Sampling::App`]. Such a trip may begin and end between two points.
pub const ANY_CADENCE: &str = "DwellSegmentationAnyCadence";

/// Locations, row by row the same entry. A number that is absent is NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Locations(LocationRows);

impl Locations {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.ids.is_empty()
    }

    /// The columns.
    pub fn columns(&self) -> &LocationRows {
        &self.0
    }

    /// What `data.filter` of that row says; `None` where it is absent.
    pub fn sampling(&self, row: usize) -> Option<Sampling> {
        match self.0.filter[row] {
            1 => Some(Sampling::Time),
            2 => Some(Sampling::Distance),
            3 => Some(Sampling::App),
            _ => None,
        }
    }

    /// The name of the device that sent that row, where it has a stamp.
    pub fn device(&self, row: usize) -> Option<&str> {
        self.0.device_of(row)
    }

    /// The names of the devices that sent some of the rows, perhaps more.
    pub fn devices(&self) -> &[String] {
        &self.0.devices
    }

    /// Keeps the rows of one device, or those without a stamp.
    pub fn retain_device(&mut self, device: Option<&str>) {
        if device.is_none() && self.0.device.is_empty() {
            return;
        }
        let number = match device {
            None => 0,
            // One more than the count of devices matches no row.
            Some(device) => 1 + self.0.devices.iter().take_while(|known| *known != device).count(),
        };
        let of_row = self.0.device.clone();
        self.retain(|row| of_row.get(row).map_or(0, |of_row| usize::from(*of_row)) == number);
    }

    /// Whether time and place of that row are numbers; a row without them is useless.
    pub fn is_placed(&self, row: usize) -> bool {
        [self.0.ts[row], self.0.latitude[row], self.0.longitude[row]].into_iter().all(f64::is_finite)
    }

    /// Keeps the rows for which `keep` holds, in their order.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut kept = 0;
        for row in 0..self.len() {
            if keep(row) {
                self.0.ids[kept] = self.0.ids[row];
                for column in self.numbers() {
                    column[kept] = column[row];
                }
                self.0.filter[kept] = self.0.filter[row];
                if !self.0.device.is_empty() {
                    self.0.device[kept] = self.0.device[row];
                }
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// As [`Self::retain`], for a rule that reads the rows.
    pub fn retain_by(&mut self, keep: impl Fn(&Self, usize) -> bool) {
        let kept: Vec<bool> = (0..self.len()).map(|row| keep(self, row)).collect();
        self.retain(|row| kept[row]);
    }

    /// Keeps the first `len` rows.
    pub fn truncate(&mut self, len: usize) {
        self.0.ids.truncate(len);
        self.numbers().into_iter().for_each(|column| column.truncate(len));
        self.0.filter.truncate(len);
        self.0.device.truncate(len);
    }

    fn numbers(&mut self) -> [&mut Vec<f64>; 5] {
        let rows = &mut self.0;
        [&mut rows.ts, &mut rows.write_ts, &mut rows.latitude, &mut rows.longitude, &mut rows.accuracy]
    }

    fn append(&mut self, mut piece: LocationRows) {
        self.append_devices(&piece);
        self.0.ids.append(&mut piece.ids);
        self.0.filter.append(&mut piece.filter);
        let mut piece = Self(piece);
        for (column, more) in self.numbers().into_iter().zip(piece.numbers()) {
            column.append(more);
        }
    }

    /// Each piece numbers its devices independently.
    fn append_devices(&mut self, piece: &LocationRows) {
        if piece.device.is_empty() && self.0.device.is_empty() {
            return;
        }
        let known = &mut self.0.devices;
        let number = |name: &String| {
            let place = known.iter().position(|known| known == name).unwrap_or_else(|| {
                known.push(name.clone());
                known.len() - 1
            });
            u16::try_from(place + 1).unwrap_or(0)
        };
        let numbers: Vec<u16> = std::iter::once(0).chain(piece.devices.iter().map(number)).collect();
        self.0.device.resize(self.0.ids.len(), 0);
        self.0.device.extend(piece.device.iter().map(|own| numbers[usize::from(*own)]));
        self.0.device.resize(self.0.ids.len() + piece.ids.len(), 0);
    }
}

/// Reads every location that matches, in the order of the query.
pub fn read<R: ReadEntries>(runtime: &mut R, query: &Query) -> Result<Locations, RunError> {
    let mut cursor = runtime.find_locations(query).map_err(|failure| refused(query, failure))?;
    let mut locations = Locations::default();
    loop {
        let piece = cursor.next_rows(ROWS_MAX).map_err(|failure| refused(query, failure))?;
        if piece.ids.is_empty() {
            return Ok(locations);
        }
        locations.append(piece);
    }
}

fn refused(query: &Query, failure: Failure) -> RunError {
    RunError::Read { keys: query.keys.join(", "), source: failure.into() }
}
