//! Ports on loopback that processes which run side by side do not share.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, ensure};

// Below the range from which the kernel takes ports of outgoing connections:
// a port of ours stays free while a server is stopped and started on it again.
const FIRST: u16 = 12_000;
/// A process takes ports by the block. Who listens on the first port of a block,
/// with UDP, has the others.
const BLOCK: u16 = 100;
const BLOCKS: u16 = 160;

/// The blocks of this process: the sockets that hold them, and the ports of the
/// last one that are left.
static CLAIMED: Mutex<Claimed> = Mutex::new(Claimed { holders: Vec::new(), left: 0..0 });

struct Claimed {
    holders: Vec<UdpSocket>,
    left: Range<u16>,
}

/// A loopback port on which nothing listens now, and which neither this process
/// nor another one of ours has been given.
pub fn free_port() -> anyhow::Result<u16> {
    free_ports(1)
}

/// The first of so many such ports in a row.
pub fn free_ports(count: u16) -> anyhow::Result<u16> {
    ensure!((1..BLOCK).contains(&count), "{count} ports in a row; between 1 and {} can be had", BLOCK - 1);
    let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let ports = match claimed.left.start.checked_add(count) {
            Some(end) if end <= claimed.left.end => claimed.left.start..end,
            _ => {
                let (holder, left) = claim_block()?;
                claimed.holders.push(holder);
                claimed.left = left;
                continue;
            }
        };
        claimed.left.start = ports.end;
        // Programs that are not ours know nothing of blocks.
        if ports.clone().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return Ok(ports.start);
        }
    }
}

/// The next free block: what holds it, until it is dropped, and its ports.
fn claim_block() -> anyhow::Result<(UdpSocket, Range<u16>)> {
    (0..BLOCKS)
        .map(|number| FIRST + number * BLOCK)
        .find_map(|first| {
            let holder = UdpSocket::bind((Ipv4Addr::LOCALHOST, first)).ok()?;
            Some((holder, first + 1..first + BLOCK))
        })
        .with_context(|| {
            let end = FIRST + BLOCKS * BLOCK;
            format!("all loopback ports from {FIRST} to {end} are in use: end some of the tests that run")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_port_is_given_twice_however_many_are_asked_for() {
        let wanted = usize::from(BLOCK) * 2;
        let ports: BTreeSet<u16> = (0..wanted).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), wanted);
    }

    #[test]
    fn ports_in_a_row_are_given_together() {
        let first = free_ports(30).unwrap();
        assert!(!(first..first + 30).contains(&free_port().unwrap()));
        assert!(free_ports(BLOCK).is_err());
    }

    #[test]
    fn a_block_has_one_holder() {
        let (holder, ports) = claim_block().unwrap();
        let (_other, others) = claim_block().unwrap();
        assert!(ports.end < others.start || others.end < ports.start, "{ports:?} {others:?}");
        let address = holder.local_addr().unwrap();
        assert_eq!(address.port() + 1, ports.start);
        UdpSocket::bind(address).unwrap_err();
    }
}
