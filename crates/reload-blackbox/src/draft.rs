//! A good message in the making, and what is done to it: before it is signed, after that, and to its
//! bytes at last.

use std::fmt;

use anyhow::{Context, Result};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_identity::Credentials;
use reload_wire::{
    Destination, Encode, ForwardingHeader, GenericCertificate, MessageContents, MessageExtension,
    NodeId, SecurityBlock, SignerIdentity, TransactionId,
};

/// A change of one part.
pub type Edit<T> = Box<dyn FnOnce(&mut T)>;

/// A message that is good unless somebody meddles with it.
pub struct Draft {
    /// The header.
    pub header: ForwardingHeader,
    /// Code, body and extensions.
    pub contents: MessageContents,
    /// Who signs.
    pub signer: Credentials,
    /// Who is named as signer, if not by the signer's own name.
    pub identity: Option<SignerIdentity>,
    /// Whose answer must come.
    pub answered_by: NodeId,
    raw: Vec<Edit<Vec<u8>>>,
    block: Vec<Edit<SecurityBlock>>,
    forged: Vec<Edit<(ForwardingHeader, MessageContents)>>,
    bytes: Vec<Edit<Vec<u8>>>,
}

impl Draft {
    /// A message of a signer to a node.
    #[must_use]
    pub fn new(
        header: ForwardingHeader,
        contents: MessageContents,
        signer: Credentials,
        answered_by: NodeId,
    ) -> Self {
        let (raw, block) = (Vec::new(), Vec::new());
        let (forged, bytes) = (Vec::new(), Vec::new());
        let identity = None;
        Self { header, contents, signer, identity, answered_by, raw, block, forged, bytes }
    }

    /// Changes the header.
    #[must_use]
    pub fn header(mut self, edit: impl FnOnce(&mut ForwardingHeader)) -> Self {
        edit(&mut self.header);
        self
    }

    /// Goes another way, and is answered by that node.
    #[must_use]
    pub fn to(mut self, list: &[Destination], answered_by: NodeId) -> Self {
        self.header.destination_list = list.to_vec();
        self.answered_by = answered_by;
        self
    }

    /// Changes the body before it is signed.
    #[must_use]
    pub fn body(mut self, edit: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut body = self.contents.body.to_vec();
        edit(&mut body);
        self.contents.body = body.into();
        self
    }

    /// Adds an extension.
    #[must_use]
    pub fn extension(mut self, kind: u16, critical: bool) -> Self {
        let contents = Bytes::from_static(b"unheard of");
        self.contents.extensions.push(MessageExtension { kind, critical, contents });
        self
    }

    /// Somebody else signs it.
    #[must_use]
    pub fn by(mut self, signer: &Credentials) -> Self {
        self.signer = signer.clone();
        self
    }

    /// Names the signer otherwise; what is signed covers that.
    #[must_use]
    pub fn named(mut self, identity: SignerIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Changes the encoded contents before they are signed.
    #[must_use]
    pub fn raw(mut self, edit: impl FnOnce(&mut Vec<u8>) + 'static) -> Self {
        self.raw.push(Box::new(edit));
        self
    }

    /// Changes the security block.
    #[must_use]
    pub fn block(mut self, edit: impl FnOnce(&mut SecurityBlock) + 'static) -> Self {
        self.block.push(Box::new(edit));
        self
    }

    /// Changes what was signed.
    #[must_use]
    pub fn forged(
        mut self,
        edit: impl FnOnce(&mut (ForwardingHeader, MessageContents)) + 'static,
    ) -> Self {
        self.forged.push(Box::new(edit));
        self
    }

    /// Changes the bytes of the whole message.
    #[must_use]
    pub fn bytes(mut self, edit: impl FnOnce(&mut Vec<u8>) + 'static) -> Self {
        self.bytes.push(Box::new(edit));
        self
    }

    /// Writes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn build(mut self) -> Result<Bytes> {
        let mut contents = self.contents.to_bytes()?.to_vec();
        for edit in self.raw {
            edit(&mut contents);
        }
        let identity = self.identity.unwrap_or_else(|| self.signer.identity().clone());
        let input = [
            &self.header.overlay.to_be_bytes()[..],
            &self.header.transaction_id.0.to_be_bytes(),
            &contents,
            &identity.to_bytes()?,
        ];
        let mut signature = self.signer.signature_over(&input.concat())?;
        signature.identity = identity;
        let certificates = vec![GenericCertificate::x509(self.signer.certificate().der().clone())];
        let mut security = SecurityBlock { certificates, signature };
        for edit in self.block {
            edit(&mut security);
        }
        if !self.forged.is_empty() {
            let mut signed = (self.header, self.contents);
            self.forged.into_iter().for_each(|edit| edit(&mut signed));
            contents = signed.1.to_bytes()?.to_vec();
            self.header = signed.0;
        }
        let rest = [&contents[..], &security.to_bytes()?].concat();
        let whole = self.header.join(&rest, u32::MAX).context("the header cannot be written")?;
        let mut whole = whole.to_vec();
        self.bytes.into_iter().for_each(|edit| edit(&mut whole));
        Ok(whole.into())
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("header", &self.header)
            .field("contents", &self.contents)
            .finish_non_exhaustive()
    }
}

/// A transaction id that nobody had before.
#[must_use]
pub fn random() -> TransactionId {
    TransactionId(StdRng::from_os_rng().random())
}
