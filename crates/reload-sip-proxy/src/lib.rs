//! The SIP side of a peer (RFC 7904, RFC 7890 "proxy peer"; SIP itself is RFC 3261). Ordinary phones of one
//! user speak SIP to it; it finds other users in the overlay and speaks SIP to their peers over connections
//! made by AppAttach. The overlay itself is behind the trait [`Overlay`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use reload_sip_proxy::{Overlay, Proxy, Settings, StartError};
//!
//! async fn serve_phones(overlay: Arc<dyn Overlay>) -> Result<Proxy, StartError> {
//!     let settings = Settings::new(([127, 0, 0, 1], 5060).into());
//!     let proxy = Proxy::start(settings, overlay).await?;
//!     println!("the proxy of your phone is {}", proxy.listening().udp);
//!     Ok(proxy)
//! }
//! ```

mod calls;
mod edge;
mod error;
mod inspector;
mod media;
mod methods;
mod overlay;
mod pipes;
mod proxy;
mod routing;
mod settings;
mod trace;

pub use calls::{Call, CallState};
pub use error::StartError;
pub use media::{
    Leg, Media, MediaError, MediaFlow, MediaFrame, MediaSettings, MediaUse, MediaWay, Role,
};
pub use overlay::{MEDIA_APPLICATION, Overlay, OverlayError, Path, Peer, Pipe, Purpose};
pub use proxy::{Listening, Phone, Proxy};
pub use settings::{Limits, MediaMode, Settings, TlsListen};
pub use trace::{Direction, Hop, TraceEntry};
