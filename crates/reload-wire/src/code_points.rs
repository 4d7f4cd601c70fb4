//! The numbers of the IANA registries (sections 14.8 to 14.13) and of the TLS registries that
//! section 6.3.4 borrows. Unknown numbers survive; whether one is an error is decided above.

use std::fmt;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Writer};

/// Constants of a newtype, and the registered name of each.
macro_rules! code_points {
    ($type:ident { $($constant:ident = $value:literal $name:literal,)* }) => {
        impl $type {
            $(
                #[doc = concat!("`", $name, "`, ", stringify!($value), ".")]
                pub const $constant: Self = Self($value);
            )*

            /// The name in the registry, or `"unknown"`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($value => $name,)*
                    _ => "unknown",
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    "unknown" => write!(f, "{:#x}", self.0),
                    name => f.write_str(name),
                }
            }
        }
    };
}

/// What a message is (section 14.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageCode(pub u16);

code_points!(MessageCode {
    INVALID = 0x0 "invalidMessageCode",
    PROBE_REQUEST = 0x1 "probe_req",
    PROBE_ANSWER = 0x2 "probe_ans",
    ATTACH_REQUEST = 0x3 "attach_req",
    ATTACH_ANSWER = 0x4 "attach_ans",
    STORE_REQUEST = 0x7 "store_req",
    STORE_ANSWER = 0x8 "store_ans",
    FETCH_REQUEST = 0x9 "fetch_req",
    FETCH_ANSWER = 0xA "fetch_ans",
    FIND_REQUEST = 0xD "find_req",
    FIND_ANSWER = 0xE "find_ans",
    JOIN_REQUEST = 0xF "join_req",
    JOIN_ANSWER = 0x10 "join_ans",
    LEAVE_REQUEST = 0x11 "leave_req",
    LEAVE_ANSWER = 0x12 "leave_ans",
    UPDATE_REQUEST = 0x13 "update_req",
    UPDATE_ANSWER = 0x14 "update_ans",
    ROUTE_QUERY_REQUEST = 0x15 "route_query_req",
    ROUTE_QUERY_ANSWER = 0x16 "route_query_ans",
    PING_REQUEST = 0x17 "ping_req",
    PING_ANSWER = 0x18 "ping_ans",
    STAT_REQUEST = 0x19 "stat_req",
    STAT_ANSWER = 0x1A "stat_ans",
    APP_ATTACH_REQUEST = 0x1D "app_attach_req",
    APP_ATTACH_ANSWER = 0x1E "app_attach_ans",
    CONFIG_UPDATE_REQUEST = 0x21 "config_update_req",
    CONFIG_UPDATE_ANSWER = 0x22 "config_update_ans",
    EXP_A_REQUEST = 0x23 "exp_a_req",
    EXP_A_ANSWER = 0x24 "exp_a_ans",
    EXP_B_REQUEST = 0x25 "exp_b_req",
    EXP_B_ANSWER = 0x26 "exp_b_ans",
    PATH_TRACK_REQUEST = 0x27 "path_track_req",
    PATH_TRACK_ANSWER = 0x28 "path_track_ans",
    ERROR = 0xFFFF "error",
});

impl MessageCode {
    /// Whether it is a request: odd, and not reserved (section 6.3.3).
    #[must_use]
    pub const fn is_request(self) -> bool {
        self.0 < 0x8000 && self.0 % 2 == 1
    }

    /// Whether it is an answer or an error response.
    #[must_use]
    pub const fn is_response(self) -> bool {
        self.0 == Self::ERROR.0 || (self.0 != 0 && self.0 <= 0x8000 && self.0.is_multiple_of(2))
    }

    /// The code of the answer to this request (section 6.3.3); any other code is returned as it is.
    #[must_use]
    pub const fn answer(self) -> Self {
        if self.is_request() { Self(self.0 + 1) } else { self }
    }
}

/// Why a request failed (section 14.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub u16);

code_points!(ErrorCode {
    INVALID = 0x0 "invalidErrorCode",
    FORBIDDEN = 0x2 "Error_Forbidden",
    NOT_FOUND = 0x3 "Error_Not_Found",
    REQUEST_TIMEOUT = 0x4 "Error_Request_Timeout",
    GENERATION_COUNTER_TOO_LOW = 0x5 "Error_Generation_Counter_Too_Low",
    INCOMPATIBLE_WITH_OVERLAY = 0x6 "Error_Incompatible_with_Overlay",
    UNSUPPORTED_FORWARDING_OPTION = 0x7 "Error_Unsupported_Forwarding_Option",
    DATA_TOO_LARGE = 0x8 "Error_Data_Too_Large",
    DATA_TOO_OLD = 0x9 "Error_Data_Too_Old",
    TTL_EXCEEDED = 0xA "Error_TTL_Exceeded",
    MESSAGE_TOO_LARGE = 0xB "Error_Message_Too_Large",
    UNKNOWN_KIND = 0xC "Error_Unknown_Kind",
    UNKNOWN_EXTENSION = 0xD "Error_Unknown_Extension",
    RESPONSE_TOO_LARGE = 0xE "Error_Response_Too_Large",
    CONFIG_TOO_OLD = 0xF "Error_Config_Too_Old",
    CONFIG_TOO_NEW = 0x10 "Error_Config_Too_New",
    IN_PROGRESS = 0x11 "Error_In_Progress",
    EXP_A = 0x12 "Error_Exp_A",
    EXP_B = 0x13 "Error_Exp_B",
    INVALID_MESSAGE = 0x14 "Error_Invalid_Message",
    UNDERLAY_DESTINATION_UNREACHABLE = 0x15 "Error_Underlay_Destination_Unreachable",
    UNDERLAY_TIME_EXCEEDED = 0x16 "Error_Underlay_Time_Exceeded",
    MESSAGE_EXPIRED = 0x17 "Error_Message_Expired",
    UPSTREAM_MISROUTING = 0x18 "Error_Upstream_Misrouting",
    LOOP_DETECTED = 0x19 "Error_Loop_Detected",
    TTL_HOPS_EXCEEDED = 0x1A "Error_TTL_Hops_Exceeded",
});

/// How bytes travel over an overlay link (section 14.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OverlayLinkType(pub u8);

code_points!(OverlayLinkType {
    INVALID = 0 "INVALID-PROTOCOL",
    DTLS_UDP_SR = 1 "DTLS-UDP-SR",
    DTLS_UDP_SR_NO_ICE = 3 "DTLS-UDP-SR-NO-ICE",
    TLS_TCP_FH_NO_ICE = 4 "TLS-TCP-FH-NO-ICE",
    EXP_LINK = 5 "EXP-LINK",
});

/// What a Probe asks for (section 14.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeInformationType(pub u8);

code_points!(ProbeInformationType {
    INVALID = 0 "invalidProbeOption",
    RESPONSIBLE_SET = 1 "responsible_set",
    NUM_RESOURCES = 2 "num_resources",
    UPTIME = 3 "uptime",
    EXP_PROBE = 4 "exp-probe",
});

impl Decode for ProbeInformationType {
    const NAME: &'static str = "probe_information_type";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, number) = nom::number::complete::be_u8(input)?;
        Ok((rest, Self(number)))
    }
}

impl Encode for ProbeInformationType {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint8(self.0)
    }
}

/// A hash of the TLS 1.2 registry (section 6.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashAlgorithm(pub u8);

code_points!(HashAlgorithm {
    NONE = 0 "none",
    MD5 = 1 "md5",
    SHA1 = 2 "sha1",
    SHA224 = 3 "sha224",
    SHA256 = 4 "sha256",
    SHA384 = 5 "sha384",
    SHA512 = 6 "sha512",
    INTRINSIC = 8 "intrinsic",
});

/// A signature scheme of the TLS 1.2 registry (section 6.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureAlgorithm(pub u8);

code_points!(SignatureAlgorithm {
    ANONYMOUS = 0 "anonymous",
    RSA = 1 "rsa",
    DSA = 2 "dsa",
    ECDSA = 3 "ecdsa",
    ED25519 = 7 "ed25519",
    ED448 = 8 "ed448",
});

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-6.3.3-03, R6940-6.3.3.1-02
    #[test]
    fn the_answer_is_the_next_code_up() {
        assert_eq!(MessageCode::PROBE_REQUEST.answer(), MessageCode::PROBE_ANSWER);
        assert_eq!(MessageCode::STAT_REQUEST.answer(), MessageCode::STAT_ANSWER);
        assert_eq!(MessageCode::ERROR.answer(), MessageCode::ERROR);
    }

    // R6940-6.3.3-03
    #[test]
    fn requests_are_odd_and_not_reserved() {
        assert!(MessageCode(0x7fff).is_request());
        for code in [MessageCode::INVALID, MessageCode::PING_ANSWER, MessageCode(0x8001)] {
            assert!(!code.is_request(), "{code}");
        }
        assert!(!MessageCode::ERROR.is_request() && MessageCode::ERROR.is_response());
        assert!(!MessageCode::INVALID.is_response());
    }

    #[test]
    fn names_are_those_of_the_registries() {
        assert_eq!(ErrorCode(0xC).name(), "Error_Unknown_Kind");
        assert_eq!(ErrorCode(0x99).to_string(), "0x99");
        assert_eq!(MessageCode(0x22).name(), "config_update_ans");
        assert_eq!(HashAlgorithm::SHA256.0, 4);
    }
}
