//! The texts of RFC 7904: URIs, GRUUs, AORs, contact preferences, and registrations as they are stored.

use reload_usages::sip::{Aor, ContactPrefs, Gruu, Scheme, SipContact, SipUri};
use reload_wire::{Dialect, SipRegistration};

use crate::round::{again, dialect_and_rest};

/// The first byte chooses what the rest is.
pub fn sip_texts(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match choice % 4 {
        0 => uri(&text),
        1 => user_name(&text),
        2 => preferences(rest),
        _ => registration(data),
    }
}

fn uri(text: &str) {
    let Ok(uri) = SipUri::parse(text) else { return };
    assert!(SipUri::parse(uri.as_str()).is_ok_and(|again| again.as_str() == uri.as_str()));
    if let Ok(aor) = Aor::of_uri(&uri) {
        for scheme in [Scheme::Sip, Scheme::Sips] {
            let written = aor.to_uri(scheme);
            assert_eq!(Aor::parse(&written).as_ref(), Ok(&aor), "written as {written}");
        }
    }
    if let Ok(gruu) = Gruu::of_uri(&uri, &Dialect::default()) {
        let written = SipUri::parse(&gruu.to_uri(Scheme::Sip)).expect("a GRUU is a URI");
        let again = Gruu::of_uri(&written, &Dialect::default()).expect("it is a GRUU still");
        assert_eq!(again.destinations(), gruu.destinations());
    }
    // any outcome will do
    let _ = SipContact::forward(text);
}

fn user_name(text: &str) {
    if let Ok(aor) = Aor::of_user_name(text) {
        assert_eq!(aor.as_str(), text, "names are compared as bytes");
        assert_eq!(Aor::parse(&aor.to_uri(Scheme::Sip)), Ok(aor));
    }
}

fn preferences(bytes: &[u8]) {
    let Ok(prefs) = ContactPrefs::parse(bytes) else { return };
    let again = ContactPrefs::parse(prefs.as_str().as_bytes());
    assert_eq!(again.as_ref().map(ContactPrefs::as_str), Ok(prefs.as_str()));
}

fn registration(data: &[u8]) {
    let Some((dialect, rest)) = dialect_and_rest(data) else { return };
    again(rest, |bytes| {
        use reload_wire::Decode;
        SipRegistration::decode_exact(&dialect, bytes)
    });
}
