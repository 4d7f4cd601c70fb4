//! The engine of a link that nothing protects: datagrams travel as they are. Who is at the other end was
//! settled by ICE before it begins ([`reload_node::Security::Path`]).

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use reload_link::{DtlsEngine, DtlsError, DtlsEvent};

/// What stands in the place of an association of DTLS.
pub(crate) struct Bare {
    transmits: VecDeque<Bytes>,
    events: VecDeque<DtlsEvent>,
    is_open: bool,
    dropped: u64,
}

/// In the place of a cipher suite, for people.
const NO_CIPHER: &str = "none";

impl Bare {
    pub(crate) fn new() -> Self {
        let up = DtlsEvent::Connected { chain: Vec::new(), cipher: NO_CIPHER };
        let (transmits, events) = (VecDeque::new(), VecDeque::from([up]));
        Self { transmits, events, is_open: true, dropped: 0 }
    }
}

impl DtlsEngine for Bare {
    fn handle_datagram(&mut self, _: Instant, datagram: &[u8]) {
        match self.is_open {
            true => self.events.push_back(DtlsEvent::Data(Bytes::copy_from_slice(datagram))),
            false => self.dropped += 1,
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    fn send(&mut self, _: Instant, data: &[u8]) -> Result<(), DtlsError> {
        if !self.is_open {
            return Err(DtlsError::NotConnected);
        }
        self.transmits.push_back(Bytes::copy_from_slice(data));
        Ok(())
    }

    fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    /// There is no word for it: the other side notices when it answers no checks (RFC 7675).
    fn close(&mut self, _: Instant) {
        self.is_open = false;
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}
