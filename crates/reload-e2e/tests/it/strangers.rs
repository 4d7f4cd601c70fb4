//! Who has no right certificate is not let in, and both sides say why.

use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reload_config::{ConfigurationBuilder, Leniency, OverlayDocument, assemble};
use reload_e2e::{Overlay, Peer, Signal, Start, dial_without_certificate, until};
use reload_identity::{
    Credentials, Issuer, KeyPair, Trust, Validity, certificates_to_pem, sign_configuration,
};
use reload_wire::{NodeId, UnixTime};

const OVERLAY: &str = "strangers.example.org";

/// A refusal is told within this.
const LIMIT: Duration = Duration::from_secs(30);

/// Alice waits for strangers.
fn with_alice() -> (Overlay, SocketAddr) {
    let mut overlay = Overlay::new(OVERLAY, None).unwrap();
    let alice = overlay.add_peer("alice").unwrap();
    let address = overlay.peer(alice).address().unwrap();
    (overlay, address)
}

/// A stranger dials alice, who refuses for one reason; the stranger is told another, and stays out.
fn refused(alice: &Peer, stranger: &mut Peer, ours: &str, theirs: &str) {
    let told = stranger.process().unwrap().logged(&["refused by", theirs], LIMIT).unwrap();
    println!("  the stranger: {told}");
    let said = alice.process().unwrap().logged(&["refused 127.0.0.1", ours], LIMIT).unwrap();
    println!("  alice:        {said}");
    assert!(alice.json(&["ring"]).unwrap()["peers"].as_array().unwrap().len() == 1);
    stranger.kill().unwrap();
}

fn towards(address: SocketAddr) -> Start {
    Start { first: false, bootstrap: vec![address] }
}

#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn a_peer_with_a_certificate_of_another_ca_is_refused() {
    let (overlay, address) = with_alice();
    let mut other = Overlay::new(OVERLAY, None).unwrap();
    let mallory = other.enroll("mallory").unwrap();
    trust_too(&other.enrollment_home(), &overlay.enrollment_home(), other.peer(mallory).home());
    other.peer_mut(mallory).spawn(&towards(address)).unwrap();
    let ours = "not issued by a root certificate of this overlay";
    refused(overlay.peer(0), other.peer_mut(mallory), ours, "another CA");
}

/// Mallory trusts the CA of alice as well; else it is mallory who refuses first.
fn trust_too(own: &Path, foreign: &Path, home: &Path) {
    let read = |path: &Path| {
        let document = OverlayDocument::parse(&std::fs::read(path).unwrap()).unwrap();
        document.find(OVERLAY).unwrap().clone()
    };
    let configuration = read(&own.join("overlay.xml"));
    let trust = Trust::new(&configuration, Leniency::Strict).unwrap();
    let mut builder = ConfigurationBuilder::from_configuration(&configuration).unwrap();
    builder.root_certs.extend(read(&foreign.join("overlay.xml")).root_certs.iter().cloned());
    let text = |name: &str| std::fs::read_to_string(own.join(name)).unwrap();
    let signer = Credentials::load(&text("signer.key"), &text("signer.pem"), &trust, now());
    let raw = builder.build().unwrap();
    let signature = sign_configuration(&signer.unwrap(), &raw).unwrap();
    std::fs::write(home.join("overlay.xml"), assemble(&raw, &signature)).unwrap();
}

#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn a_peer_whose_certificate_expires_on_the_way_is_refused_and_then_does_not_start() {
    let (mut overlay, address) = with_alice();
    let mallory = overlay.enroll("mallory").unwrap();
    let expiry = now().saturating_add(Duration::from_secs(5));
    shorten(&overlay, mallory, expiry);
    // The handshake begins while the certificate is good, and waits for alice.
    overlay.peer(0).signal(Signal::Stop).unwrap();
    overlay.peer_mut(mallory).spawn(&towards(address)).unwrap();
    while now() <= expiry.saturating_add(Duration::from_secs(1)) {
        sleep(Duration::from_millis(50));
    }
    overlay.peer(0).signal(Signal::Continue).unwrap();
    let told = overlay.peer(mallory).process().unwrap();
    let told = told.logged(&["refused by", "our certificate is expired"], LIMIT).unwrap();
    let said = overlay.peer(0).process().unwrap();
    let said = said.logged(&["refused 127.0.0.1", "expired"], LIMIT).unwrap();
    println!("  the stranger: {told}\n  alice:        {said}");
    overlay.peer_mut(mallory).kill().unwrap();

    overlay.peer_mut(mallory).spawn(&towards(address)).unwrap();
    let (code, text) = overlay.peer_mut(mallory).ended().unwrap();
    let last = text.lines().last().unwrap_or_default();
    println!("  the stranger: {last}");
    assert_eq!(code, Some(1), "{text}");
    assert!(last.contains("node.crt") && last.contains("expired"), "{text}");
}

/// Gives a peer a certificate for the same key and Node-ID that ends earlier.
fn shorten(overlay: &Overlay, place: usize, not_after: UnixTime) {
    let home = overlay.enrollment_home();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let issuer = Issuer::load(&read(&home.join("ca.key")), &read(&home.join("ca.pem"))).unwrap();
    let peer = overlay.peer(place);
    let key = KeyPair::from_pem(&read(&peer.home().join("node.key"))).unwrap();
    let node_id: NodeId = peer.node_id().parse().unwrap();
    let user = format!("{}@{OVERLAY}", peer.name());
    let not_before = UnixTime(now().0 - 3_600_000);
    let validity = Validity { not_before, not_after };
    let certificate =
        issuer.node_certificate(key.spki(), OVERLAY, &[node_id], Some(&user), validity).unwrap();
    std::fs::write(peer.home().join("node.crt"), certificates_to_pem([&certificate])).unwrap();
}

#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn a_peer_whose_certificate_is_revoked_is_refused_once_the_overlay_knows() {
    let (mut overlay, address) = with_alice();
    let mallory = overlay.enroll("mallory").unwrap();
    let node_id = overlay.peer(mallory).node_id().to_owned();
    overlay.reload_enroll(&["cert", "revoke", &node_id]).unwrap();
    let sequence = |peer: &Peer| peer.json(&["status"]).unwrap()["configuration_sequence"].clone();
    let before = sequence(overlay.peer(0));
    // Bob enrolls with the new configuration and brings it into the overlay.
    let bob = overlay.add_peer("bob").unwrap();
    until("alice has the new configuration", LIMIT, || {
        let now = sequence(overlay.peer(0));
        if now != before { Ok(()) } else { Err(format!("she has {now}")) }
    })
    .unwrap();
    overlay.peer_mut(bob).terminate().unwrap();
    overlay.peer_mut(mallory).spawn(&towards(address)).unwrap();
    let told = overlay.peer(mallory).process().unwrap();
    let told = told.logged(&["refused by", "our certificate is revoked"], LIMIT).unwrap();
    let said = overlay.peer(0).process().unwrap();
    let said = said.logged(&["refused 127.0.0.1", &node_id], LIMIT).unwrap();
    println!("  the stranger: {told}\n  alice:        {said}");
}

#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn a_peer_without_a_certificate_is_refused() {
    let (mut overlay, address) = with_alice();
    let told = dial_without_certificate(address).unwrap();
    println!("  the stranger: {told}");
    assert!(told.contains("CertificateRequired"), "{told}");
    let said = overlay.peer(0).process().unwrap();
    let said = said.logged(&["refused 127.0.0.1", "it shows no certificate"], LIMIT).unwrap();
    println!("  alice:        {said}");

    let mallory = overlay.enroll("mallory").unwrap();
    std::fs::remove_file(overlay.peer(mallory).home().join("node.crt")).unwrap();
    overlay.peer_mut(mallory).spawn(&towards(address)).unwrap();
    let (code, text) = overlay.peer_mut(mallory).ended().unwrap();
    let last = text.lines().last().unwrap_or_default();
    println!("  the stranger: {last}");
    assert_eq!(code, Some(1), "{text}");
    assert!(last.contains("node.crt") && last.contains("reload enroll"), "{text}");
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixTime(u64::try_from(since.as_millis()).unwrap())
}
