//! Proxies, each at a node of the overlay in memory.

use std::sync::Arc;

use reload_sip_proxy::{MediaMode, Overlay, Proxy, Settings};

use crate::overlay::{DOMAIN, Net};
use crate::phone::Phone;

/// A proxy for a user.
pub(crate) async fn proxy(net: &Arc<Net>, user: &str, number: u8) -> Proxy {
    proxy_with(net, user, number, |_| {}).await
}

/// A proxy with other settings.
pub(crate) async fn proxy_with(
    net: &Arc<Net>,
    user: &str,
    number: u8,
    change: impl FnOnce(&mut Settings),
) -> Proxy {
    let overlay: Arc<dyn Overlay> = net.node(user, number);
    let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
    settings.media = MediaMode::Direct;
    change(&mut settings);
    Proxy::start(settings, overlay).await.unwrap()
}

/// A phone of the user of a proxy, registered.
pub(crate) async fn phone(proxy: &Proxy, user: &str) -> Phone {
    let phone = stranger(proxy, user).await;
    phone.register().await;
    phone
}

/// A phone that has not registered.
pub(crate) async fn stranger(proxy: &Proxy, user: &str) -> Phone {
    Phone::new(&aor(user), proxy.listening().udp).await
}

pub(crate) fn aor(user: &str) -> String {
    format!("{user}@{DOMAIN}")
}

pub(crate) fn uri(user: &str) -> String {
    format!("sip:{user}@{DOMAIN}")
}
