//! Scripts to start from, made by hand: what phones and peers say in each flow, well and badly.

type Steps = &'static [&'static [u8]];

macro_rules! head {
    ($line:literal, $from:literal, $to:literal, $call:literal, $cseq:literal $(, $more:literal)*) => {
        concat!(
            $line, " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK", $call,
            "\r\nMax-Forwards: 70\r\nFrom: ", $from, ";tag=a\r\nTo: ", $to, "\r\nCall-ID: ", $call,
            "\r\nCSeq: ", $cseq, "\r\n" $(, $more, "\r\n")*
        )
    };
}

macro_rules! say {
    ($line:literal, $from:literal, $to:literal, $call:literal, $cseq:literal $(, $more:literal)*) => {
        concat!(head!($line, $from, $to, $call, $cseq $(, $more)*), "Content-Length: 0\r\n\r\n")
            .as_bytes()
    };
}

macro_rules! sdp {
    () => {
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 6000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    };
}

macro_rules! with_sdp {
    ($head:expr) => {
        concat!($head, "Content-Type: application/sdp\r\nContent-Length: 123\r\n\r\n", sdp!())
            .as_bytes()
    };
}

const REGISTER: &[u8] = say!(
    "REGISTER sip:dht.example",
    "<sip:bob@dht.example>",
    "<sip:bob@dht.example>",
    "reg",
    "1 REGISTER",
    "Contact: \"Bob\" <sip:phone@192.0.2.9:5999;transport=udp>;q=0.7;expires=600",
    "Allow: INVITE, ACK, BYE, CANCEL",
    "User-Agent: seed"
);
const INVITE: &[u8] = with_sdp!(head!(
    "INVITE sip:carol@dht.example",
    "\"Bob\" <sip:bob@dht.example>",
    "<sip:carol@dht.example>",
    "call",
    "1 INVITE",
    "Contact: <sip:phone@192.0.2.9:5999>",
    "Supported: 100rel, timer",
    "P-Asserted-Identity: <sip:eve@dht.example>"
));
const INVITED: &[u8] = with_sdp!(head!(
    "INVITE sip:bob@dht.example",
    "<sip:carol@dht.example>",
    "<sip:bob@dht.example>",
    "called",
    "1 INVITE",
    "Contact: <sip:carol@dht.example;gr=ARACAgICAgICAgICAgICAgIC>",
    "Record-Route: <sip:carol@dht.example;gr=ARACAgICAgICAgICAgICAgIC;lr>"
));
const CANCEL: &[u8] = say!(
    "CANCEL sip:carol@dht.example",
    "\"Bob\" <sip:bob@dht.example>",
    "<sip:carol@dht.example>",
    "call",
    "1 INVITE"
);
const ANSWER: &[u8] = concat!(
    "@an200Contact: <sip:carol@dht.example;gr=ARACAgICAgICAgICAgICAgIC>\r\n\
     Content-Type: application/sdp\r\nContent-Length: 123\r\n\r\n",
    sdp!()
)
.as_bytes();
const PHONE_ANSWER: &[u8] = concat!(
    "@ap200Contact: <sip:phone@192.0.2.9:5999>\r\n\
     Content-Type: application/sdp\r\nContent-Length: 123\r\n\r\n",
    sdp!()
)
.as_bytes();

/// A phone calls and hangs up.
pub(super) const CALL: Steps = &[
    REGISTER,
    INVITE,
    b"@an180",
    ANSWER,
    b"@dpACK ",
    b"@dpINFO ",
    b"@an200",
    b"@dnINVITE ",
    b"@ap488",
    b"@dpBYE ",
    b"@an200",
    b"@t6",
];
/// A phone is called and hangs up.
pub(super) const CALLED: Steps =
    &[PHONE_REGISTER, INVITED, b"@ap180", PHONE_ANSWER, b"@dnACK ", b"@dpBYE ", b"@an200", b"@t6"];
const PHONE_REGISTER: &[u8] = b"@pREGISTER sip:dht.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKr\r\nFrom: <sip:bob@dht.example>;tag=a\r\n\
    To: <sip:bob@dht.example>\r\nCall-ID: reg\r\nCSeq: 1 REGISTER\r\n\
    Contact: <sip:phone@192.0.2.9:5999>\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n";

/// A call that is given up, one that nobody takes, redirections, refusals.
const FLOWS: &[Steps] = &[
    CALL,
    CALLED,
    &[REGISTER, INVITE, b"@an183", CANCEL, b"@an487", b"@t5"],
    &[REGISTER, INVITE, b"@an302Contact: <sip:carol@dht.example;gr=ARACAgICAgICAgICAgICAgIC>;q=1, <sip:nobody@dht.example>\r\n\r\n",
      b"@an486", b"@t5"],
    &[REGISTER, INVITE, b"@an600", b"@t6"],
    &[REGISTER, INVITE, b"@t8"],
    &[REGISTER, INVITE, ANSWER, ANSWER, b"@t6"],
    &[b"@c", REGISTER, b"\r\n\r\n", b"\0"],
];

const SINGLE: &[&[u8]] = &[
    say!("OPTIONS sip:dht.example", "<sip:bob@dht.example>", "<sip:dht.example>", "o", "1 OPTIONS"),
    say!("INVITE sip:alice@sip.example", "<sip:bob@dht.example>", "<sip:alice@sip.example>", "f", "1 INVITE"),
    say!("INVITE sip:carol@dht.example", "<sip:eve@dht.example>", "<sip:carol@dht.example>", "e", "1 INVITE"),
    say!("MESSAGE sips:c%61rol@DHT.example;user=phone?x=y", "sip:bob@dht.example", "<sip:carol@dht.example>", "m",
        "1 MESSAGE", "Route: <sip:127.0.0.1;lr>, <sip:x@y;lr>", "Proxy-Require: foo", "Content-Type: text/plain"),
    say!("SUBSCRIBE sip:carol@dht.example", "<sip:bob@dht.example>", "<sip:carol@dht.example>", "s", "1 SUBSCRIBE",
        "Event: presence", "Expires: 3600", "Contact: <sip:phone@192.0.2.9:5999>"),
    say!("REFER sip:carol@dht.example", "<sip:bob@dht.example>", "<sip:carol@dht.example>;tag=b", "call", "9 REFER",
        "Refer-To: <sip:alice@dht.example?Replaces=call%3Bto-tag%3Db>"),
    say!("REGISTER sip:dht.example", "<sip:bob@dht.example>", "<sip:bob@dht.example>", "reg", "2 REGISTER",
        "Contact: *", "Expires: 0"),
    say!("REGISTER sip:dht.example", "<sip:eve@dht.example>", "<sip:eve@dht.example>", "reg", "3 REGISTER",
        "m: <sip:a@b;x>;+sip.instance=\"<urn:x>\"", "Authorization: Digest username=\"bob\", realm=\"dht.example\", \
        nonce=\"x\", uri=\"sip:dht.example\", response=\"0\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\""),
    b"INVITE sip:carol@dht.example SIP/2.0\nv: SIP/2.0/TCP [::1]:5060;branch=z9hG4bKx;received=1.2.3.4\nf: <sip:bob@dht.example>;tag=a\n\
      t: <sip:carol@dht.example>\ni: x\nCSeq: 4294967295 INVITE\nMax-Forwards: 0\nl: 0\n\n",
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKx\r\nFrom: a;tag=1\r\nTo: b;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n",
    b"\r\n\r\n",
    b"ACK",
];

/// The lines of texts and SDPs.
const TEXTS: &[&[u8]] = &[
    b"\x00sip:alice@dht.example.com",
    b"\x00sips:al%69ce@DHT.Example.com:5061;transport=tcp;lr;gr=ARABI0VniavN7wEjRWeJq83v?subject=x",
    b"\x00alice@dht.example.com;gr=ARACAgICAgICAgICAgICAgIC~~",
    b"\x01alice@bob@dht.example.com",
    b"\x02(&(sip.schemes=SIPS)(sip.audio=TRUE)(!(sip.mobility=#>=5))(|(a=<x y>)(b=\"z\")))",
    b"\x02(sip.schemes=SIP)",
    b"\x03\x02\x00\x16\x00\x00\x00\x12\x01\x10abcdefghijklmnop",
    b"\x03\x01\x00\x15\x00\x13sam@dht.example.org",
    b"\x03\x07\x00\x01x",
];

const SDPS: &[&[u8]] = &[
    concat!("\x00", sdp!()).as_bytes(),
    concat!("\x01", sdp!(), "\0", sdp!()).as_bytes(),
    b"\x02v=0\no=x 1 1 IN IP6 ::1\ns=\nc=IN IP6 ::1/3\nt=0 0\nm=audio 0 RTP/SAVPF 0\na=rtcp:6001 IN IP4 10.0.0.1\n\
      m=video 7000/2 RTP/AVP 99\nc=IN IP4 host.example\na=rtcp-mux\na=candidate:1 1 UDP 1 10.0.0.1 7000 typ host\na=inactive\n",
    b"\x03v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\na=reload-relay:1 0011223344556677\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n",
];

pub(crate) fn scripts(target: &str) -> Vec<Vec<u8>> {
    let joined = |steps: &&Steps| steps.join(&b"\0"[..]);
    let alone = |it: &[&[u8]]| it.iter().map(|bytes| bytes.to_vec()).collect::<Vec<_>>();
    match target {
        "sip_texts" => alone(TEXTS),
        "sip_media" => alone(SDPS),
        _ => {
            let mut scripts: Vec<Vec<u8>> = FLOWS.iter().map(|steps| joined(&steps)).collect();
            scripts.extend(alone(SINGLE));
            let guarded = FLOWS.iter().map(|steps| [b"!", &joined(&steps)[..]].concat());
            scripts.extend(guarded.take(1));
            scripts
        }
    }
}
