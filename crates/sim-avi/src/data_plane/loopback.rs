//! Where the addresses of VIPs and servers are on this machine.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The first and the last second octet of a range: beyond those of the usual VIPs (100.64.0.0/10)
/// and before those of the usual pods (10.244.0.0/16), which the fixed addresses have.
const FIRST_RANGE: u8 = 128;
const LAST_RANGE: u8 = 239;
/// Who listens here, at the last address of a range, holds the range.
const HOLDER_PORT: u16 = 11_999;
/// Addresses of one range; the ones after them are the holder's.
const MOST_ADDRESSES: u16 = 65_000;

/// Leads the addresses of a simulated network to loopback addresses, so that no packet
/// leaves the machine.
///
/// [`Loopback::fixed`] is the same for everybody. Processes that run side by side would
/// want the same addresses, and take a range of their own instead ([`Loopback::claim`]).
#[derive(Clone, Debug, Default)]
pub struct Loopback(Option<Arc<Range>>);

/// A range 127.x.0.0/16 that no other process uses.
#[derive(Debug)]
struct Range {
    second_octet: u8,
    /// The places in the range, in the order in which they were asked for.
    taken: Mutex<HashMap<Ipv4Addr, u16>>,
    /// The kernel closes it when the process ends, however that happens.
    _holder: UdpSocket,
}

impl Loopback {
    /// The address a.b.c.d is 127.b.c.d.
    pub fn fixed() -> Self {
        Self(None)
    }

    /// A range of its own, which is held until the last copy of this is dropped. Each
    /// address gets the next free place in it.
    ///
    /// # Errors
    /// If all ranges are in use.
    pub fn claim() -> io::Result<Self> {
        for second_octet in FIRST_RANGE..=LAST_RANGE {
            match UdpSocket::bind((Ipv4Addr::new(127, second_octet, 255, 255), HOLDER_PORT)) {
                Ok(holder) => {
                    let range = Range { second_octet, taken: Mutex::default(), _holder: holder };
                    return Ok(Self(Some(Arc::new(range))));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        let what = format!(
            "all loopback ranges 127.{FIRST_RANGE}.0.0/16 to 127.{LAST_RANGE}.0.0/16 are in use: end some of \
             the simulators that run on this machine"
        );
        Err(io::Error::new(io::ErrorKind::AddrInUse, what))
    }

    /// The range that everything in this process shares; it is held until the process ends.
    ///
    /// # Errors
    /// If all ranges are in use.
    pub fn of_this_process() -> io::Result<Self> {
        static CLAIMED: OnceLock<Loopback> = OnceLock::new();
        if let Some(known) = CLAIMED.get() {
            return Ok(known.clone());
        }
        // Of two that come here at once one gives its range back.
        let claimed = Self::claim()?;
        Ok(CLAIMED.get_or_init(|| claimed).clone())
    }

    /// Where an address is on this machine, always the same place for the same address;
    /// none if the range has no place left.
    pub fn address(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        let Some(range) = &self.0 else {
            let [_, b, c, d] = address.octets();
            return Some(Ipv4Addr::new(127, b, c, d));
        };
        let mut taken = range.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u16::try_from(taken.len() + 1).ok().filter(|place| *place <= MOST_ADDRESSES);
        let place = taken.get(&address).copied().or(next)?;
        taken.insert(address, place);
        let [c, d] = place.to_be_bytes();
        Some(Ipv4Addr::new(127, range.second_octet, c, d))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ranges_share_no_address_and_a_copy_holds_its_range() {
        let (one, other) = (Loopback::claim().unwrap(), Loopback::claim().unwrap());
        let vip = Ipv4Addr::new(100, 64, 0, 10);
        let second_octet = |loopback: &Loopback| loopback.address(vip).unwrap().octets()[1];
        let range = second_octet(&one);
        assert_ne!(range, second_octet(&other));
        let holder = (Ipv4Addr::new(127, range, 255, 255), HOLDER_PORT);
        UdpSocket::bind(holder).unwrap_err();
        let copy = one.clone();
        drop(one);
        UdpSocket::bind(holder).unwrap_err();
        assert!(copy.address(vip).is_some());
    }

    #[test]
    fn an_address_keeps_its_place_and_shares_it_with_nobody() {
        let loopback = Loopback::claim().unwrap();
        let addresses = (0..300_u16).map(|n| Ipv4Addr::from(0x0a00_0000 + u32::from(n) * 257));
        let places: Vec<_> = addresses.clone().map(|address| loopback.address(address).unwrap()).collect();
        let distinct: std::collections::BTreeSet<_> = places.iter().collect();
        assert_eq!(distinct.len(), places.len());
        assert!(places.iter().all(Ipv4Addr::is_loopback));
        assert_eq!(addresses.map(|address| loopback.address(address).unwrap()).collect::<Vec<_>>(), places);
    }

    #[test]
    fn a_full_range_has_no_place_for_another_address() {
        let loopback = Loopback::claim().unwrap();
        for number in 0..u32::from(MOST_ADDRESSES) {
            assert!(loopback.address(Ipv4Addr::from(number)).is_some(), "{number}");
        }
        assert_eq!(loopback.address(Ipv4Addr::new(10, 0, 0, 1)), None);
        assert!(loopback.address(Ipv4Addr::from(7)).is_some());
    }

    #[test]
    fn this_process_has_one_range() {
        let address = Ipv4Addr::new(10, 1, 2, 3);
        let (one, other) = (Loopback::of_this_process().unwrap(), Loopback::of_this_process().unwrap());
        assert_eq!(one.address(address), other.address(address));
    }

    #[test]
    fn fixed_addresses_keep_three_octets() {
        let place = Loopback::fixed().address(Ipv4Addr::new(10, 244, 1, 5));
        assert_eq!(place, Some(Ipv4Addr::new(127, 244, 1, 5)));
    }
}
