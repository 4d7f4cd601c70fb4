//! Session descriptions as phones write them (RFC 8866), and what reaches another one.

use proptest::prelude::*;

use super::*;
use crate::media::attribute::{Need, Token};

/// An offer of baresip 1.0: audio, the address at the session.
const BARESIP: &str = "v=0\r\n\
    o=- 2890844526 2890842807 IN IP4 192.168.1.5\r\n\
    s=-\r\n\
    c=IN IP4 192.168.1.5\r\n\
    t=0 0\r\n\
    a=tool:baresip 1.0.0\r\n\
    m=audio 21234 RTP/AVP 96 0 8 101\r\n\
    b=AS:125\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 stereo=1;sprop-stereo=1\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=rtcp:21235\r\n\
    a=sendrecv\r\n\
    a=label:1\r\n\
    a=rtcp-rsize\r\n\
    a=ssrc:3391337573 cname:sip:alice@overlay.test\r\n\
    a=ptime:20\r\n";

/// An offer of Linphone: audio and video, extended reports.
const LINPHONE: &str = "v=0\r\n\
    o=bob 1234 5678 IN IP4 10.0.0.7\r\n\
    s=Talk\r\n\
    c=IN IP4 10.0.0.7\r\n\
    t=0 0\r\n\
    a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\n\
    a=record:off\r\n\
    m=audio 7078 RTP/AVP 96 97 98 0 8 101 99 100\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 useinbandfec=1\r\n\
    a=rtpmap:101 telephone-event/48000\r\n\
    a=rtcp-fb:* trr-int 1000\r\n\
    a=rtcp-fb:* ccm tmmbr\r\n\
    m=video 9078 RTP/AVPF 96 97\r\n\
    a=rtpmap:96 VP8/90000\r\n\
    a=rtcp:9079 IN IP4 10.0.0.7\r\n\
    a=rtcp-fb:* nack pli\r\n";

fn places(ports: &[(usize, Ports)]) -> Places {
    Places { at: "127.0.0.1".parse().unwrap(), ports: ports.iter().copied().collect() }
}

fn for_phone(sdp: &str, ports: &[(usize, Ports)]) -> String {
    let read = Sdp::read(sdp.as_bytes()).unwrap();
    String::from_utf8(read.for_phone(&places(ports))).unwrap()
}

fn media(sdp: &str) -> Vec<MediaAddress> {
    Sdp::read(sdp.as_bytes()).unwrap().media()
}

fn at(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn the_addresses_of_a_phone_are_those_of_its_media_lines() {
    let [audio] = media(BARESIP)[..] else { panic!("one m= line") };
    assert_eq!((audio.rtp, audio.rtcp), (at("192.168.1.5:21234"), at("192.168.1.5:21235")));
    assert!(audio.carried);
    let [audio, video] = media(LINPHONE)[..] else { panic!("two m= lines") };
    assert_eq!((audio.rtp, audio.rtcp), (at("10.0.0.7:7078"), at("10.0.0.7:7079")));
    assert_eq!((video.rtp, video.rtcp), (at("10.0.0.7:9078"), at("10.0.0.7:9079")));
}

#[test]
fn only_addresses_and_ports_change_on_the_way_to_a_phone() {
    let wanted = BARESIP
        .replace("c=IN IP4 192.168.1.5", "c=IN IP4 127.0.0.1")
        .replace("m=audio 21234 ", "m=audio 40000 ")
        .replace("a=rtcp:21235", "a=rtcp:40001");
    assert_eq!(for_phone(BARESIP, &[(0, (40000, 40001))]), wanted);

    let wanted = LINPHONE
        .replace("c=IN IP4 10.0.0.7", "c=IN IP4 127.0.0.1")
        .replace("m=audio 7078 ", "m=audio 40000 ")
        .replace("m=video 9078 ", "m=video 40002 ")
        .replace("a=rtcp:9079 IN IP4 10.0.0.7", "a=rtcp:40003 IN IP4 127.0.0.1");
    assert_eq!(for_phone(LINPHONE, &[(0, (40000, 40001)), (1, (40002, 40003))]), wanted);
}

#[test]
fn every_other_byte_stays_whatever_it_is() {
    let strange =
        b"v=0\ns=caf\xe9\nz=later\nt=0 0\nm=audio  x y\nq=?\r\nm=audio 1 RTP/AVP 0\nno end";
    let read = Sdp::read(strange).unwrap();
    assert_eq!(read.for_peer(None), strange);
    assert_eq!(read.for_phone(&places(&[])), strange);
    let moved = read.for_phone(&places(&[(1, (40000, 40001))]));
    let wanted = b"v=0\ns=caf\xe9\nz=later\nt=0 0\nm=audio  x y\nq=?\r\n\
        m=audio 40000 RTP/AVP 0\nc=IN IP4 127.0.0.1\nno end";
    assert_eq!(moved, wanted);
}

#[test]
fn a_line_is_ended_before_another_is_added() {
    let read = Sdp::read(b"v=0\r\nm=audio 1 RTP/AVP 0\r").unwrap();
    let moved = read.for_phone(&places(&[(0, (40000, 40001))]));
    assert_eq!(moved, b"v=0\r\nm=audio 40000 RTP/AVP 0\r\r\nc=IN IP4 127.0.0.1");
}

#[test]
fn what_does_not_begin_as_an_sdp_is_none() {
    assert!(Sdp::read(b"").is_none());
    assert!(Sdp::read(b"hello\r\nv=0\r\n").is_none());
}

#[test]
fn the_attribute_stands_at_the_session_and_is_taken_away_again() {
    let relay = RelayAttribute { token: Token(0x12ab), need: Need::Needed };
    let sent = Sdp::read(BARESIP.as_bytes()).unwrap().for_peer(Some(relay));
    let wanted = BARESIP.replace("m=audio", "a=reload-relay:1 000012ab needed\r\nm=audio");
    assert_eq!(String::from_utf8(sent.clone()).unwrap(), wanted);

    let read = Sdp::read(&sent).unwrap();
    assert_eq!(read.relay(), Some(relay));
    assert_eq!(read.for_peer(None), BARESIP.as_bytes());
    assert_eq!(read.for_phone(&places(&[])), BARESIP.as_bytes());
    let phone = String::from_utf8(read.for_phone(&places(&[(0, (40000, 40001))]))).unwrap();
    assert!(!phone.contains("reload-relay"));
}

#[test]
fn an_attribute_that_a_phone_wrote_is_replaced() {
    let forged = BARESIP.replace("m=audio", "a=reload-relay:1 0000ffff needed\r\nm=audio");
    let relay = RelayAttribute { token: Token(1), need: Need::Possible };
    let sent = Sdp::read(forged.as_bytes()).unwrap().for_peer(Some(relay));
    let wanted = BARESIP.replace("m=audio", "a=reload-relay:1 00000001 possible\r\nm=audio");
    assert_eq!(String::from_utf8(sent).unwrap(), wanted);
}

#[test]
fn an_attribute_below_a_media_line_is_none() {
    let late = format!("{BARESIP}a=reload-relay:1 0000ffff needed\r\n");
    assert_eq!(Sdp::read(late.as_bytes()).unwrap().relay(), None);
}

#[test]
fn a_refused_stream_stays_refused() {
    let answer = LINPHONE.replace("m=video 9078", "m=video 0");
    let video = media(&answer)[1];
    assert_eq!((video.carried, video.rtp, video.rtcp), (false, None, None));
    let phone = for_phone(&answer, &[(0, (40000, 40001))]);
    assert!(phone.contains("m=video 0 RTP/AVPF 96 97\r\na=rtpmap:96 VP8"), "{phone}");
}

#[test]
fn a_hold_stays_a_hold() {
    let held = BARESIP.replace("c=IN IP4 192.168.1.5", "c=IN IP4 0.0.0.0");
    let [audio] = media(&held)[..] else { panic!("one m= line") };
    assert_eq!((audio.connection, audio.rtp), (Connection::Held, None));
    assert!(audio.carried);
    let phone = for_phone(&held, &[(0, (40000, 40001))]);
    assert!(phone.contains("c=IN IP4 0.0.0.0\r\n"), "{phone}");
    assert!(phone.contains("m=audio 40000 "), "{phone}");

    let held = BARESIP.replace("a=sendrecv", "a=sendonly");
    assert!(for_phone(&held, &[(0, (40000, 40001))]).contains("a=sendonly\r\n"));
}

#[test]
fn the_address_of_a_media_line_comes_before_that_of_the_session() {
    let own = LINPHONE.replace(
        "m=video 9078 RTP/AVPF 96 97\r\n",
        "m=video 9078 RTP/AVPF 96\r\nc=IN IP4 10.0.0.9\r\n",
    );
    assert_eq!(media(&own)[1].rtp, at("10.0.0.9:9078"));
    let phone = for_phone(&own, &[(1, (40002, 40003))]);
    assert!(phone.contains("c=IN IP4 10.0.0.7\r\nt=0 0"), "audio still leans on it: {phone}");
    assert!(phone.contains("m=video 40002 RTP/AVPF 96\r\nc=IN IP4 127.0.0.1\r\n"), "{phone}");
}

#[test]
fn media_that_is_not_carried_keeps_its_address() {
    let with_chat =
        format!("{BARESIP}m=message 2855 TCP/MSRP *\r\ni=chat\r\na=path:msrp://x;tcp\r\n");
    let [audio, chat] = media(&with_chat)[..] else { panic!("two m= lines") };
    assert_eq!((audio.carried, chat.carried), (true, false));
    let phone = for_phone(&with_chat, &[(0, (40000, 40001))]);
    let kept =
        "m=message 2855 TCP/MSRP *\r\ni=chat\r\nc=IN IP4 192.168.1.5\r\na=path:msrp://x;tcp\r\n";
    assert!(phone.ends_with(kept), "{phone}");
}

#[test]
fn port_ranges_and_groups_of_hosts_are_not_carried() {
    let range = BARESIP.replace("m=audio 21234 ", "m=audio 21234/2 ");
    assert!(!media(&range)[0].carried);
    let group = BARESIP.replace("c=IN IP4 192.168.1.5", "c=IN IP4 224.2.1.1/127");
    assert!(!media(&group)[0].carried);
}

#[test]
fn an_sdp_without_an_address_gets_one() {
    let bare = BARESIP.replace("c=IN IP4 192.168.1.5\r\n", "");
    assert_eq!(media(&bare)[0].rtp, None);
    let phone = for_phone(&bare, &[(0, (40000, 40001))]);
    assert!(
        phone.contains("m=audio 40000 RTP/AVP 96 0 8 101\r\nc=IN IP4 127.0.0.1\r\nb=AS"),
        "{phone}"
    );
}

#[test]
fn an_address_of_the_other_family_is_written_as_such() {
    let six = BARESIP.replace("c=IN IP4 192.168.1.5", "c=IN IP6 fd00::5");
    assert_eq!(media(&six)[0].rtp, at("[fd00::5]:21234"));
    assert!(for_phone(&six, &[(0, (40000, 40001))]).contains("c=IN IP4 127.0.0.1\r\n"));
    let places = Places { at: "::1".parse().unwrap(), ports: places(&[(0, (40000, 40001))]).ports };
    let phone = Sdp::read(BARESIP.as_bytes()).unwrap().for_phone(&places);
    assert!(String::from_utf8(phone).unwrap().contains("c=IN IP6 ::1\r\n"));
}

#[test]
fn a_name_instead_of_an_address_is_no_address() {
    let named = BARESIP.replace("c=IN IP4 192.168.1.5", "c=IN IP4 phone.example.com");
    let [audio] = media(&named)[..] else { panic!("one m= line") };
    assert_eq!((audio.connection, audio.rtp, audio.carried), (Connection::Name, None, true));
    assert!(for_phone(&named, &[(0, (40000, 40001))]).contains("c=IN IP4 127.0.0.1\r\n"));
}

// RFC 3605 and RFC 5761.
#[test]
fn rtcp_goes_where_it_is_said_to_go() {
    let elsewhere = BARESIP.replace("a=rtcp:21235", "a=rtcp:5555 IN IP4 192.168.1.9");
    assert_eq!(media(&elsewhere)[0].rtcp, at("192.168.1.9:5555"));
    let shared = BARESIP.replace("a=rtcp:21235", "a=rtcp:21234\r\na=rtcp-mux");
    assert_eq!(media(&shared)[0].rtcp, at("192.168.1.5:21234"));
    let phone = for_phone(&shared, &[(0, (40000, 40001))]);
    assert!(phone.contains("a=rtcp:40000\r\na=rtcp-mux\r\n"), "{phone}");
    let unsaid = BARESIP.replace("a=rtcp:21235\r\n", "");
    assert_eq!(media(&unsaid)[0].rtcp, at("192.168.1.5:21235"));
    assert!(!for_phone(&unsaid, &[(0, (40000, 40001))]).contains("a=rtcp:"));
    let last = unsaid.replace("m=audio 21234 ", "m=audio 65535 ");
    assert_eq!(media(&last)[0].rtcp, None);
}

#[test]
fn ice_of_a_phone_does_not_lead_around_the_relay() {
    let ice = BARESIP
        .replace("t=0 0\r\n", "t=0 0\r\na=ice-options:trickle\r\na=group:BUNDLE 0\r\n")
        .replace(
            "a=label:1\r\n",
            "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
             a=candidate:1 1 UDP 2130706431 192.168.1.5 21234 typ host\r\na=end-of-candidates\r\n\
             a=label:1\r\n",
        );
    assert!(Sdp::read(ice.as_bytes()).unwrap().has_candidates());
    assert!(!Sdp::read(BARESIP.as_bytes()).unwrap().has_candidates());
    let relayed = for_phone(&ice, &[(0, (40000, 40001))]);
    assert_eq!(relayed, for_phone(BARESIP, &[(0, (40000, 40001))]));
    assert_eq!(for_phone(&ice, &[]), ice);
}

/// Lines as they come, or almost so, with the ends that come, or not.
fn any_sdp() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "c=IN IP4 10.0.0.1",
        "c=IN IP4 0.0.0.0",
        "c=IN IP6 ::1",
        "c=",
        "c=IN IP4 224.1.1.1/3",
        "m=audio 4000 RTP/AVP 0",
        "m=video 0 RTP/AVP 96",
        "m=audio 4000/2 RTP/AVP 0",
        "m=message 4000 TCP/MSRP *",
        "m=",
        "m=audio",
        "m=audio 70000 RTP/AVP 0",
        "i=title",
        "a=rtcp:5000",
        "a=rtcp:5000 IN IP4 10.0.0.2",
        "a=rtcp:",
        "a=reload-relay:1 0000000b needed",
        "a=group:BUNDLE 0 1",
        "a=candidate:1 1 UDP 1 10.0.0.1 4000 typ host",
        "",
    ]);
    let line = prop_oneof![
        4 => known.prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    let end = prop::sample::select(vec!["\r\n", "\n", "\r", ""]);
    prop::collection::vec((line, end), 0..20).prop_map(|lines| {
        let lines = lines.into_iter().flat_map(|(line, end)| [line, end.as_bytes().to_vec()]);
        [b"v=0\r\n".to_vec(), lines.collect::<Vec<_>>().concat()].concat()
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_read_and_what_is_moved_reads_as_moved(sdp in any_sdp()) {
        let read = Sdp::read(&sdp).unwrap();
        let bare = read.for_peer(None);
        if !sdp.windows(15).any(|part| part == RelayAttribute::PREFIX) {
            prop_assert_eq!(&bare, &sdp);
        }
        let carried: Vec<usize> =
            read.media().iter().enumerate().filter(|(_, m)| m.carried).map(|(i, _)| i).collect();
        let ports: Vec<(usize, Ports)> = carried.iter().map(|&i| (i, (40_000, 40_001))).collect();
        let moved = read.for_phone(&places(&ports));
        let again = Sdp::read(&moved).unwrap();
        prop_assert_eq!(again.media().len(), read.media().len());
        for (before, after) in read.media().iter().zip(again.media()) {
            prop_assert_eq!(before.carried, after.carried);
            match before.connection {
                Connection::Held if before.carried => prop_assert_eq!(after.rtp, None),
                _ if before.carried => prop_assert_eq!(after.rtp, at("127.0.0.1:40000")),
                _ => prop_assert_eq!((before.rtp, before.rtcp), (after.rtp, after.rtcp)),
            }
        }
    }
}
