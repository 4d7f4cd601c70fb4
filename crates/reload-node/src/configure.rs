//! Configuration sequence numbers and ConfigUpdate (sections 6.3.2.1, 6.5.4 and 11.1).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_config::{Configuration, KindBlock, OverlayDocument, ReadOptions, sequence_newer};
use reload_identity::{
    ConfigurationError, Signers, Trust, VerifyError, verify_configuration, verify_kind,
};
use reload_storage::Store;
use reload_topology::{Input, Topology};
use reload_wire::{
    ConfigUpdateAns, ConfigUpdateReq, Decode, Destination, Encode, ErrorCode, KindId, MessageCode,
    NodeId, Now, PingReq, UnknownKinds,
};

use crate::deliver::Caller;
use crate::node::largest_message;
use crate::originate::Ending;
use crate::transactions::Purpose;
use crate::{Event, LinkId, Node};

/// A ConfigUpdate may carry this instead of a sequence number (section 6.3.2.1).
const ANY_SEQUENCE: u16 = 65535;

/// The pause between two ConfigUpdates of one sequence to one node.
const PAUSE: Duration = Duration::from_secs(5);

/// `initial-ttl` of a configuration that does not say (section 11.1).
pub(crate) const DEFAULT_TTL: u8 = 100;

/// The ConfigUpdates to others: one at a time for each node, then a pause.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    open: BTreeMap<NodeId, u16>,
    ended: BTreeMap<NodeId, (u16, Instant)>,
}

impl Exchanges {
    fn begin(&mut self, now: Instant, node: NodeId, sequence: u16) -> bool {
        self.ended.retain(|_, (_, at)| *at + PAUSE > now);
        let paused = self.ended.get(&node).is_some_and(|(ended, _)| *ended == sequence);
        if paused || self.open.contains_key(&node) {
            return false;
        }
        self.open.insert(node, sequence);
        true
    }

    fn end(&mut self, now: Instant, node: NodeId) {
        if let Some(sequence) = self.open.remove(&node) {
            self.ended.insert(node, (sequence, now));
        }
    }
}

/// An error code and a text for people.
type Refused = (ErrorCode, String);

impl<T: Topology, S: Store> Node<T, S> {
    /// Whether a request was made under our configuration (section 6.3.2.1).
    pub(crate) fn admit_sequence(&self, sequence: u16, code: MessageCode) -> Result<(), ErrorCode> {
        let own = self.configuration.sequence;
        let escape = sequence == ANY_SEQUENCE && code == MessageCode::CONFIG_UPDATE_REQUEST;
        if sequence == own || escape {
            Ok(())
        } else if sequence_newer(sequence, own) {
            Err(ErrorCode::CONFIG_TOO_NEW)
        } else {
            Err(ErrorCode::CONFIG_TOO_OLD)
        }
    }

    /// The largest ttl that a message may have (section 6.3.2). One that was made under another
    /// configuration is not judged by ours alone: else a node that lowers `initial-ttl` would hear
    /// nothing more of those that are to follow, and they could not follow.
    pub(crate) fn largest_ttl(&self, sequence: u16) -> u8 {
        let own = self.configuration.initial_ttl;
        if sequence == self.configuration.sequence { own } else { own.max(self.highest_ttl) }
    }

    /// Sends our document to a node that has an older one.
    pub(crate) fn update_configuration_of(&mut self, now: Now, node: NodeId, to: Vec<Destination>) {
        let busy = self.transactions.len() >= self.limits.transactions;
        if busy || !self.exchanges.begin(now.mono, node, self.configuration.sequence) {
            return;
        }
        let request = ConfigUpdateReq::Config(self.document.clone());
        let Ok(body) = request.to_bytes() else {
            return self.exchanges.end(now.mono, node);
        };
        let purpose = Purpose::ConfigUpdate(node);
        self.send_request(now, MessageCode::CONFIG_UPDATE_REQUEST, to, body, purpose);
    }

    pub(crate) fn finish_config_update(&mut self, now: Now, node: NodeId, _ending: &Ending) {
        self.exchanges.end(now.mono, node);
        self.renew_stalled(now, |on| on == node);
    }

    /// A request of ours was refused for its sequence number: it is sent again once, after the
    /// documents were exchanged.
    pub(crate) fn on_sequence_refused(
        &mut self,
        now: Now,
        id: reload_wire::TransactionId,
        from: NodeId,
        code: ErrorCode,
    ) {
        if let Some(transaction) = self.transactions.get_mut(id) {
            transaction.stalled = Some(from);
        }
        if code == ErrorCode::CONFIG_TOO_NEW {
            self.update_configuration_of(now, from, vec![Destination::Node(from)]);
        }
    }

    fn renew_stalled(&mut self, now: Now, on: impl Fn(NodeId) -> bool) {
        for id in self.transactions.find(|transaction| transaction.stalled.is_some_and(&on)) {
            self.renew(now, id);
        }
    }

    /// Somebody sends us a document, or kinds (section 6.5.4).
    pub(crate) fn on_config_update(&mut self, now: Now, caller: &Caller, body: &Bytes) {
        let request = match ConfigUpdateReq::decode_exact(&self.dialect, body) {
            Ok(request) => request,
            Err(error) => return self.refuse_damaged(now, caller, &error),
        };
        let result = match request {
            ConfigUpdateReq::Config(document) => self.take_document(now, &document),
            ConfigUpdateReq::Kinds(kinds) => self.take_kinds(now, &kinds),
            ConfigUpdateReq::Unknown { .. } => {
                Err((ErrorCode::INVALID_MESSAGE, "unknown type of ConfigUpdate".to_owned()))
            }
        };
        match result {
            Ok(()) => {
                self.answer(now, caller, MessageCode::CONFIG_UPDATE_ANSWER, &ConfigUpdateAns);
            }
            Err((code, text)) => self.refuse(now, caller, code, &text),
        }
    }

    /// Takes a document from elsewhere, as if it had come by ConfigUpdate: it must be newer and
    /// signed by a configuration-signer of the one in force.
    ///
    /// # Errors
    /// Why it was not taken, in one line.
    pub fn offer_configuration(&mut self, now: Now, document: &Bytes) -> Result<(), String> {
        let result = self.take_document(now, document).map_err(|(_, text)| text);
        self.settle(now);
        result
    }

    fn take_document(&mut self, now: Now, document: &Bytes) -> Result<(), Refused> {
        let invalid =
            |error: &dyn std::fmt::Display| (ErrorCode::INVALID_MESSAGE, error.to_string());
        let options = self.read_options();
        let parsed =
            OverlayDocument::parse_with(document, &options).map_err(|error| invalid(&error))?;
        let name = self.configuration.instance_name.clone();
        if parsed.find(&name).is_ok_and(|found| found.raw == self.configuration.raw) {
            return Ok(());
        }
        let signers = Signers::Previous(&self.configuration);
        let leniency = self.trust.leniency();
        let verified = match verify_configuration(&parsed, &name, signers, leniency, now.wall) {
            Ok(verified) => verified,
            // signed and in force, but beyond this node: it leaves (section 11.1)
            Err(ConfigurationError::Unusable(reason)) => {
                self.give_up(now, reason.to_string());
                return Ok(());
            }
            Err(error) => return Err((code_of(&error), error.to_string())),
        };
        let configuration = verified.configuration.clone();
        self.apply(now, configuration, verified.document.bytes().clone());
        Ok(())
    }

    fn read_options(&self) -> ReadOptions {
        match self.trust.leniency().is_lenient() {
            true => ReadOptions::lenient(),
            false => ReadOptions::default(),
        }
    }

    /// Lives by a new configuration (section 11.1).
    fn apply(&mut self, now: Now, configuration: Configuration, document: Bytes) {
        let trust = match self.trust_of(now, &configuration) {
            Ok(trust) => trust,
            Err(reason) => return self.give_up(now, reason),
        };
        let sequence = configuration.sequence;
        let chord = configuration.chord;
        self.trust = Arc::new(trust);
        self.highest_ttl = self.highest_ttl.max(self.configuration.initial_ttl);
        self.fragments.set_largest(largest_message(&configuration));
        self.set_kinds(configuration);
        self.document = document.clone();
        self.topology.handle_input(
            now,
            Input::Configure {
                update_interval: chord.update_interval,
                ping_interval: chord.ping_interval,
                reactive: chord.reactive,
            },
        );
        self.emit(Event::Configured { sequence, document });
        self.drop_distrusted(now);
        self.renew_stalled(now, |_| true);
        self.spread(now);
    }

    /// What the new configuration says about certificates, if this node can live with it.
    fn trust_of(&self, now: Now, configuration: &Configuration) -> Result<Trust, String> {
        configuration.check_usable().map_err(|error| error.to_string())?;
        let trust = self.trust.renewed(configuration).map_err(|error| error.to_string())?;
        let own = self.credentials.certificate();
        let intermediates = own.chain().to_vec();
        trust.check(own.der(), &intermediates, now.wall).map_err(|error| error.to_string())?;
        Ok(trust)
    }

    fn give_up(&mut self, now: Now, reason: String) {
        if self.leaving {
            return;
        }
        self.emit(Event::Unsupported { reason });
        self.leaving = true;
        self.topology.handle_input(now, Input::Leave);
    }

    /// Closes the links of nodes whose certificate no longer holds. With other roots than before,
    /// each is checked anew.
    fn drop_distrusted(&mut self, now: Now) {
        let links: Vec<LinkId> = self.links.iter().map(|(link, _)| link).collect();
        for link in links {
            let Some(entry) = self.links.get_mut(link) else { continue };
            let mut held = self.trust.still_valid(&entry.certificate, now.wall);
            if held == Err(VerifyError::OtherTrust) {
                let (der, chain) = (entry.certificate.der(), entry.certificate.chain());
                held =
                    self.trust.check(der, chain, now.wall).map(|again| entry.certificate = again);
            }
            if held.is_err() {
                self.close_link(now, link, "its certificate is not valid in the new configuration");
            }
        }
    }

    /// A Ping to every node with a link shows it our sequence number: whoever has an older
    /// document says so and gets ours.
    fn spread(&mut self, now: Now) {
        let nodes = self.links.linked();
        let Ok(body) = (PingReq { padding: Bytes::new() }).to_bytes() else {
            return;
        };
        for node in nodes {
            let to = vec![Destination::Node(node)];
            let purpose = Purpose::Nobody;
            self.send_request(now, MessageCode::PING_REQUEST, to, body.clone(), purpose);
        }
    }

    fn take_kinds(&mut self, now: Now, kinds: &[Bytes]) -> Result<(), Refused> {
        let mut configuration = Configuration::clone(&self.configuration);
        let options = self.read_options();
        for bytes in kinds {
            let block = KindBlock::parse(bytes, &options)
                .map_err(|error| (ErrorCode::INVALID_MESSAGE, error.to_string()))?;
            verify_kind(&block, &self.configuration, &self.trust, now.wall)
                .map_err(|error| (ErrorCode::FORBIDDEN, error.to_string()))?;
            add_kind(&mut configuration, block)?;
        }
        self.set_kinds(configuration);
        Ok(())
    }

    fn set_kinds(&mut self, configuration: Configuration) {
        // the former kinds stay if the store cannot drop their values; it counts the fault
        let _ = self.storage.configure(&configuration);
        self.dialect = configuration.dialect();
        self.configuration = Arc::new(configuration);
    }

    /// A peer does not know kinds that our document defines: it gets their definitions (7.4.1.2).
    pub(crate) fn teach_kinds(&mut self, now: Now, code: ErrorCode, info: &Bytes, node: NodeId) {
        if code != ErrorCode::UNKNOWN_KIND {
            return;
        }
        let Ok(UnknownKinds(kinds)) = UnknownKinds::decode_exact(&self.dialect, info) else {
            return;
        };
        let known =
            |id: &KindId| self.configuration.kinds.iter().find(|block| block.definition.id == *id);
        let blocks: Vec<Bytes> =
            kinds.iter().filter_map(known).map(|block| block.to_xml().into()).collect();
        let request = ConfigUpdateReq::Kinds(blocks.clone());
        if let Ok(body) = request.to_bytes()
            && !blocks.is_empty()
        {
            let to = vec![Destination::Node(node)];
            let code = MessageCode::CONFIG_UPDATE_REQUEST;
            self.send_request(now, code, to, body, Purpose::Nobody);
        }
    }
}

/// A kind that is known must be the same (section 6.5.4.2).
fn add_kind(configuration: &mut Configuration, block: KindBlock) -> Result<(), Refused> {
    let id = block.definition.id;
    match configuration.kinds.iter().find(|known| known.definition.id == id) {
        Some(known) if known.raw == block.raw => Ok(()),
        Some(_) => {
            let text = format!("kind {id} is defined otherwise in the configuration");
            Err((ErrorCode::FORBIDDEN, text))
        }
        None => {
            configuration.settings.kinds.push(block);
            Ok(())
        }
    }
}

fn code_of(error: &ConfigurationError) -> ErrorCode {
    match error {
        ConfigurationError::Older { .. } => ErrorCode::CONFIG_TOO_OLD,
        _ => ErrorCode::FORBIDDEN,
    }
}
