//! Scripts to start from: each flow of the datagram targets once, in order and under attack.

/// Scripts for a target of this folder.
pub(crate) fn scripts(target: &str) -> Vec<Vec<u8>> {
    let heads = match target {
        "dtls_records" => dtls(),
        "reliable_link" => reliable(),
        "stun_ice" => [session(), turn()].concat(),
        _ => endpoint(),
    };
    let all_zero = [vec![0; 48], (0..=255).collect()];
    heads.into_iter().chain(all_zero).collect()
}

/// Every role and the gate; a handshake at once, in steps, with loss, under forgery.
fn dtls() -> Vec<Vec<u8>> {
    const TALK: &[u8] = &[10, 9, 11, 9, 13, 4, 3, 13];
    const ALL: &[u8] = &[13];
    const STEPS: &[u8] =
        &[2, 5, 0, 0, 3, 0, 30, 9, 2, 2, 1, 2, 0, 0, 0, 0, 1, 0, 2, 1, 1, 2, 2, 13];
    const LOSS: &[u8] = &[2, 6, 8, 2, 7, 8, 13, 2, 3, 0, 3, 0, 14, 7, 8, 13, 8, 13, 8, 13];
    const FORGED: &[u8] = &[
        13, 1, 0, 0, 0, 0, 0, 9, 0, 1, 1, // ChangeCipherSpec of epoch 0
        1, 1, 0, 0, 0, 0, 9, 0, 2, 2, 40, // a fatal alert in the clear
        1, 3, 1, 0, 0, 0, 9, 0, 26, 0, 0, 0, 0, 0, 0, 0, 9, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 5, 0, 0, 3, 0, 20, 1, 13,
    ];
    const GOODBYE: &[u8] = &[13, 12, 77, 1, 13, 8, 8];
    let mut scripts = Vec::new();
    for choice in 0..4 {
        for way in [ALL, STEPS, LOSS, FORGED, GOODBYE] {
            scripts.push([&[choice], way, TALK].concat());
        }
    }
    scripts
}

/// Both senders: messages, ACKs, probes, silence, forged frames.
fn reliable() -> Vec<Vec<u8>> {
    const TALK: &[u8] =
        &[10, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 3, 200, 13, 8, 13, 11, 0, 90];
    const SILENCE: &[u8] = &[10, 2, 0, 9, 0, 9, 8, 8, 8, 8, 8, 8, 8, 8];
    const FORGED: &[u8] = &[
        1, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0, 1, 0, 9, 2, 0x80, 0, 3, 0, 0, 0, 0, 1, 0, 0, 11, 128, 0,
        0, 0, 1, 0, 0, 2, 7, 7, 5, 0, 0, 3, 0, 2, 9, 12, 1, 1, 0,
    ];
    const LATE: &[u8] = &[10, 3, 0, 9, 0, 9, 2, 200, 8, 8, 13, 7, 8, 8, 13, 9, 2, 0, 13];
    let mut scripts = Vec::new();
    for choice in 0..2 {
        for way in [TALK, SILENCE, FORGED, LATE] {
            scripts.push([&[choice], way, TALK].concat());
        }
    }
    scripts
}

/// Candidates, checks and bytes, with a STUN server and without; strangers with the password.
fn session() -> Vec<Vec<u8>> {
    const MEET: &[u8] = &[13, 8, 13, 11, 0, 13, 8, 13, 8, 13, 8, 13, 8, 13, 10, 13, 9, 20, 0, 13];
    const SIGNED: &[u8] = &[
        1, 45, 1, 0, 0, 0, 0, 7, 3, 15, 1, 9, 9, 9, 9, 18, 1, 0, 0, 0, 9, 16, 1, 0, 0, 1, 16, 0, 8,
        13,
    ];
    const OTHERS: &[u8] =
        &[13, 11, 3, 45, 1, 4, 2, 1, 0, 8, 13, 8, 13, 5, 0, 0, 3, 0, 9, 1, 13, 12, 1, 13, 8];
    let ways = [MEET.to_vec(), [MEET, SIGNED].concat(), OTHERS.to_vec(), [SIGNED, MEET].concat()];
    let choices = [0, 1, 2, 3, 12];
    let with = |choice: u8| ways.clone().map(|way| [&[0, choice][..], &way].concat());
    choices.into_iter().flat_map(with).collect()
}

const ALLOCATE: &[u8] = &[1, 1, 0, 0, 0, 0, 1, 1, 12, 1, 0];
const PERMIT: &[u8] = &[1, 1, 2, 0, 0, 0, 2, 1, 5, 1, 45, 0, 0];
const BIND: &[u8] = &[1, 1, 3, 0, 0, 0, 3, 2, 3, 1, 0, 0, 5, 1, 45, 0, 0];
const SEND: &[u8] = &[6, 0, 1, 0, 3, 7, 7, 7];
const RECEIVE: &[u8] = &[5, 0, 45, 0, 0, 2, 9, 9, 4, 1, 0, 3, 0, 0, 1];
const REFRESH: &[u8] = &[1, 1, 1, 0, 0, 0, 5, 1, 4, 1, 0, 0, 0, 0, 0];

/// An allocation with a permission and a channel, used. The first one is told the nonce.
pub(super) fn turn_parts() -> [&'static [u8]; 6] {
    [ALLOCATE, ALLOCATE, PERMIT, BIND, SEND, RECEIVE]
}

/// The same, refreshed and left to end; and more clients than there is room for.
fn turn() -> Vec<Vec<u8>> {
    let all = [&[1][..], &turn_parts().concat(), REFRESH, &[7, 0, 200, 8, 9, 0]].concat();
    let crowd = [1, 2, 3, 4, 5].map(|from| {
        let mut allocate = ALLOCATE.to_vec();
        allocate[1] = from;
        allocate
    });
    let crowd = [&[1][..], ALLOCATE, &crowd.concat(), RECEIVE, &[8, 8]].concat();
    vec![all, crowd]
}

/// A link by ICE and one dialled each way, an application, and all of it moved, spoilt and closed.
fn endpoint() -> Vec<Vec<u8>> {
    const ATTACH: &[u8] = &[1, 1, 0, 16, 15, 16, 15, 12, 0, 0, 90, 13, 0, 3, 90, 16, 9];
    const ANSWER: &[u8] = &[1, 1, 1, 16, 15, 16, 15, 12, 0, 0, 90, 13, 0, 0, 90, 16, 9];
    const PIPE: &[u8] = &[1, 2, 6, 16, 15, 16, 15, 12, 0, 0, 90, 13, 0, 0, 90, 16, 9];
    const DIAL: &[u8] = &[2, 3, 0, 16, 15, 12, 0, 0, 90, 13, 0, 0, 90, 16, 9];
    const DIALLED: &[u8] = &[2, 4, 1, 16, 15, 12, 0, 0, 90, 13, 0, 0, 90, 16, 9];
    const LISTEN: &[u8] = &[0, 5, 6, 16, 2, 10, 11, 60, 0, 10];
    const TROUBLE: &[u8] = &[
        7, 0, 0, 3, 0, 20, 1, 6, 3, 0, 45, 0, 15, 1, 2, 16, 9, 11, 20, 0, 16, 9, 15, 2, 0, 16, 9,
        14, 0, 1, 16, 9,
    ];
    let mut scripts = Vec::new();
    for choice in 0..4 {
        for way in [ATTACH, ANSWER, PIPE, DIAL, DIALLED, LISTEN] {
            scripts.push([&[choice], way, TROUBLE].concat());
        }
    }
    scripts.push([&[0], ATTACH, DIAL, DIALLED, PIPE].concat());
    scripts
}
