//! What a stranger can do who knows both addresses and no key: nothing.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::dtls_rig::{CLIENT, Kind, Pair, SERVER};

/// Type, version, epoch, sequence, length, and the one byte of a ChangeCipherSpec.
const FORGED_CHANGE_CIPHER_SPEC: [u8; 14] = [20, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0xc8, 0, 1, 1];

#[test]
fn a_forged_change_cipher_spec_does_not_silence_a_link() {
    let mut pair = Pair::connected(Kind::Ecdsa, Kind::Ecdsa);
    for epoch in [0, 1, 2, 3] {
        let mut forged = FORGED_CHANGE_CIPHER_SPEC;
        forged[4] = epoch;
        for end in [CLIENT, SERVER] {
            let now = pair.now;
            pair.ends[end].engine.handle_datagram(now, &forged);
            assert_eq!(pair.ends[end].engine.poll_transmit(), None);
        }
    }
    pair.send(CLIENT, b"heard");
    pair.send(SERVER, b"heard too");
    assert_eq!(pair.ends[SERVER].data(), [&b"heard"[..]]);
    assert_eq!(pair.ends[CLIENT].data(), [&b"heard too"[..]]);
}

// R6940-6.6.1-02
#[test]
fn twenty_thousand_forged_and_mutated_datagrams_lose_no_data_and_provoke_no_answer() {
    for (client, server, seed) in [(Kind::Ecdsa, Kind::Ecdsa, 1), (Kind::Rsa, Kind::Rsa, 2)] {
        let mut pair = Pair::connected(client, server);
        let mut random = StdRng::seed_from_u64(seed);
        let mut material: Vec<Vec<u8>> =
            pair.ends.iter().flat_map(|end| &end.sent).map(|datagram| datagram.to_vec()).collect();
        material.push(FORGED_CHANGE_CIPHER_SPEC.to_vec());
        let handshake = [pair.ends[0].sent.len(), pair.ends[1].sent.len()];
        let (mut said, now) = ([0u32; 2], pair.now);
        for round in 0..20_000u32 {
            let end = random.random_range(0..2);
            let noise = forge(&mut random, &material);
            pair.ends[end].engine.handle_datagram(now, &noise);
            let answer = pair.ends[end].engine.poll_transmit();
            assert_eq!(answer, None, "seed {seed}, round {round}: {noise:02x?}");
            if round % 20 == 0 {
                let from = random.random_range(0..2);
                said[from] += 1;
                pair.send(from, &round.to_be_bytes());
                material.push(pair.ends[from].sent.last().unwrap().to_vec());
            }
        }
        pair.settle();
        for (from, to) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
            let heard = pair.ends[to].data().len();
            assert_eq!(u32::try_from(heard).unwrap(), said[from], "seed {seed}: data lost");
            let sent = u32::try_from(pair.ends[from].sent.len() - handshake[from]).unwrap();
            assert_eq!(sent, said[from], "seed {seed}: sent more than data");
            assert_eq!(pair.ends[to].closed(), None);
        }
    }
}

/// A true datagram with some damage, a record with a true header, or mere bytes.
fn forge(random: &mut StdRng, material: &[Vec<u8>]) -> Vec<u8> {
    let mut datagram = material[random.random_range(0..material.len())].clone();
    match random.random_range(0..6) {
        // A replay, as it is.
        0 => {}
        1 => {
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..datagram.len());
                datagram[at] ^= 1 << random.random_range(0..8);
            }
        }
        2 => datagram.truncate(random.random_range(0..datagram.len())),
        // Another type, epoch or sequence number over the same body.
        3 => {
            datagram[0] = random.random_range(19..25);
            datagram[4] = random.random_range(0..3);
            random.fill(&mut datagram[5..11]);
        }
        4 => {
            let body: Vec<u8> = (0..random.random_range(0..80)).map(|_| random.random()).collect();
            datagram = vec![random.random_range(20..24), 0xfe, 0xfd, 0, random.random_range(0..3)];
            datagram.extend(random.random::<[u8; 6]>());
            datagram.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
            datagram.extend(body);
        }
        _ => datagram = (0..random.random_range(0..200)).map(|_| random.random()).collect(),
    }
    datagram
}

#[test]
fn noise_during_a_handshake_does_not_stop_it() {
    for seed in 0..20 {
        let mut pair = Pair::new(Kind::Ecdsa, Kind::Ecdsa);
        let mut random = StdRng::seed_from_u64(seed);
        let now = pair.now;
        for _ in 0..200 {
            for end in 0..2 {
                let size = random.random_range(0..100);
                let mut noise: Vec<u8> = (0..size).map(|_| random.random()).collect();
                pair.ends[end].engine.handle_datagram(now, &noise);
                // Data and a Finished that nobody can read, before there are keys.
                let mut record = vec![random.random_range(22..24), 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0];
                record.extend([random.random(), 0, u8::try_from(noise.len()).unwrap()]);
                record.append(&mut noise);
                pair.ends[end].engine.handle_datagram(now, &record);
            }
        }
        pair.settle();
        assert!(pair.is_connected(), "seed {seed}");
        pair.send(CLIENT, b"heard");
        assert_eq!(pair.ends[SERVER].data(), [b"heard"], "seed {seed}");
    }
}
