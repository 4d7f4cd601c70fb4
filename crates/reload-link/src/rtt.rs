//! Round-trip time and RTO by section 2 of RFC 6298, rounded up to the millisecond (6.6.3.1).
//! On TLS the RTO retransmits nothing, it says when a link leaves the Routing Table (6.6.5); on
//! datagrams it does both.

use std::time::Duration;

/// The floor of the RTO where nothing is sent again: 500 ms, deliberately under the 1 s of RFC 6298
/// (2.4), as 6.6.3.1 has it for a static RTO.
pub const MIN_RTO: Duration = Duration::from_millis(500);
/// The floor of the RTO of Simple Reliability (6.6.3.1, which wants no second): ACKs come at once, so
/// it only has to be above what a busy far end takes for one.
pub const MIN_RESEND_RTO: Duration = Duration::from_millis(200);
/// The RTO before the first measurement (RFC 6298 2.1).
pub const INITIAL_RTO: Duration = Duration::from_secs(1);
/// The ceiling of the RTO (RFC 6298 2.5 asks for at least 60 s).
pub const MAX_RTO: Duration = Duration::from_secs(60);

/// SRTT, RTTVAR and the RTO that follows.
#[derive(Clone, Copy, Debug)]
pub struct RoundTrip {
    smoothed: Option<(Duration, Duration)>,
    rto: Duration,
    floor: Duration,
}

impl RoundTrip {
    /// Nothing measured yet: RTO is [`INITIAL_RTO`], later at least [`MIN_RTO`].
    #[must_use]
    pub const fn new() -> Self {
        Self { smoothed: None, rto: INITIAL_RTO, floor: MIN_RTO }
    }

    /// For a link that sends again: the RTO may come down to [`MIN_RESEND_RTO`].
    #[must_use]
    pub const fn for_resending() -> Self {
        Self { floor: MIN_RESEND_RTO, ..Self::new() }
    }

    /// The path is known to be long (section 6.6.3.1), or short: holds until something is measured.
    #[must_use]
    pub const fn starting_at(self, rto: Duration) -> Self {
        Self { rto, ..self }
    }

    /// Takes a measurement: the time between a frame and its ACK.
    pub fn measure(&mut self, sample: Duration) {
        let (srtt, rttvar) = match self.smoothed {
            None => (sample, sample / 2), // RFC 6298 2.2
            Some((srtt, rttvar)) => {
                // RFC 6298 2.3: RTTVAR first, with the old SRTT.
                let rttvar = (rttvar * 3 + srtt.abs_diff(sample)) / 4;
                ((srtt * 7 + sample) / 8, rttvar)
            }
        };
        self.smoothed = Some((srtt, rttvar));
        self.rto = round_up_to_ms(srtt + rttvar * 4).clamp(self.floor, MAX_RTO);
    }

    /// The smoothed round-trip time, if anything was measured.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.smoothed.map(|(srtt, _)| srtt)
    }

    /// Within which an ACK comes as a rule: the RTO without its floor, once measured.
    #[must_use]
    pub fn usual(&self) -> Option<Duration> {
        self.smoothed.map(|(srtt, rttvar)| srtt + (rttvar * 4).max(srtt / 4))
    }

    /// The timeout that follows from the measurements.
    #[must_use]
    pub const fn rto(&self) -> Duration {
        self.rto
    }
}

impl Default for RoundTrip {
    fn default() -> Self {
        Self::new()
    }
}

/// Whole milliseconds, rounded up (section 6.6.3.1).
fn round_up_to_ms(span: Duration) -> Duration {
    let rest = span.subsec_nanos() % 1_000_000;
    if rest == 0 { span } else { span + Duration::from_nanos(u64::from(1_000_000 - rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    // R6940-6.6.5-01
    #[test]
    fn the_first_sample_gives_three_times_itself() {
        let mut round_trip = RoundTrip::new();
        assert_eq!(round_trip.rto(), INITIAL_RTO);
        round_trip.measure(ms(400));
        assert_eq!(round_trip.rtt(), Some(ms(400)));
        assert_eq!(round_trip.rto(), ms(1200), "SRTT + 4 * R/2");
    }

    // R6940-6.6.5-01
    #[test]
    fn later_samples_move_by_an_eighth_and_a_quarter() {
        let mut round_trip = RoundTrip::new();
        round_trip.measure(ms(400));
        round_trip.measure(ms(800));
        // RTTVAR = 3/4*200 + 1/4*400 = 250, SRTT = 7/8*400 + 1/8*800 = 450
        assert_eq!(round_trip.rtt(), Some(ms(450)));
        assert_eq!(round_trip.rto(), ms(1450));
    }

    #[test]
    fn the_rto_has_a_floor_a_ceiling_and_whole_milliseconds() {
        let mut round_trip = RoundTrip::new();
        round_trip.measure(Duration::from_micros(50));
        assert_eq!(round_trip.rto(), MIN_RTO);
        let mut round_trip = RoundTrip::for_resending();
        assert_eq!(round_trip.rto(), INITIAL_RTO);
        round_trip.measure(Duration::from_micros(50));
        assert_eq!(round_trip.rto(), MIN_RESEND_RTO);
        let mut round_trip = RoundTrip::new();
        round_trip.measure(Duration::from_secs(100));
        assert_eq!(round_trip.rto(), MAX_RTO);
        let mut round_trip = RoundTrip::new();
        round_trip.measure(Duration::from_micros(400_100));
        assert_eq!(round_trip.rto(), ms(1201), "1200.3 ms rounded up");
    }
}
