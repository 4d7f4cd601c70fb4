//! RESOURCE-NAME and node arguments of the commands.
//!
//! `text`, `node:HEX`, `node:HEX/i` (NODE-MULTIPLE, section 7.3.4) and `id:HEX`, a Resource-ID.

use std::str::FromStr;

use reload_wire::{NodeId, ResourceId};

/// What a RESOURCE-NAME argument says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResourceName {
    /// A text, hashed as its UTF-8 bytes.
    Text(String),
    /// A Node-ID, hashed as its bytes (section 7.3.2).
    Node(NodeId),
    /// A Node-ID and one byte i (section 7.3.4).
    NodeMultiple(NodeId, u8),
    /// A Resource-ID as it is.
    Id(ResourceId),
}

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    /// Nothing.
    #[error("the resource name is empty")]
    Empty,
    /// Not a Node-ID.
    #[error("`{0}` is not a Node-ID: 32 hex digits are expected after `node:`")]
    Node(String),
    /// Not the i of NODE-MULTIPLE.
    #[error("`{0}` is not a number from 1 to 255, as `node:HEX/i` needs")]
    Multiple(String),
    /// Not a Resource-ID.
    #[error("`{0}` is not a Resource-ID: 32 hex digits are expected after `id:`")]
    Id(String),
    /// A Resource-ID or Node-ID of another length than those of the overlay.
    #[error("an id of {given} hex digits leads nowhere: this overlay has {right}")]
    Length {
        /// What was given.
        given: usize,
        /// What the overlay has.
        right: usize,
    },
}

impl ResourceName {
    /// The bytes that the overlay's hash turns into the Resource-ID; none for a Resource-ID.
    #[must_use]
    pub(crate) fn hashed_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Node(node) => Some(node.as_bytes().to_vec()),
            Self::NodeMultiple(node, i) => {
                let mut bytes = node.as_bytes().to_vec();
                bytes.push(*i);
                Some(bytes)
            }
            Self::Id(_) => None,
        }
    }

    /// The Resource-ID, by the hash of the overlay.
    ///
    /// # Errors
    /// A Resource-ID of another length than that hash gives.
    pub(crate) fn resource_id(
        &self,
        hash: impl FnOnce(&[u8]) -> ResourceId,
    ) -> Result<ResourceId, NameError> {
        let hashed = hash(&self.hashed_bytes().unwrap_or_default());
        let Self::Id(id) = self else { return Ok(hashed) };
        same_length(id.as_bytes(), hashed.as_bytes())?;
        Ok(id.clone())
    }
}

impl FromStr for ResourceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some(hex) = text.strip_prefix("id:") {
            let id = ResourceId::from_str(hex).map_err(|_| NameError::Id(hex.to_owned()))?;
            return Ok(Self::Id(id));
        }
        match text.strip_prefix("node:").map(|rest| (rest, rest.split_once('/'))) {
            Some((_, Some((hex, i)))) => Ok(Self::NodeMultiple(node(hex)?, multiple(i)?)),
            Some((hex, None)) => Ok(Self::Node(node(hex)?)),
            None if text.is_empty() => Err(NameError::Empty),
            None => Ok(Self::Text(text.to_owned())),
        }
    }
}

/// An id of another length is no place of the ring: a request for it would wait in vain.
pub(crate) fn same_length(given: &[u8], right: &[u8]) -> Result<(), NameError> {
    let (given, right) = (given.len() * 2, right.len() * 2);
    if given == right { Ok(()) } else { Err(NameError::Length { given, right }) }
}

fn node(hex: &str) -> Result<NodeId, NameError> {
    NodeId::from_str(hex).map_err(|_| NameError::Node(hex.to_owned()))
}

fn multiple(text: &str) -> Result<u8, NameError> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| NameError::Multiple(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn reads_the_four_forms() {
        let node = NodeId::from_str(HEX).unwrap();
        assert_eq!("alice@a.org".parse(), Ok(ResourceName::Text("alice@a.org".into())));
        assert_eq!(format!("node:{HEX}").parse(), Ok(ResourceName::Node(node)));
        assert_eq!(format!("node:{HEX}/7").parse(), Ok(ResourceName::NodeMultiple(node, 7)));
        let id = ResourceId::from_str(HEX).unwrap();
        assert_eq!(format!("id:{HEX}").parse(), Ok(ResourceName::Id(id)));
    }

    #[test]
    fn the_multiple_is_one_byte_after_the_node_id() {
        let name: ResourceName = format!("node:{HEX}/255").parse().unwrap();
        let bytes = name.hashed_bytes().unwrap();
        assert_eq!((bytes.len(), bytes.last()), (17, Some(&255)));
    }

    #[test]
    fn refuses_a_resource_id_that_no_hash_gives() {
        let hash = |_: &[u8]| ResourceId::from_str(HEX).unwrap();
        let id: ResourceName = format!("id:{HEX}").parse().unwrap();
        assert_eq!(id.resource_id(hash), Ok(ResourceId::from_str(HEX).unwrap()));
        for short in ["id:", "id:00"] {
            let id: ResourceName = short.parse().unwrap();
            assert!(matches!(id.resource_id(hash), Err(NameError::Length { right: 32, .. })));
        }
    }

    #[test]
    fn refuses_what_is_no_name() {
        assert_eq!("".parse::<ResourceName>(), Err(NameError::Empty));
        assert!(matches!("node:12".parse::<ResourceName>(), Err(NameError::Node(_))));
        assert!(matches!("id:xyz".parse::<ResourceName>(), Err(NameError::Id(_))));
        for bad in ["0", "256", "x", ""] {
            let name = format!("node:{HEX}/{bad}").parse::<ResourceName>();
            assert!(matches!(name, Err(NameError::Multiple(_))), "{bad}");
        }
    }
}
