//! What comes by UDP: a machine under test, a good one at the other end, and a network between them that
//! a script rules: it loses, repeats and spoils datagrams, and forges its own.

mod dtls;
mod endpoint;
mod host;
mod overlay;
mod reliable;
mod seeds;
mod session;
mod stun;
mod turn;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::script::Script;

pub use dtls::dtls_records;
pub use endpoint::endpoint_inputs;
pub use reliable::reliable_link;
pub(crate) use seeds::scripts;
pub use stun::stun_ice;

/// Datagrams that are remembered, to be sent again.
const REMEMBERED: usize = 24;
/// Datagrams on their way; more are lost.
const ON_THE_WAY: usize = 512;

/// One direction of the network.
#[derive(Debug)]
struct Way<T> {
    queue: VecDeque<T>,
    old: Vec<T>,
}

impl<T> Default for Way<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), old: Vec::new() }
    }
}

impl<T: Clone> Way<T> {
    fn push(&mut self, datagram: T) {
        if self.queue.len() < ON_THE_WAY {
            self.queue.push_back(datagram);
        }
    }

    /// The next to arrive.
    fn next(&mut self) -> Option<T> {
        let datagram = self.queue.pop_front()?;
        if self.old.len() < REMEMBERED {
            self.old.push(datagram.clone());
        }
        Some(datagram)
    }

    /// One that has arrived or was lost before.
    fn again(&self, number: u8) -> Option<T> {
        let number = usize::from(number).checked_rem(self.old.len())?;
        self.old.get(number).cloned()
    }
}

/// Changes a datagram as the script says: bytes, its end, a piece put in.
fn spoil(datagram: &Bytes, script: &mut Script<'_>) -> Vec<u8> {
    let mut data = datagram.to_vec();
    for _ in 0..=script.or_zero() % 4 {
        let (how, place) = (script.or_zero(), usize::from(script.uint16()));
        let at = place.checked_rem(data.len()).unwrap_or(0);
        match how % 4 {
            0 => data.truncate(at),
            1 => drop(data.splice(at..at, script.bytes().iter().copied())),
            2 => drop(data.drain(at..data.len().min(at + 1 + usize::from(how / 4)))),
            _ => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= script.or_zero().max(1);
                }
            }
        }
    }
    data
}
