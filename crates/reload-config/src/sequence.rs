//! The order of configuration sequence numbers (section 6.3.2.1).

/// The highest sequence number of a document; 65535 is the escape value of the header.
pub const MAX_SEQUENCE: u16 = 65534;

/// The numbers run from 0 to 65534 and then from 0 again (6.3.2.1: "mod 65535").
const MODULUS: u32 = 65535;

/// Whether `a` is newer than `b`: at most 32767 steps ahead of it, modulo 65535 (6.3.2.1).
#[must_use]
pub fn sequence_newer(a: u16, b: u16) -> bool {
    let distance = (u32::from(a) + MODULUS - u32::from(b)) % MODULUS;
    (1..=32767).contains(&distance)
}

#[cfg(test)]
mod tests {
    use super::sequence_newer;

    #[test]
    fn the_next_number_is_newer_and_the_same_is_not() {
        assert!(sequence_newer(1, 0));
        assert!(!sequence_newer(0, 1));
        assert!(!sequence_newer(7, 7));
    }

    // R6940-6.3.2.1-02
    #[test]
    fn zero_follows_65534() {
        assert!(sequence_newer(0, 65534));
        assert!(!sequence_newer(65534, 0));
        assert!(sequence_newer(32766, 65534));
    }

    // R6940-6.3.2.1-02
    #[test]
    fn half_of_the_circle_is_newer_and_the_other_half_older() {
        assert!(sequence_newer(32767, 0));
        assert!(!sequence_newer(32768, 0));
    }

    // R6940-6.3.2.1-02
    #[test]
    fn exactly_one_of_two_different_numbers_is_newer() {
        for a in (0..65535).step_by(97) {
            for b in (0..65535).step_by(101) {
                assert_eq!(sequence_newer(a, b), a != b && !sequence_newer(b, a));
            }
        }
    }
}
