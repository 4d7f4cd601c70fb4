//! The security block (section 6.3.4): a message whose signature or certificate does not hold is
//! dropped without a word, whatever it says.

use bytes::Bytes;
use reload_blackbox::Expect::{Answer, Silence};
use reload_blackbox::{Draft, Row, World};
use reload_identity::Credentials;
use reload_wire::{
    GenericCertificate, HashAlgorithm, MessageCode, MessageExtension, SignatureAlgorithm,
    SignatureAndHashAlgorithm, SignerIdentity, TransactionId,
};
use sha1::Digest;

fn by(world: &World, who: &Credentials) -> Draft {
    world.ping().by(who)
}

fn algorithm(world: &World, hash: u8, signature: u8) -> Draft {
    world.ping().block(move |block| {
        block.signature.algorithm = SignatureAndHashAlgorithm {
            hash: HashAlgorithm(hash),
            signature: SignatureAlgorithm(signature),
        };
    })
}

fn der(who: &Credentials) -> &Bytes {
    who.certificate().der()
}

fn sha1(who: &Credentials) -> Bytes {
    Bytes::copy_from_slice(&sha1::Sha1::digest(der(who)))
}

fn sha256(parts: &[&[u8]]) -> Bytes {
    Bytes::copy_from_slice(&sha2::Sha256::digest(parts.concat()))
}

fn named(world: &World, hash_alg: u8, hash: Bytes) -> Draft {
    let hash_alg = HashAlgorithm(hash_alg);
    world.ping().named(SignerIdentity::CertHash { hash_alg, hash })
}

fn named_with_id(draft: Draft, who: &Credentials) -> Draft {
    let hash = sha256(&[who.node_id().as_bytes(), der(who)]);
    draft.named(SignerIdentity::CertHashNodeId { hash_alg: HashAlgorithm::SHA256, hash })
}

/// Puts this before the certificate of the signer.
fn behind(world: &World, kind: u8, certificate: &'static [u8]) -> Draft {
    let certificate = GenericCertificate { kind, certificate: Bytes::from_static(certificate) };
    by(world, &world.people.hidden).block(|block| block.certificates.insert(0, certificate))
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // R6940-6.3.4-08
    Row::new("no certificate of a node that nobody knows", Silence, |w| {
        by(w, &w.people.hidden).block(|block| block.certificates.clear())
    }),
    Row::new("the certificate of somebody else", Silence, |w| {
        let dave = GenericCertificate::x509(der(&w.dave).clone());
        by(w, &w.people.hidden).block(|block| block.certificates = vec![dave])
    }),
    Row::new("half a certificate", Silence, |w| {
        by(w, &w.people.hidden).block(|block| {
            let whole = block.certificates[0].certificate.clone();
            block.certificates[0].certificate = whole.slice(..whole.len() / 2);
        })
    }),
    // R6940-6.3.4-21
    Row::new("the certificate as another type", Silence, |w| {
        by(w, &w.people.hidden).block(|block| block.certificates[0].kind = 1)
    }),
    // R6940-6.3.4-16
    Row::new("certificate of another CA", Silence, |w| by(w, &w.people.other_ca)),
    Row::new("certificate that has expired", Silence, |w| by(w, &w.people.expired)),
    Row::new("certificate that is not yet valid", Silence, |w| by(w, &w.people.future)),
    Row::new("certificate of another overlay", Silence, |w| by(w, &w.people.other_overlay)),
    Row::new("certificate of another CA, to bob", Silence, |w| {
        by(w, &w.people.other_ca).to(&[w.bob.into()], w.bob)
    }),
    Row::new("garbage before the certificate", Answer, |w| behind(w, 0, b"no certificate")),
    // R6940-6.3.4-21
    Row::new("another type before the certificate", Answer, |w| behind(w, 1, b"an OpenPGP key")),
    // R6940-6.3.4-13
    Row::new("hash of another certificate", Silence, |w| named(w, 4, sha256(&[der(&w.people.hidden)]))),
    Row::new("hash of the certificate of dave", Silence, |w| named(w, 4, sha256(&[der(&w.dave)]))),
    Row::new("hash with one bit changed", Silence, |w| {
        let mut hash = sha256(&[der(&w.carol)]).to_vec();
        hash[7] ^= 1;
        named(w, 4, hash.into())
    }),
    Row::new("hash cut short", Silence, |w| named(w, 4, sha256(&[der(&w.carol)]).slice(..20))),
    Row::new("no hash", Silence, |w| named(w, 4, Bytes::new())),
    Row::new("hash by SHA-1", Answer, |w| named(w, 2, sha1(&w.carol))),
    Row::new("hash by an unknown algorithm", Silence, |w| named(w, 99, sha256(&[der(&w.carol)]))),
    Row::new("hash by none", Silence, |w| named(w, 0, sha256(&[der(&w.carol)]))),
    // R6940-6.3.4-14
    Row::new("one Node-ID, named with it", Silence, |w| named_with_id(w.ping(), &w.carol)),
    Row::new("several Node-IDs, named without", Silence, |w| {
        named(w, 4, sha256(&[der(&w.several)])).by(&w.several)
    }),
    Row::new("several Node-IDs, named with that of another", Silence, |w| {
        let hash = sha256(&[w.carol.node_id().as_bytes(), der(&w.several)]);
        let hash_alg = HashAlgorithm::SHA256;
        w.ping().by(&w.several).named(SignerIdentity::CertHashNodeId { hash_alg, hash })
    }),
    // R6940-6.3-03
    Row::new("identity none", Silence, |w| w.ping().named(SignerIdentity::None)),
    Row::new("identity none, no signature", Silence, |w| {
        w.ping().named(SignerIdentity::None).block(|block| {
            block.signature.algorithm = SignatureAndHashAlgorithm::ANONYMOUS;
            block.signature.value = Bytes::new();
        })
    }),
    Row::new("identity of an unknown type", Silence, |w| {
        w.ping().named(SignerIdentity::Unknown { kind: 9, data: sha256(&[der(&w.carol)]) })
    }),
    Row::new("algorithm none", Silence, |w| algorithm(w, 0, 0)),
    Row::new("algorithm md5 and rsa", Silence, |w| algorithm(w, 1, 1)),
    Row::new("algorithm sha1 and ecdsa", Silence, |w| algorithm(w, 2, 3)),
    Row::new("algorithm sha256 and rsa, for an ecdsa key", Silence, |w| algorithm(w, 4, 1)),
    Row::new("algorithm sha256 and dsa", Silence, |w| algorithm(w, 4, 2)),
    Row::new("algorithm sha384 and ecdsa, signed with sha256", Silence, |w| algorithm(w, 5, 3)),
    Row::new("algorithm of PSS", Silence, |w| algorithm(w, 8, 4)),
    Row::new("algorithm of ed25519", Silence, |w| algorithm(w, 8, 7)),
    // R6940-6.3.4-18
    Row::new("signature with one bit changed", Silence, |w| {
        w.ping().block(|block| {
            let mut value = block.signature.value.to_vec();
            *value.last_mut().unwrap() ^= 1;
            block.signature.value = value.into();
        })
    }),
    Row::new("no signature", Silence, |w| w.ping().block(|block| block.signature.value = Bytes::new())),
    Row::new("signature of another node", Silence, |w| {
        let value = w.dave.sign(b"anything").unwrap();
        w.ping().block(|block| block.signature.value = value)
    }),
    // R6940-6.3.4-15
    Row::new("transaction id changed after signing", Silence, |w| {
        w.ping().forged(|(header, _)| header.transaction_id = TransactionId(header.transaction_id.0 ^ 1))
    }),
    Row::new("code changed after signing", Silence, |w| {
        w.ping().forged(|(_, contents)| contents.code = MessageCode::PROBE_REQUEST)
    }),
    Row::new("body changed after signing", Silence, |w| {
        w.ping().forged(|(_, contents)| contents.body = Bytes::from_static(b"\x00\x01!"))
    }),
    Row::new("extension added after signing", Silence, |w| {
        w.ping().forged(|(_, contents)| {
            let contents_of = Bytes::from_static(b"!");
            let extension = MessageExtension { kind: 1, critical: false, contents: contents_of };
            contents.extensions.push(extension);
        })
    }),
    Row::new("identity changed after signing", Silence, |w| {
        let hash = sha1(&w.carol);
        w.ping().block(|block| {
            let hash_alg = HashAlgorithm::SHA1;
            block.signature.identity = SignerIdentity::CertHash { hash_alg, hash };
        })
    }),
    Row::new("ttl changed after signing", Answer, |w| w.ping().forged(|(header, _)| header.ttl -= 1)),
    Row::new("max_response_length changed after signing", Answer, |w| {
        w.ping().forged(|(header, _)| header.max_response_length = 60_000)
    }),
    Row::new("certificates cut off", Silence, |w| {
        w.ping().bytes(|message| {
            message.truncate(message.len() - 40);
            let length = u32::try_from(message.len()).unwrap();
            message[16..20].copy_from_slice(&length.to_be_bytes());
        })
    }),
    // R6940-6.1-03
    Row::new("bad signature, to bob", Silence, |w| {
        w.ping_bob().block(|block| block.signature.value = Bytes::from_static(b"no signature"))
    }),
];
