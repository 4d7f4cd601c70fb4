//! Proxies, each at a node of the overlay in memory.

use std::sync::Arc;

use reload_sip_proxy::{MediaMode, Overlay, Proxy, Settings};

use crate::overlay::{DOMAIN, Net};
use crate::phone::{Message, Phone};

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

/// Two users with a phone each.
pub(crate) struct Pair {
    pub(crate) net: Arc<Net>,
    pub(crate) alice_proxy: Proxy,
    pub(crate) bob_proxy: Proxy,
    pub(crate) alice: Phone,
    pub(crate) bob: Phone,
}

impl Pair {
    pub(crate) async fn new() -> Self {
        let net = Net::new();
        let (alice_proxy, bob_proxy) = (proxy(&net, "alice", 1).await, proxy(&net, "bob", 2).await);
        let (alice, bob) = (phone(&alice_proxy, "alice").await, phone(&bob_proxy, "bob").await);
        Self { net, alice_proxy, bob_proxy, alice, bob }
    }

    /// A call of alice to bob that is answered.
    pub(crate) async fn call(&self) -> Call {
        let invite = self.alice.invite(&uri("bob")).await;
        let heard = self.bob.request("INVITE").await;
        self.bob.respond(&heard, "200 OK", "", "").await;
        let answer = self.alice.answer(200).await;
        self.alice.ack(&invite, &answer).await;
        self.bob.request("ACK").await;
        Call { invite, heard, answer }
    }
}

/// A call that was answered.
pub(crate) struct Call {
    /// As alice has sent it.
    pub(crate) invite: Message,
    /// As bob has got it.
    pub(crate) heard: Message,
    /// The 200 as alice has got it.
    pub(crate) answer: Message,
}
