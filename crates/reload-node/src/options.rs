//! Forwarding options (section 6.3.2.3): none is known here, so only their flags count.

use reload_wire::ForwardingOption;

/// Set if any peer that forwards must understand the option (section 6.3.2.3).
pub(crate) const FORWARD_CRITICAL: u8 = 0x01;
/// Set if any node that answers must understand the option (section 6.3.2.3).
pub(crate) const DESTINATION_CRITICAL: u8 = 0x02;
/// Set if the option is copied into the answer (section 6.3.2.3).
const RESPONSE_COPY: u8 = 0x04;

/// The options of the answer to a request with these (section 6.3.2.3).
pub(crate) fn copied_options(options: &[ForwardingOption]) -> Vec<ForwardingOption> {
    let wanted = options.iter().filter(|option| option.flags & RESPONSE_COPY != 0);
    let base = FORWARD_CRITICAL | DESTINATION_CRITICAL | RESPONSE_COPY;
    wanted
        .map(|option| ForwardingOption { flags: option.flags & !base, ..option.clone() })
        .collect()
}
