//! The certificate enrollment service of a RELOAD overlay (RFC 6940 sections 11.2 and 11.3): its
//! authority, its accounts, the certificates it issues and the signed configuration it serves. The
//! program `reload-enroll` is a thin shell over this library, and a demonstration runs it in its
//! own process:
//!
//! ```no_run
//! use enrollment_server::{Home, InitOptions, ServeOptions, Server, init};
//!
//! # async fn run() -> anyhow::Result<()> {
//! let home = Home::new("/var/lib/reload-enroll");
//! let accounts = init(&home, InitOptions::new("overlay.example.org")).await?;
//! accounts.add("alice@overlay.example.org", "secret").await?;
//! let server = Server::bind(&home, ServeOptions::default()).await?;
//! println!("ready https={}", server.address());
//! server.run(std::future::pending()).await
//! # }
//! ```

mod accounts;
mod authority;
mod certificates;
pub mod cli;
mod clock;
mod devices;
mod document;
mod enroll;
mod home;
mod http;
mod init;
mod limits;
mod password;
mod request;
mod revoke;
mod serial;
mod server;
mod signer;
mod url;
mod web_certificate;

pub use accounts::{Account, Accounts};
pub use certificates::IssuedCertificate;
pub use devices::NodeIdLimits;
pub use document::{PublishOptions, Published, publish, set};
pub use home::Home;
pub use init::{Domains, InitOptions, init};
pub use limits::AttemptLimits;
pub use password::PasswordCost;
pub use revoke::{Revocation, revoke};
pub use server::{ServeOptions, Server};
