//! Devices for tests, each made from a number.

use super::{DeviceName, DeviceTable, NewDevice, Platform, Scopes};
use crate::encoding::{Label, Spki, WrapPub};
use runtime_types::UserId;

pub(crate) const ANNE: UserId = UserId([1; 16]);
pub(crate) const BORIS: UserId = UserId([2; 16]);
/// 2026-01-01T00:00:00Z.
pub(crate) const NOW_MS: u64 = 1_767_225_600_000;

pub(crate) fn key(number: u8) -> Spki {
    Spki::from_ed25519(&[number.max(1); 32]).unwrap()
}

pub(crate) fn label(number: u8) -> Label {
    Label([number; 16])
}

pub(crate) fn wrap_pub(number: u8) -> WrapPub {
    let secret = p256::SecretKey::from_slice(&[number.max(1); 32]).unwrap();
    WrapPub::parse(secret.public_key().to_sec1_bytes().as_ref()).unwrap()
}

pub(crate) fn phone(number: u8) -> NewDevice {
    NewDevice {
        spki: key(number),
        wrap_pub: wrap_pub(number),
        label: label(number),
        name: DeviceName::new(format!("phone {number}")).unwrap(),
        platform: Platform::Android,
        scopes: Scopes::PHONE,
    }
}

/// Anne's table with the phones of these numbers.
pub(crate) fn table_with(numbers: &[u8]) -> DeviceTable {
    let mut table = DeviceTable::new(ANNE);
    for number in numbers {
        table.enrol(phone(*number), NOW_MS).unwrap();
    }
    table
}
