//! A running proxy: its start, what can be asked of it, its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::EndpointBuilder;
use rsipstack::platform::CancellationToken;
use rsipstack::transaction::endpoint::{Endpoint, EndpointOption};
use rsipstack::transport::TransportLayer;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::calls::Calls;
use crate::edge::{Authenticator, ListenError, Listeners, PhoneFile, Registrar, TlsIdentity};
use crate::inspector::Inspector;
use crate::media::{Media, MediaSettings};
use crate::overlay::Purpose;
use crate::pipes::{NoNames, Pool};
use crate::routing::{AcksUnderWay, Parts, Router};
use crate::trace::Trace;
use crate::{Call, Overlay, Settings, StartError, TraceEntry};

/// ACKs that wait to be sent on; a lost one is repeated.
const ACKS: usize = 1024;
/// How often what is over is forgotten.
const SWEEP: Duration = Duration::from_secs(10);
/// Longer than any call rings: the router has its own Timer C, with CANCEL.
const STACK_TIMER_C: Duration = Duration::from_secs(3600);

/// A running proxy. It stops when dropped.
pub struct Proxy {
    listening: Listening,
    registrar: Arc<Registrar>,
    router: Arc<Router>,
    pipes: Arc<Pool>,
    calls: Arc<Calls>,
    media: Media,
    trace: Arc<Trace>,
    end: CancellationToken,
}

/// Where phones reach a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// By UDP.
    pub udp: SocketAddr,
    /// By TCP.
    pub tcp: SocketAddr,
    /// By TLS, if they may.
    pub tls: Option<SocketAddr>,
}

/// A phone that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// Its contact, as it gave it.
    pub contact: String,
    /// Seconds until it has to register again.
    pub expires_in: u32,
    /// What it says that it is.
    pub user_agent: Option<String>,
    /// `UDP`, `TCP` or `TLS`.
    pub transport: String,
}

impl Proxy {
    /// Starts it.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(settings: Settings, overlay: Arc<dyn Overlay>) -> Result<Self, StartError> {
        check(&settings)?;
        let listeners = listen(&settings).await?;
        let listening =
            Listening { udp: listeners.udp(), tcp: listeners.tcp(), tls: listeners.tls() };
        let end = CancellationToken::new();
        let trace = Arc::new(Trace::new(settings.limits.trace, settings.route));
        let (seen, acks) = mpsc::channel(ACKS);
        let under_way = AcksUnderWay::default();
        let endpoint =
            endpoint(&end, Inspector { trace: Arc::clone(&trace), seen, acks: under_way.clone() });
        let inner = endpoint.inner.clone();
        let pipes = Pool::new(Arc::clone(&overlay), inner.clone());
        trace.set_pipes(&pipes);
        let authenticator =
            Arc::new(Authenticator::new(overlay.aor(), settings.password.as_deref()));
        let registrar =
            Registrar::new(Arc::clone(&overlay), Arc::clone(&authenticator), settings.wants);
        let media = Media::new(
            MediaSettings {
                mode: settings.media,
                ports: settings.media_ports.clone(),
                branches: settings.limits.dialogs,
                ..MediaSettings::default()
            },
            Arc::clone(&overlay),
        );
        let calls = Arc::new(Calls::new(settings.limits.dialogs));
        let phones = settings.phones.clone().map(PhoneFile::new);
        let addresses = [Some(listening.udp), listening.tls].into_iter().flatten().collect();
        let router = Router::new(Parts {
            settings,
            overlay: Arc::clone(&overlay),
            endpoint: inner.clone(),
            registrar: Arc::clone(&registrar),
            authenticator,
            pipes: Arc::clone(&pipes),
            calls: Arc::clone(&calls),
            media: media.clone(),
            trace: Arc::clone(&trace),
            listening: addresses,
            acks: under_way,
            end: end.clone(),
        });
        let incoming = endpoint.incoming_transactions();
        let incoming = incoming.expect("nobody else has taken it from a new endpoint");
        let udp = listeners.serve(&inner, end.clone()).await;
        if let Some(file) = phones {
            let kept = registrar.keep_in(file, &udp).await;
            kept.map_err(|error| StartError::Phones(error.to_string()))?;
        }
        tokio::spawn(serve_stack(endpoint));
        tokio::spawn(Arc::clone(&registrar).run(end.clone()));
        tokio::spawn(until(end.clone(), Arc::clone(&router).serve(incoming)));
        tokio::spawn(until(end.clone(), Arc::clone(&router).serve_acks(acks)));
        tokio::spawn(until(end.clone(), accept(overlay, Arc::clone(&pipes), media.clone())));
        tokio::spawn(until(end.clone(), sweep(Arc::clone(&router))));
        Ok(Self { listening, registrar, router, pipes, calls, media, trace, end })
    }

    /// Where phones reach it.
    #[must_use]
    pub fn listening(&self) -> Listening {
        self.listening
    }

    /// The phones that are registered.
    #[must_use]
    pub fn phones(&self) -> Vec<Phone> {
        let now = Instant::now();
        let phone = |binding: crate::edge::Binding| Phone {
            contact: binding.contact_text.clone(),
            expires_in: binding.expires_in(now.into_std()),
            user_agent: binding.user_agent.clone(),
            transport: binding.flow.connection.transport().to_string(),
        };
        self.registrar.phones().into_iter().map(phone).collect()
    }

    /// The calls that there are, the oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let mut calls = self.calls.list();
        for call in &mut calls {
            call.media = self.media.usage(&call.call_id).map(|it| it.to_string());
        }
        calls
    }

    /// The last messages, of one call or of all.
    #[must_use]
    pub fn trace(&self, call_id: Option<&str>) -> Vec<TraceEntry> {
        self.trace.entries(call_id)
    }

    /// Open connections to other peers.
    #[must_use]
    pub fn pipes(&self) -> usize {
        self.pipes.len()
    }

    /// Datagrams of other peers that were dropped since the start, as they were no SIP.
    #[must_use]
    pub fn noise(&self) -> u64 {
        self.pipes.noise()
    }

    /// Dialogs that are known: calls and subscriptions.
    #[must_use]
    pub fn dialogs(&self) -> usize {
        self.router.dialogs_known()
    }

    /// Ends it: phones get no answer any more, and the connections to other peers close.
    pub async fn shutdown(self) {
        drop(self);
        // the sockets close when their tasks have seen it
        tokio::task::yield_now().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end.cancel();
        self.pipes.shutdown();
        self.media.shutdown();
    }
}

fn check(settings: &Settings) -> Result<(), StartError> {
    let tls = settings.tls.as_ref().map(|tls| tls.listen);
    let far = [Some(settings.listen), tls].into_iter().flatten().find(|it| !it.ip().is_loopback());
    match far.filter(|_| settings.password.is_none()) {
        Some(address) => Err(StartError::NeedsPassword(address)),
        None => Ok(()),
    }
}

async fn listen(settings: &Settings) -> Result<Listeners, StartError> {
    let tls = settings.tls.as_ref().map(|tls| TlsIdentity {
        listen: tls.listen,
        certificate_pem: tls.certificate_pem.clone().into_bytes(),
        key_pem: tls.key_pem.clone().into_bytes(),
    });
    Listeners::bind(settings.listen, tls).await.map_err(|error| match error {
        ListenError::Bind { address, error } => {
            StartError::Listen { address, reason: error.to_string() }
        }
        ListenError::Identity(reason) => StartError::Tls(reason),
    })
}

fn endpoint(end: &CancellationToken, inspector: Inspector) -> Endpoint {
    let layer = TransportLayer::new_with_domain_resolver(end.child_token(), Box::new(NoNames));
    EndpointBuilder::new()
        .with_user_agent(concat!("reload/", env!("CARGO_PKG_VERSION")))
        .with_transport_layer(layer)
        .with_cancel_token(end.child_token())
        .with_inspector(Box::new(inspector))
        .with_option(EndpointOption {
            // RFC 3261 section 16: the ACK of a 2xx is not ours
            auto_ack_2xx: false,
            timerc: STACK_TIMER_C,
            ..EndpointOption::default()
        })
        .build()
}

async fn serve_stack(endpoint: Endpoint) {
    endpoint.serve().await;
}

/// Takes the connections that other peers open.
async fn accept(overlay: Arc<dyn Overlay>, pipes: Arc<Pool>, media: Media) {
    while let Some((purpose, pipe)) = overlay.accept().await {
        match purpose {
            Purpose::Sip(scheme) => {
                if let Err(error) = pipes.adopt(scheme, pipe).await {
                    tracing::debug!(%error, "a pipe is refused");
                }
            }
            Purpose::Media => media.accepted(pipe),
        }
    }
}

async fn sweep(router: Arc<Router>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        router.sweep();
    }
}

async fn until(end: CancellationToken, task: impl Future<Output = ()>) {
    tokio::select! {
        () = end.cancelled() => {}
        () = task => {}
    }
}
