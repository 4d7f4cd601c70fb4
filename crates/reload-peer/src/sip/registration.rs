//! The registration of this node's user: what is asked of the task that keeps it, and what it shows.

use reload_sip_proxy::OverlayError;
use reload_usages::sip::Scheme;
use reload_wire::UnixTime;
use tokio::sync::{mpsc, oneshot, watch};

use super::work::Work;
use crate::home::Home;
use crate::running::Running;

/// REGISTERs that wait for the task; the proxy waits beyond.
const ORDERS: usize = 256;

/// The registration of one user. Cheap to clone; it ends with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    orders: mpsc::Sender<Order>,
    picture: watch::Receiver<Picture>,
}

/// What stands in the overlay for this node, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Whether it is stored.
    pub stored: bool,
    /// When it expires; that of a forward is put off.
    pub ends: Option<UnixTime>,
    /// Where calls go instead of to the phones.
    pub forward: Option<String>,
    /// Why the last Store failed.
    pub failure: Option<String>,
}

/// Where the answer to an order goes.
pub(super) type Done = oneshot::Sender<Result<u32, OverlayError>>;

/// What is asked of the task.
#[derive(Debug)]
pub(super) enum Order {
    /// The phones: as [`reload_sip_proxy::Overlay::register`].
    Register { expires: u32, wants: Option<Scheme>, done: Done },
    /// Send calls on, or no longer.
    Forward { to: Option<String>, done: Done },
    /// The node leaves: answered when the home has it too, and the last order.
    Leave { done: Done },
}

impl Registration {
    /// Starts the task; what an earlier run has left is taken up again.
    ///
    /// # Errors
    /// This user cannot be registered.
    pub(crate) fn start(node: Running, home: Home, wants: Option<Scheme>) -> anyhow::Result<Self> {
        let (sender, picture) = watch::channel(Picture::default());
        let (orders, incoming) = mpsc::channel(ORDERS);
        let work = Work::new(node, home, wants, sender)?;
        tokio::spawn(work.run(incoming));
        Ok(Self { orders, picture })
    }

    /// As [`reload_sip_proxy::Overlay::register`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn register(
        &self,
        expires: u32,
        wants: Option<Scheme>,
    ) -> Result<u32, OverlayError> {
        self.order(|done| Order::Register { expires, wants, done }).await
    }

    /// Sends the calls of the user on, from this node, or no longer. Gives the seconds for which that is
    /// stored.
    ///
    /// # Errors
    /// It could not be stored; it is tried again all the same.
    pub(crate) async fn forward(&self, to: Option<String>) -> Result<u32, OverlayError> {
        self.order(|done| Order::Forward { to, done }).await
    }

    /// Takes the registration of this node out of the overlay; a forward stays.
    pub(crate) async fn leave(&self) {
        if let Err(error) = self.order(|done| Order::Leave { done }).await {
            tracing::warn!("the SIP registration is not removed, it expires by itself: {error}");
        }
    }

    /// What stands in the overlay.
    pub(crate) fn picture(&self) -> Picture {
        self.picture.borrow().clone()
    }

    async fn order(&self, order: impl FnOnce(Done) -> Order) -> Result<u32, OverlayError> {
        let (done, result) = oneshot::channel();
        let sent = self.orders.send(order(done)).await;
        sent.map_err(|_| OverlayError::Stopped)?;
        result.await.map_err(|_| OverlayError::Stopped)?
    }
}
