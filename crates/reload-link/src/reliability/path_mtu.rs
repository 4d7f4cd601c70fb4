//! How large a frame the path takes, as far as ACKs tell (in the manner of RFC 8899). It begins with a size
//! that every path takes; the ACK of a larger frame raises it; when larger frames are lost while small
//! ones pass, it falls back. What to try next is decided above: a probe is a message like any other.

/// So many larger frames lost in a row, while small ones pass: the path takes them no more.
const MISSES: u32 = 3; // RFC 8899 section 4.3 leaves it to us; its MAX_PROBES is 3

/// The size of a frame, in bytes of one DTLS record.
#[derive(Debug)]
pub(crate) struct PathMtu {
    base: usize,
    current: usize,
    misses: u32,
    small_pass: bool,
}

impl PathMtu {
    pub(crate) const fn new(base: usize) -> Self {
        Self { base, current: base, misses: 0, small_pass: false }
    }

    pub(crate) const fn current(&self) -> usize {
        self.current
    }

    /// Larger than every path takes.
    pub(crate) const fn is_above_base(&self, frame: usize) -> bool {
        frame > self.base
    }

    /// Larger than the path is known to take.
    pub(crate) const fn is_large(&self, frame: usize) -> bool {
        frame > self.current
    }

    /// A frame of this size arrived; returns the new size when it changes.
    pub(crate) fn on_ack(&mut self, frame: usize) -> Option<usize> {
        if frame <= self.base {
            self.small_pass = self.misses > 0;
            return self.check();
        }
        (self.misses, self.small_pass) = (0, false);
        let larger = frame > self.current;
        self.current = self.current.max(frame);
        larger.then_some(frame)
    }

    /// A frame of this size, not larger than the path was known to take, was lost.
    pub(crate) fn on_loss(&mut self, frame: usize) -> Option<usize> {
        if frame <= self.base {
            return None;
        }
        self.misses += 1;
        self.check()
    }

    /// The path may be another one now: back to the size that every path takes.
    pub(crate) fn reset(&mut self) -> Option<usize> {
        (self.misses, self.small_pass) = (0, false);
        let larger = self.current > self.base;
        self.current = self.base;
        larger.then_some(self.base)
    }

    fn check(&mut self) -> Option<usize> {
        if self.misses >= MISSES && self.small_pass { self.reset() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ack_of_a_larger_frame_raises_it() {
        let mut mtu = PathMtu::new(1100);
        assert_eq!(mtu.on_ack(900), None);
        assert_eq!(mtu.on_ack(1180), Some(1180));
        assert_eq!(mtu.on_ack(1150), None);
        assert_eq!(mtu.current(), 1180);
    }

    #[test]
    fn larger_frames_lost_while_small_ones_pass_send_it_back() {
        let mut mtu = PathMtu::new(1100);
        mtu.on_ack(1300);
        mtu.on_loss(1300);
        mtu.on_loss(1200);
        assert_eq!(mtu.on_ack(200), None, "two may be chance");
        assert_eq!(mtu.on_loss(1300), Some(1100));
        assert_eq!(mtu.current(), 1100);
    }

    #[test]
    fn losses_of_everything_or_with_larger_ones_between_mean_nothing() {
        let mut mtu = PathMtu::new(1100);
        mtu.on_ack(1300);
        mtu.on_ack(200);
        for _ in 0..5 {
            assert_eq!(mtu.on_loss(1300), None, "nothing small has passed since");
        }
        mtu.on_ack(1250);
        mtu.on_loss(1300);
        assert_eq!(mtu.on_ack(200), None);
        assert_eq!(mtu.current(), 1300);
    }
}
