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
    /// Frames below this number were sent before the window was last full.
    filled: u64,
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
            filled: 0,
        }
    }

    /// Whether a frame of `size` bytes may go. One always may be on its way (RFC 8085 section 3.1).
    pub(crate) fn admits(&self, size: usize) -> bool {
        self.in_flight == 0 || self.in_flight + size <= self.window
    }

    pub(crate) fn on_sent(&mut self, frame: u64, size: usize) {
        self.in_flight += size;
        if self.in_flight + self.segment > self.window {
            self.filled = frame + 1;
        }
    }

    /// Bytes that are no longer counted as on their way: lost, or of a message that is done.
    pub(crate) fn on_landed(&mut self, size: usize) {
        self.in_flight = self.in_flight.saturating_sub(size);
    }

    /// A frame of `size` bytes was acknowledged. A window that is not used says nothing about the
    /// path, so it does not grow (RFC 7661).
    pub(crate) fn on_ack(&mut self, frame: u64, size: usize) {
        self.on_landed(size);
        if frame >= self.filled {
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

    /// Sends until the window is full; returns how many frames that took.
    fn fill(congestion: &mut Congestion, next: &mut u64) -> u64 {
        let before = *next;
        while congestion.admits(SEGMENT) {
            congestion.on_sent(*next, SEGMENT);
            *next += 1;
        }
        *next - before
    }

    #[test]
    fn it_begins_with_four_frames_and_doubles_in_a_round_trip() {
        let (mut congestion, mut next) = (Congestion::new(SEGMENT), 0);
        assert_eq!(fill(&mut congestion, &mut next), 4);
        (0..4).for_each(|frame| congestion.on_ack(frame, SEGMENT));
        assert_eq!(fill(&mut congestion, &mut next), 8);
    }

    // R6940-6.6.3-02
    #[test]
    fn a_loss_halves_it_once_a_round_trip_and_growth_is_then_one_frame_a_round_trip() {
        let (mut congestion, mut next) = (Congestion::new(SEGMENT), 0);
        fill(&mut congestion, &mut next);
        (0..4).for_each(|frame| congestion.on_ack(frame, SEGMENT));
        fill(&mut congestion, &mut next);
        assert_eq!(congestion.window(), 8000);
        for frame in 4..6 {
            congestion.on_landed(SEGMENT);
            congestion.on_loss(frame, next);
        }
        assert_eq!(congestion.window(), 4000, "both were sent before the halving");
        (6..12).for_each(|_| congestion.on_landed(SEGMENT));
        let first = next;
        fill(&mut congestion, &mut next);
        (first..next).for_each(|frame| congestion.on_ack(frame, SEGMENT));
        assert!((4800..=5000).contains(&congestion.window()), "{}", congestion.window());
    }

    // R6940-6.6.3-02
    #[test]
    fn a_timeout_leaves_one_frame_and_never_less() {
        let (mut congestion, mut next) = (Congestion::new(SEGMENT), 0);
        congestion.on_timeout(9);
        congestion.on_timeout(10);
        assert_eq!(congestion.window(), SEGMENT);
        assert_eq!(fill(&mut congestion, &mut next), 1);
        let mut congestion = Congestion::new(SEGMENT);
        congestion.on_timeout(0);
        assert!(congestion.admits(9 * SEGMENT), "one is always allowed");
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut congestion = Congestion::new(SEGMENT);
        for frame in 0..100 {
            congestion.on_sent(frame, 100);
            congestion.on_ack(frame, 100);
        }
        assert_eq!(congestion.window(), 4000);
    }

    #[test]
    fn it_never_grows_above_its_bound() {
        let (mut congestion, mut next) = (Congestion::new(SEGMENT), 0);
        for frame in 0..1000 {
            fill(&mut congestion, &mut next);
            congestion.on_ack(frame, SEGMENT);
        }
        assert_eq!(congestion.window(), LARGEST_WINDOW);
    }
}
