//! How much may be on its way at once: slow start, additive increase and halving, counted in bytes, as
//! for TCP in RFC 5681. Section 6.6.3 asks for it by way of RFC 5405, now RFC 8085 section 3.1.
//! No timers here: the link says when something was lost.

/// The first window: RFC 5681 section 3.1 allows 4 segments, or as many as fit 4,380 bytes.
const FIRST_WINDOW: usize = 4380;
/// No more than this however good the path is. Ours: it fills 20 Mbit/s at 100 ms, and bounds what a
/// link that dies has to hand back.
const LARGEST_WINDOW: usize = 256 * 1024;

/// The window of one link.
#[derive(Debug)]
pub(crate) struct Congestion {
    segment: usize,
    window: usize,
    threshold: usize,
    in_flight: usize,
    /// Frames from this number on were sent after the last halving.
    recovery: u64,
}

impl Congestion {
    /// `segment`: bytes of a full frame.
    pub(crate) fn new(segment: usize) -> Self {
        Self {
            segment,
            window: first_window(segment),
            threshold: LARGEST_WINDOW,
            in_flight: 0,
            recovery: 0,
        }
    }

    /// Whether a frame of `size` bytes may go. One always may be on its way (RFC 8085 section 3.1).
    pub(crate) fn admits(&self, size: usize) -> bool {
        self.in_flight == 0 || self.in_flight + size <= self.window
    }

    pub(crate) fn on_sent(&mut self, size: usize) {
        self.in_flight += size;
    }

    /// Bytes that are no longer counted as on their way: lost, or of a message that is done.
    pub(crate) fn on_landed(&mut self, size: usize) {
        self.in_flight = self.in_flight.saturating_sub(size);
    }

    /// `size` bytes were acknowledged. A window that is not used says nothing about the path, so it
    /// does not grow (RFC 7661).
    pub(crate) fn on_ack(&mut self, size: usize) {
        let used = self.in_flight + self.segment >= self.window / 2;
        self.on_landed(size);
        if !used {
            return;
        }
        let growth = if self.window < self.threshold {
            size // slow start
        } else {
            (self.segment * size / self.window).max(1) // one segment a round trip
        };
        self.window = (self.window + growth).min(LARGEST_WINDOW);
    }

    /// Frame `number` was lost; `next` is the number of the next frame. Once a round trip the window
    /// is halved.
    pub(crate) fn on_loss(&mut self, number: u64, next: u64) {
        if number < self.recovery {
            return;
        }
        self.recovery = next;
        self.threshold = (self.window / 2).max(2 * self.segment);
        self.window = self.threshold;
    }

    /// Nothing came for a whole RTO: one frame at a time, and slow start again (RFC 5681 section 3.1).
    pub(crate) fn on_timeout(&mut self, next: u64) {
        if self.window > self.segment {
            self.threshold = (self.window / 2).max(2 * self.segment);
        }
        self.recovery = next;
        self.window = self.segment;
    }

    /// Nothing was sent for an RTO: what the path took before says little (RFC 5681 section 4.1).
    pub(crate) fn on_idle(&mut self) {
        self.window = self.window.min(first_window(self.segment));
    }

    pub(crate) const fn window(&self) -> usize {
        self.window
    }
}

fn first_window(segment: usize) -> usize {
    (4 * segment).min(FIRST_WINDOW.max(2 * segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: usize = 1000;

    fn filled(congestion: &mut Congestion) -> usize {
        let mut frames = 0;
        while congestion.admits(SEGMENT) {
            congestion.on_sent(SEGMENT);
            frames += 1;
        }
        frames
    }

    #[test]
    fn it_begins_with_four_frames_and_doubles_in_a_round_trip() {
        let mut congestion = Congestion::new(SEGMENT);
        assert_eq!(filled(&mut congestion), 4);
        (0..4).for_each(|_| congestion.on_ack(SEGMENT));
        assert_eq!(filled(&mut congestion), 8);
    }

    // R6940-6.6.3-02
    #[test]
    fn a_loss_halves_it_once_a_round_trip_and_growth_is_then_one_frame_a_round_trip() {
        let mut congestion = Congestion::new(SEGMENT);
        filled(&mut congestion);
        (0..4).for_each(|_| congestion.on_ack(SEGMENT));
        assert_eq!(congestion.window(), 8000);
        congestion.on_loss(5, 12);
        congestion.on_loss(6, 12);
        assert_eq!(congestion.window(), 4000, "both were sent before the halving");
        filled(&mut congestion);
        (0..4).for_each(|_| congestion.on_ack(SEGMENT));
        assert!((4800..=5000).contains(&congestion.window()), "{}", congestion.window());
    }

    // R6940-6.6.3-02
    #[test]
    fn a_timeout_leaves_one_frame_and_never_less() {
        let mut congestion = Congestion::new(SEGMENT);
        congestion.on_timeout(9);
        congestion.on_timeout(10);
        assert_eq!(congestion.window(), SEGMENT);
        assert_eq!(filled(&mut congestion), 1);
        let mut congestion = Congestion::new(SEGMENT);
        congestion.on_timeout(0);
        assert!(congestion.admits(9 * SEGMENT), "one is always allowed");
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut congestion = Congestion::new(SEGMENT);
        for _ in 0..100 {
            congestion.on_sent(100);
            congestion.on_ack(100);
        }
        assert_eq!(congestion.window(), 4000);
    }

    #[test]
    fn it_never_grows_above_its_bound() {
        let mut congestion = Congestion::new(SEGMENT);
        for _ in 0..1000 {
            filled(&mut congestion);
            congestion.on_ack(SEGMENT);
        }
        assert_eq!(congestion.window(), LARGEST_WINDOW);
    }
}
