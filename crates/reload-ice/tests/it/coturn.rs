//! `coturn` as TURN server, with our client: a program of its own on a free port of loopback.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reload_ice::{StunClient, TurnLogin};
use reload_wire::CandType;
use tempfile::TempDir;

use crate::socket::{Agent, connect, exchange, skip};

struct Coturn {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Coturn {
    /// Starts it, and waits until it answers.
    fn start() -> Option<Self> {
        let probe = Command::new("turnserver").arg("--version").stdout(Stdio::null()).status();
        if probe.is_err() {
            skip("turnserver (coturn)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let path = folder.path().display();
        let configuration = format!(
            "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={}\nrealm=example.org\n\
             lt-cred-mech\nuser=user:secret\nallow-loopback-peers\nno-tls\nno-dtls\nno-tcp\nno-cli\n\
             userdb={path}/turndb\npidfile={path}/pid\nlog-file={path}/log\nsimple-log\n",
            address.port()
        );
        let file = folder.path().join("turnserver.conf");
        std::fs::write(&file, configuration).unwrap();
        let child = Command::new("turnserver")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { child, address, _folder: folder };
        started.wait();
        Some(started)
    }

    fn wait(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let local = socket.local_addr().unwrap();
        let (start, interval) = (Instant::now(), Duration::from_secs(15));
        let mut client = StunClient::new(start, local, self.address, interval, [1; 32]);
        let request = client.poll_transmit().unwrap().data;
        let mut buffer = [0; 2048];
        while client.mapped().is_none() {
            assert!(start.elapsed() < Duration::from_secs(20), "coturn does not answer");
            let _ = socket.send_to(&request, self.address);
            if let Ok((length, remote)) = socket.recv_from(&mut buffer) {
                client.handle_datagram(Instant::now(), local, remote, &buffer[..length]);
            }
        }
        assert_eq!(client.mapped(), Some(local), "coturn sees us as we are");
    }

    fn login(&self) -> TurnLogin {
        let (username, password) = ("user".to_owned(), "secret".to_owned());
        TurnLogin { server: self.address, username, password }
    }
}

#[test]
fn coturn_relays_for_one_side_and_for_both() {
    let Some(coturn) = Coturn::start() else { return };
    for both in [false, true] {
        let right = both.then(|| coturn.login());
        let mut agents =
            [Agent::new("left", true, Some(coturn.login())), Agent::new("right", false, right)];
        // Their host addresses stay hidden from each other, where a relayed one is known.
        let lonely = !both;
        connect(&mut agents, |it| it.kind == CandType::Relay || lonely, || ());
        let relayed = agents[0].session.report().local.iter().any(|it| it.kind == CandType::Relay);
        assert!(relayed);
        if both {
            let kinds: Vec<_> = agents.iter().map(|it| it.session.selected().unwrap()).collect();
            assert!(kinds.iter().all(|it| it.remote_kind != CandType::Host), "{kinds:?}");
        }
        exchange(&mut agents, || ());
        for agent in &mut agents {
            agent.session.close(Instant::now());
            agent.flush();
        }
    }
}

#[test]
fn coturn_refuses_a_wrong_password_and_gathering_goes_on() {
    let Some(coturn) = Coturn::start() else { return };
    let login = TurnLogin { password: "wrong".to_owned(), ..coturn.login() };
    let mut agents = [Agent::new("left", true, Some(login)), Agent::new("right", false, None)];
    connect(&mut agents, |_| true, || ());
    let candidates = agents[0].candidates.as_ref().unwrap();
    assert!(candidates.iter().all(|it| it.kind == CandType::Host));
    exchange(&mut agents, || ());
}
