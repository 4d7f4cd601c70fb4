//! Two peers, a client that knows how to behave, and what they have said to each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use reload_config::{Configuration, Leniency, OverlayDocument};
use reload_e2e::Overlay;
use reload_identity::{Credentials, Trust, certificates_from_pem};
use reload_wire::{
    Destination, Dialect, Encode, ForwardingHeader, Fragment, MessageCode, MessageContents, NodeId,
    PingReq, ResourceId, StoreReq, TransactionId, UnixTime, peek_message_code,
};

use crate::judge::Asked;
use crate::ring::{Ring, user};
use crate::{
    Answer, Draft, Enrollment, Event, Expect, Link, People, Presented, Row, Via, random,
    resource_id,
};

/// The overlay as a node sees it, and the nodes of the test.
pub struct World {
    /// The peer under test.
    pub alice: NodeId,
    /// Where it listens.
    pub address: SocketAddr,
    /// The other peer: the way to it leads through alice.
    pub bob: NodeId,
    /// The configuration in force.
    pub configuration: Configuration,
    /// Its document.
    pub document: Bytes,
    /// What it says about certificates.
    pub trust: Trust,
    /// A node with one Node-ID, whose user's resource lies with alice.
    pub carol: Credentials,
    /// A node with one Node-ID, whose user's resource lies with bob.
    pub dave: Credentials,
    /// A node with three Node-IDs.
    pub several: Credentials,
    /// Those that nobody has enrolled.
    pub people: People,
    /// A Store that alice has answered.
    pub stored: Option<StoreReq>,
    overlay: Overlay,
    carol_link: Option<Link>,
    requests: Vec<Bytes>,
    strays: Vec<(TransactionId, MessageCode)>,
    names: BTreeMap<TransactionId, &'static str>,
}

impl World {
    /// Starts service and peers, and enrolls.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn new(name: &str) -> Result<Self> {
        let mut overlay = Overlay::new(name, None)?;
        let (alice, bob) = (overlay.add_peer("alice")?, overlay.add_peer("bob")?);
        overlay.settle()?;
        let address = overlay.peer(alice).address().context("alice has no address")?;
        let (alice, bob) = (overlay.peer(alice).node_id(), overlay.peer(bob).node_id());
        let (alice, bob) = (alice.parse()?, bob.parse()?);
        let home = overlay.enrollment_home();
        let document = Bytes::from(std::fs::read(home.join("overlay.xml"))?);
        let configuration = OverlayDocument::parse(&document)?.find(name)?.clone();
        let trust = Trust::new(&configuration, Leniency::Strict)?;
        let people = People::new(&home, &configuration, wall())?;
        let ring = Ring { alice, bob };
        let carol = user("carol", name, |id| ring.is_alices(id))?;
        let dave = user("dave", name, |id| !ring.is_alices(id))?;
        let enroll = async |user: &str, node_ids| {
            enroll(&overlay, &home, &configuration, &trust, user, node_ids).await
        };
        let carol = enroll(&carol, 1).await?;
        let dave = enroll(&dave, 1).await?;
        let several = enroll(&format!("several@{name}"), 3).await?;
        Ok(Self {
            alice,
            address,
            bob,
            configuration,
            document,
            trust,
            carol,
            dave,
            several,
            people,
            stored: None,
            overlay,
            carol_link: None,
            requests: Vec::new(),
            strays: Vec::new(),
            names: BTreeMap::new(),
        })
    }

    /// The processes.
    pub fn overlay(&mut self) -> &mut Overlay {
        &mut self.overlay
    }

    /// The layout of its messages.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.configuration.dialect()
    }

    /// The resource of a user.
    #[must_use]
    pub fn resource_of(&self, who: &Credentials) -> ResourceId {
        resource_id(who.user().unwrap_or_default().as_bytes())
    }

    /// The peer in charge of a resource.
    #[must_use]
    pub fn responsible(&self, id: &ResourceId) -> NodeId {
        let ring = Ring { alice: self.alice, bob: self.bob };
        if ring.is_alices(id) { self.alice } else { self.bob }
    }

    /// A good request of carol to alice.
    #[must_use]
    pub fn request(&self, code: MessageCode, body: &impl Encode) -> Draft {
        let body = body.to_bytes().expect("the body of a good request can be written");
        self.request_of(code, body)
    }

    /// The same with a body that is written already.
    #[must_use]
    pub fn request_of(&self, code: MessageCode, body: Bytes) -> Draft {
        let header = ForwardingHeader {
            overlay: self.configuration.overlay_hash(),
            configuration_sequence: self.configuration.sequence,
            ttl: self.configuration.initial_ttl,
            fragment: Fragment::WHOLE,
            length: 0,
            transaction_id: random(),
            max_response_length: 0,
            via_list: Vec::new(),
            destination_list: vec![Destination::Node(self.alice)],
            options: Vec::new(),
        };
        let contents = MessageContents::new(code, body);
        Draft::new(header, contents, self.carol.clone(), self.alice)
    }

    /// A good Ping of carol to alice.
    #[must_use]
    pub fn ping(&self) -> Draft {
        self.request(MessageCode::PING_REQUEST, &PingReq { padding: Bytes::new() })
    }

    /// A good Ping of carol to bob, through alice.
    #[must_use]
    pub fn ping_bob(&self) -> Draft {
        self.ping().to(&[Destination::Node(self.bob)], self.bob)
    }

    /// Does what a row says; afterwards the peer must still answer.
    ///
    /// # Errors
    /// What came instead.
    pub async fn run(&mut self, row: &Row) -> Result<()> {
        let draft = (row.draft)(self);
        match row.via {
            Via::Carol => {
                let mut link = self.link().await?;
                let result = self.run_over(row, draft, &mut link).await;
                if row.expect != Expect::Closed && result.is_ok() {
                    self.carol_link = Some(link);
                }
                result
            }
            Via::Several => {
                let mut link = self.dial(&self.several).await?;
                self.run_over(row, draft, &mut link).await
            }
        }
    }

    async fn run_over(&mut self, row: &Row, draft: Draft, link: &mut Link) -> Result<()> {
        let (transaction, code) = (draft.header.transaction_id, draft.contents.code);
        let answered_by = draft.answered_by;
        self.names.insert(transaction, row.name);
        link.send(&draft.build()?).await?;
        match row.expect {
            Expect::Closed => return link.closed().await.map(|_| ()),
            Expect::Silence => {}
            Expect::Answer | Expect::Error(_) | Expect::AnyError => {
                let answer = self.answer(link, transaction, answered_by).await?;
                answer.judge(row.expect, code)?;
                row.check.map_or(Ok(()), |check| check(self, &answer))?;
            }
        }
        self.lives(link, row.via, answered_by).await
    }

    /// A Ping over the link is answered, and nothing else was.
    ///
    /// # Errors
    /// If it is not, or something was.
    pub async fn lives(&mut self, link: &mut Link, via: Via, node: NodeId) -> Result<()> {
        let mut ping = self.ping().to(&[Destination::Node(node)], node);
        if via == Via::Several {
            ping = ping.by(&self.several);
        }
        let answer = self.ask_over(link, ping).await.context("the Ping behind it")?;
        answer.judge(Expect::Answer, MessageCode::PING_REQUEST)?;
        self.no_strays()
    }

    /// Fails if something was answered that must not be.
    ///
    /// # Errors
    /// What was answered.
    pub fn no_strays(&mut self) -> Result<()> {
        let Some((transaction, code)) = self.strays.pop() else { return Ok(()) };
        self.strays.clear();
        let name = self.names.get(&transaction).copied().unwrap_or("something unknown");
        bail!("{code} came for `{name}`")
    }

    /// Sends over the link of carol, and waits for the answer.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ask(&mut self, draft: Draft) -> Result<Answer> {
        let mut link = self.link().await?;
        let answer = self.ask_over(&mut link, draft).await?;
        self.carol_link = Some(link);
        Ok(answer)
    }

    /// Sends over a link, and waits for the answer.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ask_over(&mut self, link: &mut Link, draft: Draft) -> Result<Answer> {
        let (transaction, answered_by) = (draft.header.transaction_id, draft.answered_by);
        link.send(&draft.build()?).await?;
        self.answer(link, transaction, answered_by).await
    }

    /// The answer to a transaction.
    ///
    /// # Errors
    /// If there is none.
    pub async fn answer(
        &mut self,
        link: &mut Link,
        transaction: TransactionId,
        answered_by: NodeId,
    ) -> Result<Answer> {
        loop {
            let message = self.message(link).await.context("no answer")?;
            let (header, rest) = ForwardingHeader::split(&self.dialect(), &message)?;
            let code = peek_message_code(&rest).context("a message without a code")?;
            if code.is_request() {
                self.requests.push(message);
            } else if header.transaction_id == transaction {
                return Answer::read(&message, self.asked(answered_by));
            } else {
                self.strays.push((header.transaction_id, code));
            }
        }
    }

    async fn message(&mut self, link: &mut Link) -> Result<Bytes> {
        loop {
            match link.event().await? {
                Event::Message(message) => return Ok(message),
                Event::Ack { .. } => {}
                Event::Closed(how) => bail!("the link is closed: {how}"),
            }
        }
    }

    fn asked(&self, answered_by: NodeId) -> Asked<'_> {
        Asked {
            dialect: DIALECT,
            trust: &self.trust,
            answered_by,
            overlay: self.configuration.overlay_hash(),
            initial_ttl: self.configuration.initial_ttl,
            now: wall(),
        }
    }

    /// The next request that alice sends to carol, checked as every answer is.
    ///
    /// # Errors
    /// If none comes, or it is not of alice.
    pub async fn asked_by_alice(&mut self, code: MessageCode) -> Result<Answer> {
        let mut link = self.link().await?;
        loop {
            let message = match self.requests.pop() {
                Some(message) => message,
                None => self.message(&mut link).await.context("no request of alice")?,
            };
            let found = Answer::read(&message, self.asked(self.alice))?;
            if found.code == code {
                self.carol_link = Some(link);
                return Ok(found);
            }
        }
    }

    /// The link of carol; dialled when there is none.
    ///
    /// # Errors
    /// If alice does not take it.
    pub async fn link(&mut self) -> Result<Link> {
        match self.carol_link.take() {
            Some(link) => Ok(link),
            None => self.dial(&self.carol).await,
        }
    }

    /// Gives the link of carol back.
    pub fn keep(&mut self, link: Link) {
        self.carol_link = Some(link);
    }

    /// Dials alice, who must show her certificate.
    ///
    /// # Errors
    /// If she does not.
    pub async fn dial(&self, who: &Credentials) -> Result<Link> {
        let link = Link::dial(self.address, Presented::Certificate(who)).await?;
        let shown = link.seen().certificate().context("alice shows no certificate")?;
        let shown = self.trust.check(&Bytes::from(shown), &[], wall())?;
        ensure!(shown.node_id() == self.alice, "{} answers there", shown.node_id());
        Ok(link)
    }
}

static DIALECT: &Dialect = &Dialect {
    node_id_length: reload_wire::NodeIdLength::DEFAULT,
    limits: reload_wire::Limits { max_message_size: u32::MAX },
};

async fn enroll(
    overlay: &Overlay,
    home: &std::path::Path,
    configuration: &Configuration,
    trust: &Trust,
    user: &str,
    node_ids: u32,
) -> Result<Credentials> {
    let password: PathBuf = home.join("password");
    std::fs::write(&password, "a password")?;
    let file = password.to_string_lossy();
    overlay.reload_enroll(&["user", "add", user, "--password-file", &file])?;
    let pem = std::fs::read_to_string(home.join("https-ca.pem"))?;
    let ca = certificates_from_pem(&pem)?.into_iter().next().context("no CA")?;
    let url = configuration.enrollment_servers.first().context("no enrollment server")?.clone();
    let service = Enrollment { url, ca };
    let enrolled = service.enroll(user, "a password", node_ids, trust, wall()).await;
    enrolled.with_context(|| format!("enrollment of {user}"))
}

/// The wall clock.
#[must_use]
pub fn wall() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
