//! A node that the test plays: its identity, and messages by its hand.

use std::sync::Arc;

use bytes::Bytes;
use reload_identity::{Credentials, seal};
use reload_wire::{
    AttachReqAns, CandType, Destination, Encode, ErrorCode, ErrorResponse, ForwardingHeader,
    Fragment, IceCandidate, MessageCode, MessageContents, MessageExtension, MessageParts, NodeId,
    OverlayLinkType, PingReq, TransactionId,
};

/// The overlay hash of the tests' overlay name is put in by the bench.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) id: NodeId,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) overlay: u32,
}

/// A message before it is signed; every field may be changed.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) header: ForwardingHeader,
    pub(crate) contents: MessageContents,
}

impl Actor {
    /// A request to a destination.
    pub(crate) fn request(&self, to: Destination, code: MessageCode, body: &impl Encode) -> Draft {
        let header = ForwardingHeader {
            overlay: self.overlay,
            configuration_sequence: 1,
            ttl: 100,
            fragment: Fragment::WHOLE,
            length: 0,
            transaction_id: TransactionId(0x0102_0304_0506_0708),
            max_response_length: 0,
            via_list: Vec::new(),
            destination_list: vec![to],
            options: Vec::new(),
        };
        let body = body.to_bytes().expect("the body is in bounds");
        Draft { header, contents: MessageContents { code, body, extensions: Vec::new() } }
    }

    pub(crate) fn ping(&self, to: Destination) -> Draft {
        self.request(to, MessageCode::PING_REQUEST, &PingReq { padding: Bytes::new() })
    }

    /// The answer to a request that the node under test has sent.
    pub(crate) fn answer(&self, request: &MessageParts, body: &impl Encode) -> Draft {
        let code = request.contents.code.answer();
        let to = Destination::Node(NodeId::from_u128(0));
        let mut draft = self.request(to, code, body);
        draft.header.transaction_id = request.header.transaction_id;
        draft
    }

    pub(crate) fn error(&self, request: &MessageParts, code: ErrorCode) -> Draft {
        let mut draft = self.answer(request, &ErrorResponse { code, info: Bytes::new() });
        draft.contents.code = MessageCode::ERROR;
        draft
    }

    /// Signs, and puts the header in front.
    pub(crate) fn sign(&self, draft: &Draft) -> Bytes {
        let Draft { header, contents } = draft;
        let id = header.transaction_id;
        let rest = seal(&self.credentials, header.overlay, id, contents, &[]).expect("it fits");
        header.join(&rest, u32::MAX).expect("it fits")
    }
}

impl Draft {
    pub(crate) fn to(mut self, list: &[Destination]) -> Self {
        self.header.destination_list = list.to_vec();
        self
    }

    pub(crate) fn through(mut self, list: &[NodeId]) -> Self {
        self.header.via_list = list.iter().map(|id| Destination::Node(*id)).collect();
        self
    }

    pub(crate) fn number(mut self, id: u64) -> Self {
        self.header.transaction_id = TransactionId(id);
        self
    }

    pub(crate) fn with_extension(mut self, critical: bool) -> Self {
        let extension = MessageExtension { kind: 0x7777, critical, contents: Bytes::new() };
        self.contents.extensions.push(extension);
        self
    }
}

/// A candidate at a loopback port.
pub(crate) fn candidate(link: OverlayLinkType, port: u16) -> IceCandidate {
    IceCandidate {
        addr_port: std::net::SocketAddr::from(([127, 0, 0, 1], port)).into(),
        overlay_link: link,
        foundation: Bytes::from_static(b"1"),
        priority: u32::from(port),
        kind: CandType::Host,
        related: None,
        extensions: Vec::new(),
    }
}

pub(crate) fn attach_body(role: &'static [u8], candidates: Vec<IceCandidate>) -> AttachReqAns {
    AttachReqAns {
        ufrag: Bytes::from_static(b"ufrag678"),
        password: Bytes::from_static(b"a password of 22 chars"),
        role: Bytes::from_static(role),
        candidates,
        send_update: false,
    }
}
