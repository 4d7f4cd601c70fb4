//! The 32 most recent sequence numbers received, for the `received` mask of an ACK (section 6.6.2).
//! It decides nothing about the link: it only tells the peer what came.

/// How many numbers the receiver keeps (section 6.6.2: "the 32 most recent").
const KEPT: usize = 32;

/// Sequence numbers as they came, the oldest overwritten first.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    recent: [u32; KEPT],
    count: usize,
    next: usize,
}

impl Receipts {
    /// Notes `sequence` and returns the mask for its ACK: bit N-M for each M kept with
    /// N-32 < M < N (E48, the literal reading). Numbers wrap at 2^32 (E49).
    pub(crate) fn receive(&mut self, sequence: u32) -> u32 {
        let mask = self.recent[..self.count].iter().fold(0, |mask, &earlier| {
            match sequence.wrapping_sub(earlier) {
                distance @ 1..=31 => mask | (1 << distance),
                _ => mask,
            }
        });
        self.recent[self.next] = sequence;
        self.next = (self.next + 1) % KEPT;
        self.count = (self.count + 1).min(KEPT);
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_has_an_empty_mask_whatever_its_number() {
        assert_eq!(Receipts::default().receive(0), 0);
        assert_eq!(Receipts::default().receive(1), 0);
        assert_eq!(Receipts::default().receive(u32::MAX), 0);
    }

    // R6940-6.6.2-07, R6940-6.6.2-08
    #[test]
    fn bit_n_minus_m_is_set_and_bit_zero_never_is() {
        let mut receipts = Receipts::default();
        receipts.receive(5);
        receipts.receive(7);
        assert_eq!(receipts.receive(8), 0b1010);
        for sequence in 9..100 {
            receipts.receive(sequence);
        }
        assert_eq!(receipts.receive(100), 0xffff_fffe);
    }

    // R6940-6.6.2-08
    #[test]
    fn numbers_that_are_not_smaller_leave_no_bit() {
        let mut receipts = Receipts::default();
        receipts.receive(9);
        assert_eq!(receipts.receive(9), 0, "the same number");
        assert_eq!(receipts.receive(8), 0, "a later number");
        assert_eq!(receipts.receive(41), 0, "32 and more away");
    }

    // R6940-6.6.2-08
    #[test]
    fn the_mask_spans_the_wrap() {
        let mut receipts = Receipts::default();
        receipts.receive(u32::MAX - 1);
        receipts.receive(u32::MAX);
        assert_eq!(receipts.receive(0), 0b110);
    }
}
