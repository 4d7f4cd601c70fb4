//! Which user names an overlay takes: those that can be AORs of its SIP-REGISTRATION, if it has that Kind
//! (RFC 7904 sections 2 and 3.4). What a user name is at all is not here.

use reload_wire::KindId;
use thiserror::Error;

use crate::configuration::Configuration;
use crate::domain::DomainRestriction;
use crate::error::shorten;

/// Why an overlay does not take a user name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UserRefused {
    /// Its domain is not one of the overlay.
    #[error("the user name {user:?} is of another domain: the overlay takes {taken}")]
    Domain {
        /// The name.
        user: String,
        /// What it takes.
        taken: String,
    },
    /// AORs have their domain in lower case (RFC 7904 section 7).
    #[error("the user name {user:?} has a domain in upper case, so that nobody could call it")]
    UpperCase {
        /// The name.
        user: String,
    },
}

impl Configuration {
    /// Whether a node of the overlay may be enrolled under this user name.
    ///
    /// # Errors
    /// [`UserRefused`].
    pub fn check_user(&self, user: &str) -> Result<(), UserRefused> {
        let Some(kind) = self.kind(KindId::SIP_REGISTRATION) else { return Ok(()) };
        let overlay = &self.instance_name;
        if !kind.permits_user(overlay, user) {
            let taken = kind.domain_restriction.as_ref().map(|it| taken(it, overlay));
            let taken = taken.unwrap_or_default();
            return Err(UserRefused::Domain { user: shorten(user), taken });
        }
        let (_, domain) = user.rsplit_once('@').unwrap_or_default();
        match domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Err(UserRefused::UpperCase { user: shorten(user) }),
            false => Ok(()),
        }
    }
}

/// What a restriction takes, for people.
fn taken(restriction: &DomainRestriction, overlay: &str) -> String {
    if !restriction.enable {
        return format!("users of {overlay} only");
    }
    let patterns: Vec<&str> = restriction.patterns.iter().map(|it| it.as_str()).collect();
    match patterns.is_empty() {
        true => "nobody, as no pattern of domains is set".to_owned(),
        false => format!("users of domains that match {} only", patterns.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Configuration, ConfigurationBuilder};

    fn overlay(fields: &[&str]) -> Configuration {
        let mut builder = ConfigurationBuilder::new_overlay("dht.example.com");
        if !fields.is_empty() {
            builder.change("kind", &[&["SIP-REGISTRATION"], fields].concat()).unwrap();
        }
        builder.to_configuration().unwrap()
    }

    fn refused(configuration: &Configuration, user: &str) -> String {
        configuration.check_user(user).unwrap_err().to_string()
    }

    #[test]
    fn without_a_restriction_users_of_any_domain_are_taken() {
        for user in ["alice@dht.example.com", "bob@other.example", "Eve@x"] {
            assert_eq!(overlay(&[]).check_user(user), Ok(()));
        }
        assert!(refused(&overlay(&[]), "bob@Other.example").contains("in upper case"));
        assert_eq!(overlay(&["none"]).check_user("bob@Other.example"), Ok(()), "nobody is called");
    }

    #[test]
    fn a_restriction_takes_the_own_domain_or_what_a_pattern_matches() {
        let own = overlay(&["domains=own"]);
        assert_eq!(own.check_user("alice@dht.example.com"), Ok(()));
        let refusal = refused(&own, "alice@other.example");
        assert!(refusal.ends_with("the overlay takes users of dht.example.com only"), "{refusal}");
        let patterns = overlay(&["domain-pattern=.*\\.my\\.example", "domain-pattern=x"]);
        assert_eq!(patterns.check_user("alice@a.my.example"), Ok(()));
        let refusal = refused(&patterns, "alice@dht.example.com");
        assert!(refusal.contains(r".*\.my\.example or x only"), "{refusal}");
        assert!(refused(&patterns, "no mailbox").contains("of another domain"));
    }
}
