//! The handshake (sections 6.5.1.13 and 6.6.1): who shows no good certificate has no link.

use anyhow::{Result, bail, ensure};
use reload_blackbox::{Link, Presented, Story, Via, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

const LIMIT: Duration = Duration::from_secs(15);

pub(crate) const STORIES: &[Story] = &[
    // R6940-6.5.1.13-03
    Story::new("no certificate", |w| {
        Box::pin(async move {
            refused(w, Presented::Nothing).await?;
            lives_anew(w).await
        })
    }),
    // R6940-6.6.1-01
    Story::new("certificate of another CA", |w| {
        Box::pin(async move {
            refused(w, Presented::Certificate(&w.people.other_ca)).await?;
            lives_anew(w).await
        })
    }),
    Story::new("expired certificate", |w| {
        Box::pin(async move {
            refused(w, Presented::Certificate(&w.people.expired)).await?;
            lives_anew(w).await
        })
    }),
    Story::new("certificate that is not yet valid", |w| {
        Box::pin(async move {
            refused(w, Presented::Certificate(&w.people.future)).await?;
            lives_anew(w).await
        })
    }),
    Story::new("certificate of another overlay", |w| {
        Box::pin(async move {
            refused(w, Presented::Certificate(&w.people.other_overlay)).await?;
            lives_anew(w).await
        })
    }),
    Story::new("no TLS", |w| Box::pin(no_tls(w))),
    Story::new("a frame without TLS", |w| Box::pin(frame_without_tls(w))),
    Story::new("closed in the middle of a handshake", |w| Box::pin(cut(w))),
    Story::new("connected and closed", |w| Box::pin(nothing(w))),
];

/// In TLS 1.3 the dialling side learns of it on its first read.
async fn refused(world: &World, presented: Presented<'_>) -> Result<()> {
    let Ok(mut link) = Link::dial(world.address, presented).await else { return Ok(()) };
    let message = world.ping().build()?;
    // it may be closed by now
    let _ = link.send(&message).await;
    let how = link.closed().await?;
    ensure!(!how.contains("end of stream"), "it is closed without an alert");
    Ok(())
}

async fn lives_anew(world: &mut World) -> Result<()> {
    let mut link = world.dial(&world.carol).await?;
    let alice = world.alice;
    world.lives(&mut link, Via::Carol, alice).await?;
    world.keep(link);
    Ok(())
}

/// Sends these bytes over TCP; the other side must end it.
async fn ends(world: &World, bytes: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect(world.address).await?;
    stream.write_all(bytes).await?;
    let mut buffer = [0; 256];
    loop {
        match timeout(LIMIT, stream.read(&mut buffer)).await {
            Err(_) => bail!("the connection stays open"),
            Ok(Ok(0) | Err(_)) => return Ok(()),
            Ok(Ok(_)) => {}
        }
    }
}

async fn no_tls(world: &mut World) -> Result<()> {
    ends(world, b"GET / HTTP/1.1\r\nHost: alice\r\n\r\n").await?;
    lives_anew(world).await
}

async fn frame_without_tls(world: &mut World) -> Result<()> {
    let message = world.ping().build()?;
    ends(world, &reload_blackbox::data_frame(0, message.len(), &message)).await?;
    lives_anew(world).await
}

async fn cut(world: &mut World) -> Result<()> {
    let mut stream = TcpStream::connect(world.address).await?;
    // the head of a TLS record that announces more than comes
    stream.write_all(&[22, 3, 1, 2, 0, 1]).await?;
    drop(stream);
    lives_anew(world).await
}

async fn nothing(world: &mut World) -> Result<()> {
    drop(TcpStream::connect(world.address).await?);
    lives_anew(world).await
}
