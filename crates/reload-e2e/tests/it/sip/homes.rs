//! Phones in homes behind NATs, which know nothing of it: the peers carry the sound.

use reload_e2e::Site;
use reload_e2e::netns::Nat;
use reload_e2e::phones::{Account, Baresip};

use super::calls::{HIGH, LOW, check_sound, talk};
use super::village::{SOON, proxy};
use crate::nat::town::{Access, Citizen, Town};

/// A phone is on the machine of its peer.
const PROXY: &str = "127.0.0.1:5060";

const CITIZENS: [Citizen; 5] = [
    Citizen::new("alice", Access::Public),
    Citizen::new("bob", Access::Behind(Nat::PortRestricted)),
    Citizen::new("carol", Access::Behind(Nat::PortRestricted)),
    Citizen { name: "dave", access: Access::Behind(Nat::Symmetric), coturn: true },
    Citizen { name: "erin", access: Access::Behind(Nat::Symmetric), coturn: true },
];

#[test]
#[ignore = "takes minutes: run by `cargo xtask e2e`"]
fn homes_behind_nats_call_each_other_and_hear_each_other() {
    let Some(mut town) = Town::build("sip", &["--ice"], &CITIZENS) else { return };
    for (place, citizen) in CITIZENS.iter().enumerate() {
        let turn = town.streets.coturn.as_ref().filter(|_| citizen.coturn);
        let turn = turn.map(|coturn| coturn.option());
        let mut options = vec!["--sip", PROXY];
        options.extend(turn.iter().flat_map(|option| ["--turn", option]));
        town.overlay.peer_mut(place).set_options(&options);
        town.start(place);
    }
    town.overlay.settle().unwrap();
    let directory = tempfile::tempdir().unwrap();
    // Directly, with a relay, and to somebody without a NAT.
    for (from, to) in [(1, 2), (3, 4), (3, 1), (2, 0)] {
        let phone = |place: usize, hertz| {
            let site = Site::from(&town.streets.machines[place]);
            let address = proxy(town.overlay.peer(place)).unwrap();
            let account = Account::new(CITIZENS[place].name, town.overlay.name(), address);
            Baresip::start(&site, directory.path(), account, hertz).unwrap()
        };
        let (Some(mut caller), Some(mut callee)) = (phone(from, LOW), phone(to, HIGH)) else {
            return;
        };
        caller.registered(SOON).unwrap();
        callee.registered(SOON).unwrap();
        let [from, to] = [from, to].map(|place| &CITIZENS[place]);
        println!("  {} ({}) calls {} ({})", from.name, from.access, to.name, to.access);
        caller.dial(&format!("sip:{}", callee.account().address())).unwrap();
        assert_eq!(callee.rings(SOON).unwrap(), format!("sip:{}", caller.account().address()));
        callee.accept().unwrap();
        talk(&mut caller, &mut callee);
        callee.hang_up().unwrap();
        caller.closed(SOON).unwrap();
        check_sound(&caller, HIGH, LOW);
        check_sound(&callee, LOW, HIGH);
        caller.switch_off().unwrap();
        callee.switch_off().unwrap();
    }
    town.close();
}
