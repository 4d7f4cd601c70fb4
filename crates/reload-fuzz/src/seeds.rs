//! The bytes that every target starts from, made of the vectors, and what was found before.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use reload_enroll::EnrollmentForm;
use reload_vectors::{Structure, folder, foreign, messages, structures};
use reload_wire::{
    Dialect, Encode, FRAME_ACK, FRAME_DATA, FramedMessage, MessageCode, MessageParts,
};

use crate::round::dialect_byte;

/// Bytes for a target and where they come from.
#[derive(Clone, Debug)]
pub struct Seed {
    /// A name that is unique in its target and fits a file name.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The seeds of a target.
///
/// # Errors
/// The vectors cannot be read.
pub fn seeds(target: &str) -> Result<Vec<Seed>> {
    let bytes = match target {
        "frame" => frames()?,
        "message" | "inspect" => whole_messages()?.into_iter().map(|it| it.to_vec()).collect(),
        "link_stream" => streams()?,
        "configuration" => documents()?,
        "enrollment_form" => forms(),
        "node_inputs" => scripts()?,
        "dtls_records" | "reliable_link" | "stun_ice" | "endpoint_inputs" => {
            crate::datagram::scripts(target)
        }
        "sip_texts" | "sip_media" | "sip_phone" | "sip_peer" => crate::sip::scripts(target),
        "security_block" => structure_bytes(&[("SecurityBlock", None)])?,
        "stored_values" => structure_bytes(&STORED)?,
        method => body_seeds(method)?,
    };
    let named = bytes.into_iter().enumerate();
    Ok(named.map(|(number, bytes)| Seed { name: format!("seed-{number:03}"), bytes }).collect())
}

/// Inputs that once broke a rule of a target: `testvectors/fuzz/TARGET/`.
///
/// # Errors
/// A file cannot be read.
pub fn findings(target: &str) -> Result<Vec<Seed>> {
    files(&folder().join("fuzz").join(target))
}

fn files(folder: &Path) -> Result<Vec<Seed>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    let read = |path: &Path| {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Seed { name, bytes })
    };
    paths.iter().map(|path| read(path)).collect()
}

/// The structures of the target `stored_values`, with the byte that chooses each.
const STORED: [(&str, Option<u8>); 8] = [
    ("StoredData", Some(0)),
    ("StoredDataValue", Some(1)),
    ("MetaDataValue", Some(2)),
    ("ModelSpecifier", Some(3)),
    ("StoredMetaData", Some(4)),
    ("StoredDataSpecifier", Some(5)),
    ("DataValue", Some(6)),
    ("TurnServer", Some(7)),
];

/// The structures of a method, request and answer.
fn body_seeds(method: &str) -> Result<Vec<Vec<u8>>> {
    let (request, answer) = match method {
        "probe" => ("ProbeReq", "ProbeAns"),
        "attach" => ("AttachReqAns", "AttachReqAns"),
        "app_attach" => ("AppAttachReqAns", "AppAttachReqAns"),
        "join" => ("JoinReq", "JoinAns"),
        "leave" => ("LeaveReq", "LeaveAns"),
        "update" => ("ChordUpdate", "UpdateAns"),
        "route_query" => ("RouteQueryReq", "ChordRouteQueryAns"),
        "ping" => ("PingReq", "PingAns"),
        "store" => ("StoreReq", "StoreAns"),
        "fetch" => ("FetchReq", "FetchAns"),
        "stat" => ("StatReq", "StatAns"),
        "find" => ("FindReq", "FindAns"),
        "config_update" => ("ConfigUpdateReq", "ConfigUpdateAns"),
        "error_response" => ("ErrorResponse", "ErrorResponse"),
        _ => anyhow::bail!("no target {method}"),
    };
    structure_bytes(&[(request, Some(0)), (answer, Some(1))])
}

/// The vectors of these structures, valid and broken, behind the bytes that choose them.
fn structure_bytes(chosen: &[(&str, Option<u8>)]) -> Result<Vec<Vec<u8>>> {
    let all = structures()?;
    let mut seeds = Vec::new();
    for (name, choice) in chosen {
        let structure = all.iter().find(|it| it.name == *name);
        let structure = structure.with_context(|| format!("no vectors of {name}"))?;
        for (node_id_length, bytes) in vectors(structure) {
            let head = std::iter::once(dialect_byte(node_id_length)).chain(*choice);
            seeds.push(head.chain(bytes.iter().copied()).collect());
        }
    }
    Ok(seeds)
}

fn vectors(structure: &Structure) -> impl Iterator<Item = (u8, &[u8])> {
    let valid = structure.valid.iter().map(|it| (it.node_id_length, it.hex.0.as_slice()));
    valid.chain(structure.invalid.iter().map(|it| (it.node_id_length, it.hex.0.as_slice())))
}

/// Whole messages, ours and those of others.
fn whole_messages() -> Result<Vec<Bytes>> {
    let own = messages()?.into_iter().map(|it| it.hex.0);
    let others = foreign()?.into_iter().map(|it| it.hex.0).filter(|it| !is_frame(it));
    Ok(own.chain(others).map(Bytes::from).collect())
}

fn is_frame(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(&(FRAME_DATA | FRAME_ACK)))
}

fn frames() -> Result<Vec<Vec<u8>>> {
    let all = structures()?;
    let structure = all.iter().find(|it| it.name == "FramedMessage");
    let structure = structure.context("no vectors of FramedMessage")?;
    let mut frames: Vec<_> = vectors(structure).map(|(_, bytes)| bytes.to_vec()).collect();
    frames.extend(foreign()?.into_iter().map(|it| it.hex.0).filter(|it| is_frame(it)));
    Ok(frames)
}

/// Frames in a row, in pieces of a few sizes.
fn streams() -> Result<Vec<Vec<u8>>> {
    let mut stream = Vec::new();
    for (sequence, message) in (0_u32..).zip(whole_messages()?.into_iter().take(4)) {
        stream.extend(FramedMessage::Data { sequence, message }.to_bytes()?);
        stream.extend(FramedMessage::Ack { ack_sequence: sequence, received: 1 }.to_bytes()?);
    }
    let piece = |size: u8| {
        let pieces = stream.chunks(usize::from(size));
        let with_length = |piece: &[u8]| {
            let length = u8::try_from(piece.len()).unwrap_or(u8::MAX);
            [&[length], piece].concat()
        };
        [vec![2], pieces.flat_map(with_length).collect()].concat()
    };
    Ok([1, 7, 200, 255].map(piece).into())
}

fn documents() -> Result<Vec<Vec<u8>>> {
    let files = files(&folder().join("config"))?;
    let documents = files.into_iter().filter(|file| file.name.ends_with(".xml"));
    Ok(documents.map(|file| file.bytes).collect())
}

/// The forms of our client, and one that others might send.
fn forms() -> Vec<Vec<u8>> {
    let small = EnrollmentForm::new(vec![0x30, 0x03, 0x02, 0x01, 0x05]);
    let full = EnrollmentForm {
        username: Some("alice@example.org".to_owned()),
        password: Some("secret".to_owned()),
        nodeids: 3,
        device: Some("phone".to_owned()),
        ..small.clone()
    };
    let mut forms: Vec<Vec<u8>> = [small, full]
        .map(|form| {
            let encoded = form.encode();
            [encoded.content_type.as_bytes(), b"\n", &encoded.body].concat()
        })
        .into();
    forms.push(FOREIGN_FORM.to_vec());
    forms
}

/// A preamble, a quoted boundary, base64, PEM, a field that nobody knows, an epilogue.
const FOREIGN_FORM: &[u8] = b"Multipart/Form-Data; charset=utf-8; boundary=\"a b\"\n\
    preamble\r\n--a b\r\nContent-Disposition: form-data; name=\"csr\"; filename=\"x.pem\"\r\n\
    Content-Type: application/pkcs10\r\n\r\n\
    -----BEGIN CERTIFICATE REQUEST-----\nMAMCAQU=\n-----END CERTIFICATE REQUEST-----\n\r\n\
    --a b \t\r\ncontent-disposition: form-data; name=username\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nYWxpY2U=\r\n\
    --a b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--a b--\r\nepilogue";

/// For each whole message: a link comes up and brings it, raw and with a good signature.
fn scripts() -> Result<Vec<Vec<u8>>> {
    let dialect = Dialect::default();
    let mut scripts = vec![vec![0; 64], (0..=255).collect()];
    for message in whole_messages()? {
        let Ok(parts) = MessageParts::decode(&dialect, &message) else { continue };
        let mut script = vec![0, 0, 1, 255, 2];
        script.extend([1, 0]);
        extend_bytes(&mut script, &message);
        script.extend(signed(parts.contents.code, &parts.contents.body));
        script.extend([6, 6, 8, 4, 1, 0, 0, 0, 0, 0]);
        scripts.push(script);
    }
    Ok(scripts)
}

/// The step that signs these contents: as a request, or as an answer to what the node sent.
fn signed(code: MessageCode, body: &[u8]) -> Vec<u8> {
    let mut script = if code.is_request() {
        let [high, low] = code.0.to_be_bytes();
        vec![2, 0xe0, 0, 0, 7, 1, high, low]
    } else {
        vec![8, 4, 1, 0, 0, 0, 0, 0, 3, 0, 1, 1]
    };
    extend_bytes(&mut script, body);
    script.push(0);
    script
}

fn extend_bytes(script: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    script.extend(length.to_be_bytes());
    script.extend(&bytes[..usize::from(length).min(bytes.len())]);
}
