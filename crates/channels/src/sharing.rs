//! How a route's links are shared out among nodes while they run.

use pombo_domain::share::Share;
use tokio::sync::watch;

/// The side that knows what this node's share is.
#[derive(Debug)]
pub struct Giver {
    share: watch::Sender<Share>,
    acts_by: watch::Receiver<Share>,
}

/// The side that keeps the links.
#[derive(Debug)]
pub struct Taker {
    share: watch::Receiver<Share>,
    acts_by: watch::Sender<Share>,
}

/// Both sides, with the share to begin with.
#[must_use]
pub fn sharing(share: Share) -> (Giver, Taker) {
    let (give, given) = watch::channel(share);
    let (tell, told) = watch::channel(Share::NONE);
    let giver = Giver { share: give, acts_by: told };
    (giver, Taker { share: given, acts_by: tell })
}

impl Giver {
    /// Gives another share.
    pub fn give(&self, share: Share) {
        self.share.send_replace(share);
    }

    /// Tells when there are no more links than are of that share; also when there are none and never
    /// will be.
    pub fn acted(&self, share: Share) -> impl Future<Output = ()> + Send + use<> {
        let mut acts_by = self.acts_by.clone();
        async move {
            // An error: whoever kept links is gone, and they with it.
            let _ = acts_by.wait_for(|acts_by| *acts_by == share).await;
        }
    }
}

impl Taker {
    /// All of them, for ever.
    #[must_use]
    pub fn of_all() -> Self {
        sharing(Share::ALL).1
    }

    /// The share that holds now.
    pub fn share(&mut self) -> Share {
        *self.share.borrow_and_update()
    }

    /// Waits until it is another one.
    pub async fn changed(&mut self) {
        if self.share.changed().await.is_err() {
            // Whoever could change it is gone: it stays as it is.
            std::future::pending().await
        }
    }

    /// Says that there are no more links than are of that share.
    pub fn act_by(&self, share: Share) {
        self.acts_by.send_replace(share);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Long enough for what happens at once.
    const MOMENT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_share_is_acted_by_when_the_taker_says_so() {
        let (giver, mut taker) = sharing(Share::ALL);
        let half = Share::new(0, 2);
        giver.give(half);
        taker.changed().await;
        assert_eq!(taker.share(), half);
        taker.act_by(Share::ALL);
        assert!(timeout(MOMENT, giver.acted(half)).await.is_err());
        taker.act_by(half);
        giver.acted(half).await;
        drop(taker);
        giver.acted(Share::ALL).await;
    }

    #[tokio::test]
    async fn who_has_all_keeps_it() {
        let mut taker = Taker::of_all();
        assert_eq!(taker.share(), Share::ALL);
        assert!(timeout(MOMENT, taker.changed()).await.is_err());
    }
}
