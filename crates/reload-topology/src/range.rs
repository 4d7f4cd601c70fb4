//! A stretch of the ring of Resource-IDs.

use reload_wire::ResourceId;

/// The Resource-IDs clockwise after `after` up to and with `through`. Where both are equal, it is
/// the whole ring. Identifiers are compared as big-endian numbers of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The last Resource-ID before the range.
    pub after: ResourceId,
    /// The last Resource-ID of the range.
    pub through: ResourceId,
}

impl Range {
    /// Whether the range holds `id`.
    #[must_use]
    pub fn contains(&self, id: &ResourceId) -> bool {
        if self.after < self.through {
            self.after < *id && *id <= self.through
        } else {
            *id > self.after || *id <= self.through
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ResourceId {
        ResourceId::new(&[byte; 16]).expect("16 bytes fit")
    }

    #[test]
    fn is_open_at_its_start_and_closed_at_its_end() {
        let range = Range { after: id(10), through: id(20) };
        assert!(!range.contains(&id(10)));
        assert!(range.contains(&id(11)));
        assert!(range.contains(&id(20)));
        assert!(!range.contains(&id(21)));
    }

    #[test]
    fn goes_over_zero() {
        let range = Range { after: id(200), through: id(5) };
        assert!(range.contains(&id(255)) && range.contains(&id(0)) && range.contains(&id(5)));
        assert!(!range.contains(&id(6)) && !range.contains(&id(200)));
    }

    #[test]
    fn is_the_whole_ring_when_its_ends_meet() {
        let range = Range { after: id(7), through: id(7) };
        assert!(range.contains(&id(7)) && range.contains(&id(8)) && range.contains(&id(6)));
    }
}
