//! Discovery by DNS (section 11.2) against a small name server on loopback: what is asked for, where the
//! connection goes, and under which name the configuration server is believed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use reload_net::{Discovery, DiscoveryError, HttpsClient};
use tokio::net::UdpSocket;

use crate::https::{echo, server};
use crate::kit::{OVERLAY, Overlay, loopback, nobody, soon, valid};

const A: u16 = 1;
const SRV: u16 = 33;
const SERVICE: &str = "_reload-config._tcp.overlay.example.org";

/// A record: name, type, data.
type Record = (&'static str, u16, Vec<u8>);

/// A name server with these records; it knows no other names, or answers all with a failure.
struct Dns {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

impl Dns {
    async fn start(records: Vec<Record>) -> Self {
        Self::start_with(records, 3).await
    }

    /// `otherwise` is the response code where there is no record.
    async fn start_with(records: Vec<Record>, otherwise: u8) -> Self {
        let socket = UdpSocket::bind(loopback()).await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut query = [0; 1500];
            loop {
                let (size, from) = socket.recv_from(&mut query).await.unwrap();
                let (name, kind, end) = question(&query[..size]);
                let found = |record: &&Record| record.0 == name && record.1 == kind;
                let found: Vec<&Record> = records.iter().filter(found).collect();
                log.lock().unwrap().push((name, kind));
                let answer = answer(&query[..end], &found, otherwise);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { address, asked }
    }

    async fn servers(&self) -> Result<Vec<SocketAddr>, DiscoveryError> {
        soon(Discovery::with_server(self.address).unwrap().servers(OVERLAY)).await
    }

    fn was_asked(&self, name: &str, kind: u16) -> bool {
        self.asked.lock().unwrap().contains(&(name.to_owned(), kind))
    }
}

/// Name and type asked for, and where the question ends.
fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8(query[at + 1..end].to_vec()).unwrap());
        at = end;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    (labels.join(".").to_ascii_lowercase(), kind, at + 5)
}

fn answer(query: &[u8], records: &[&Record], otherwise: u8) -> Vec<u8> {
    let mut out = query.to_vec();
    out[2] = 0x84; // a response of an authority
    out[3] = if records.is_empty() { otherwise } else { 0 };
    out[6..12].copy_from_slice(&[0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    for (_, kind, data) in records {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(data);
    }
    out
}

fn srv(priority: u16, port: u16, target: &str) -> Record {
    let mut data = Vec::new();
    for number in [priority, 5, port] {
        data.extend(number.to_be_bytes());
    }
    for label in target.split('.').filter(|label| !label.is_empty()) {
        data.push(u8::try_from(label.len()).unwrap());
        data.extend(label.bytes());
    }
    data.push(0);
    (SERVICE, SRV, data)
}

fn here(name: &'static str) -> Record {
    (name, A, vec![127, 0, 0, 1])
}

fn port_of(url: &str) -> u16 {
    let authority = url.trim_start_matches("https://").split('/').next().unwrap();
    authority.parse::<SocketAddr>().unwrap().port()
}

/// What a client gets that goes where the name server says.
async fn get(overlay: &Overlay, dns: &Dns) -> Result<String, String> {
    let servers = dns.servers().await.unwrap();
    let servers = servers.iter().map(|server| (server.ip().to_string(), server.port())).collect();
    let ca = overlay.issuer.certificate_pem();
    let client = HttpsClient::new(Some(ca.as_bytes()), None).unwrap().at(servers);
    let url = format!("https://{OVERLAY}/.well-known/reload-config");
    let answer = soon(client.get(&url, "*/*")).await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(answer.body.to_vec()).unwrap())
}

// R6940-11.2-04
// R6940-11.2-05
// R6940-11.2-08
#[tokio::test]
async fn the_srv_record_says_where_to_connect_and_the_overlay_name_what_to_ask_for() {
    let overlay = Overlay::new();
    let url = server(&overlay, OVERLAY, valid(), echo).await;
    let dns = Dns::start(vec![srv(1, port_of(&url), "cfg.example.net"), here("cfg.example.net")]);
    let dns = dns.await;
    let seen = get(&overlay, &dns).await.unwrap();
    assert!(seen.starts_with("GET /.well-known/reload-config HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {OVERLAY}\r\n")), "{seen}");
    assert!(dns.was_asked(SERVICE, SRV) && dns.was_asked("cfg.example.net", A));
    assert!(!dns.was_asked(OVERLAY, A));
}

// R6940-11.2-07
#[tokio::test]
async fn a_certificate_of_the_srv_target_is_not_that_of_the_overlay() {
    let overlay = Overlay::new();
    let url = server(&overlay, "cfg.example.net", valid(), echo).await;
    let dns = Dns::start(vec![srv(1, port_of(&url), "cfg.example.net"), here("cfg.example.net")]);
    let error = get(&overlay, &dns.await).await.unwrap_err();
    assert!(error.contains("names neither its host nor the overlay"), "{error}");
}

#[tokio::test]
async fn the_next_server_is_tried_when_the_first_does_not_listen() {
    let overlay = Overlay::new();
    let url = server(&overlay, OVERLAY, valid(), echo).await;
    let (_held, silent) = nobody();
    let records = vec![
        srv(2, port_of(&url), "b.example.net"),
        srv(1, silent.port(), "a.example.net"),
        here("a.example.net"),
        here("b.example.net"),
    ];
    let dns = Dns::start(records).await;
    let ports: Vec<u16> = dns.servers().await.unwrap().iter().map(SocketAddr::port).collect();
    assert_eq!(ports, [silent.port(), port_of(&url)]);
    assert!(get(&overlay, &dns).await.is_ok());
}

#[tokio::test]
async fn without_a_record_it_is_port_443_of_the_overlay_name() {
    let dns = Dns::start(vec![here(OVERLAY)]).await;
    assert_eq!(dns.servers().await.unwrap(), ["127.0.0.1:443".parse::<SocketAddr>().unwrap()]);
    assert!(dns.was_asked(SERVICE, SRV));
}

#[tokio::test]
async fn a_failure_of_the_name_server_is_not_taken_for_no_record() {
    for code in [2, 5] {
        let dns = Dns::start_with(vec![here(OVERLAY)], code).await;
        let error = dns.servers().await.unwrap_err().to_string();
        assert!(error.contains(SERVICE) && error.contains("--config-url"), "{error}");
        assert!(!dns.was_asked(OVERLAY, A));
    }
}

#[tokio::test]
async fn a_target_of_the_root_says_that_there_is_no_server() {
    let dns = Dns::start(vec![srv(1, 0, "."), here(OVERLAY)]).await;
    assert!(matches!(dns.servers().await.unwrap_err(), DiscoveryError::NotOffered(_)));
}

#[tokio::test]
async fn names_without_an_address_are_named() {
    let dns = Dns::start(vec![srv(1, 443, "cfg.example.net")]).await;
    let error = dns.servers().await.unwrap_err().to_string();
    assert!(error.contains("cfg.example.net"), "{error}");
    let dns = Dns::start(Vec::new()).await;
    let error = dns.servers().await.unwrap_err().to_string();
    assert!(error.contains(OVERLAY), "{error}");
}
