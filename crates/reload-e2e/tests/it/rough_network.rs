//! The network of these tests does what it is told to. None of our protocols takes part.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use reload_e2e::netns::{Coturn, Lab, Proxy, Weather};

/// The port of the proxy's hosts.
const PORT: u16 = 6084;

#[test]
fn the_proxy_loses_delays_and_reorders_datagrams_and_hides_itself() {
    let Some(lab) = Lab::open().unwrap() else { return };
    let public = lab.switch("public").unwrap();
    let outside = Ipv4Addr::new(198, 18, 0, 1);
    let gateway = Ipv4Addr::new(203, 0, 113, 1);
    let router = lab.router("router", &public, outside, gateway).unwrap();
    let at = [2, 3].map(|last| Ipv4Addr::new(203, 0, 113, last));
    let hosts = [("one", at[0]), ("two", at[1])]
        .map(|(name, address)| lab.isolated_host(name, &router, address).unwrap());
    let weather = Weather {
        lost: 100,
        delay: Duration::from_millis(30),
        jitter: Duration::from_millis(5),
        late: 50,
        mtu: 1280,
    };
    let proxy = Proxy::between(&router, &at, PORT, weather, 7).unwrap();
    let [one, two] = hosts.each_ref().map(|host| host.udp(host.address(), PORT).unwrap());
    two.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let target = SocketAddr::from((at[1], PORT));
    let begin = Instant::now();
    let send = || {
        for number in 0..1000_u16 {
            one.send_to(&number.to_be_bytes(), target).unwrap();
            // Else the kernel drops what is not read yet.
            sleep(Duration::from_millis(u64::from(number % 20 == 0)));
        }
    };
    let mut arrived = Vec::new();
    let mut buffer = [0; 2];
    std::thread::scope(|scope| {
        scope.spawn(send);
        while let Ok((_, from)) = two.recv_from(&mut buffer) {
            assert_eq!(from, SocketAddr::from((at[0], PORT)));
            assert!(!arrived.is_empty() || begin.elapsed() >= weather.delay, "too early");
            arrived.push(u16::from_be_bytes(buffer));
        }
    });
    println!("  {:?}", proxy.fates());
    assert!((850..950).contains(&arrived.len()), "{} of 1,000 arrive", arrived.len());
    assert!(!arrived.is_sorted());
    assert!(proxy.fates().overtaken > 0);

    one.send_to(&[0; 1253], target).unwrap();
    assert!(two.recv_from(&mut buffer).is_err(), "larger than the MTU");
    assert_eq!(proxy.fates().too_large, 1);
    // The other direction, and other ports.
    one.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let other = hosts[1].udp(at[1], 0).unwrap();
    for _ in 0..20 {
        other.send_to(b"ok", SocketAddr::from((at[0], PORT))).unwrap();
    }
    assert_eq!(one.recv_from(&mut buffer).unwrap().1, other.local_addr().unwrap());
}

#[test]
fn coturn_answers_on_a_host_of_a_test_network() {
    let Some(lab) = Lab::open().unwrap() else { return };
    let public = lab.switch("public").unwrap();
    let host = lab.host("coturn", &public, Ipv4Addr::new(198, 18, 0, 4)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let Some(coturn) = Coturn::start(&host, directory.path()).unwrap() else { return };
    println!("  --turn {}", coturn.option());
}
