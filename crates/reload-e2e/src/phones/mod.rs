//! SIP programs of other people, unmodified and headless: the phones baresip and linphonec, SIPp for
//! load and scripted dialogs, sipsak, and kamailio as the ordinary SIP world. Each has files and ports
//! of its own, is killed when it is dropped, and every wait for it ends and tells what was seen.

mod account;
mod baresip;
mod control;
mod kamailio;
mod linphone;
mod ports;
mod rtt;
mod sipp;
mod sipsak;
mod sound;

pub use account::Account;
pub use baresip::Baresip;
pub use kamailio::Kamailio;
pub use linphone::Linphone;
pub use sipp::{Report, Run, Sipp};
pub use sipsak::Sipsak;
pub use sound::Sound;
