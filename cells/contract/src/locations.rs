//! Location-like entries as columns of numbers.

use crate::EntryId;

/// Columns of location-like entries: each row is one entry. An absent number is NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LocationRows {
    /// Ids of the entries.
    pub ids: Vec<EntryId>,
    /// `data.ts`, s
    pub ts: Vec<f64>,
    /// `metadata.write_ts`, s
    pub write_ts: Vec<f64>,
    /// `data.latitude`, degrees
    pub latitude: Vec<f64>,
    /// `data.longitude`, degrees
    pub longitude: Vec<f64>,
    /// `data.accuracy`, m
    pub accuracy: Vec<f64>,
    /// `data.filter`: 0 absent, 1 `time`, 2 `distance`, 3 anything else.
    pub filter: Vec<u8>,
    /// The device of each entry: 0 none, otherwise one more than its index in `devices`. Empty: no entry has one.
    pub device: Vec<u16>,
    /// The names of those devices, such as `token-5d41402abc4b2a76/android`.
    pub devices: Vec<String>,
}

impl LocationRows {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The size that crosses between runtime and cell, bytes.
    pub fn bytes(&self) -> u64 {
        let numbers = [&self.ts, &self.write_ts, &self.latitude, &self.longitude, &self.accuracy];
        let numbers: usize = numbers.iter().map(|column| 8 * column.len()).sum();
        let names: usize = self.devices.iter().map(String::len).sum();
        (numbers + 12 * self.ids.len() + self.filter.len() + 2 * self.device.len() + names) as u64
    }

    /// The name of a row's device.
    ///
    /// # Panics
    /// When the row's number is not that of a device: [`Self::push_device`] makes no such number.
    pub fn device_of(&self, row: usize) -> Option<&str> {
        let number = usize::from(*self.device.get(row)?);
        Some(&self.devices[number.checked_sub(1)?])
    }

    /// Sets the device of the row that was pushed last: to be called once for each row, after its id.
    pub fn push_device(&mut self, name: Option<&str>) {
        if name.is_none() && self.device.is_empty() {
            return;
        }
        let number = name.map_or(0, |name| self.number_of(name));
        self.device.resize(self.len() - 1, 0);
        self.device.push(number);
    }

    /// One more than the index of a name; 0, as for none, where there are too many names.
    fn number_of(&mut self, name: &str) -> u16 {
        let known = self.devices.iter().rposition(|known| known == name);
        let place = known.unwrap_or(self.devices.len());
        let Ok(number) = u16::try_from(place + 1) else { return 0 };
        if known.is_none() {
            self.devices.push(name.to_owned());
        }
        number
    }

    /// Removes the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.filter.clear();
        self.device.clear();
        self.devices.clear();
        for column in
            [&mut self.ts, &mut self.write_ts, &mut self.latitude, &mut self.longitude, &mut self.accuracy]
        {
            column.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_device_numbers_as_soon_as_one_entry_names_a_device() {
        let mut rows = LocationRows::default();
        for name in [None, Some("a/ios"), None, Some("b/android"), Some("a/ios")] {
            rows.ids.push(EntryId::NONE);
            rows.push_device(name);
            assert_eq!(rows.device_of(rows.len() - 1), name);
        }
        assert_eq!((&rows.device[..], rows.devices.len()), (&[0, 1, 0, 2, 1][..], 2));
        assert_eq!(rows.bytes(), 5 * (12 + 2) + 5 + 9);
        rows.clear();
        rows.ids.push(EntryId::NONE);
        rows.push_device(None);
        assert_eq!((rows.device.len(), rows.device_of(0)), (0, None));
    }
}
