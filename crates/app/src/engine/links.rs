//! How a route's links stand: this node's, and whether others have one.

use std::time::Duration;

use pombo_domain::channel::LinkState;
use pombo_domain::share::Share;
use pombo_domain::time::Instant;

/// The links of one route.
#[derive(Debug)]
pub(super) struct Links {
    states: Vec<LinkState>,
    share: Share,
    /// Since when none is up, where none is.
    down_since: Option<Instant>,
    /// Whether another node has one.
    is_up_elsewhere: bool,
}

impl Links {
    /// So many, of which none is up.
    pub(super) fn new(n: usize, now: Instant) -> Self {
        Self {
            states: vec![LinkState::Connecting; n],
            share: Share::ALL,
            down_since: Some(now),
            is_up_elsewhere: false,
        }
    }

    /// This node's that are up.
    pub(super) fn up(&self) -> usize {
        self.states.iter().filter(|state| **state == LinkState::Up).count()
    }

    /// Whether any node has one.
    pub(super) fn is_up(&self) -> bool {
        self.is_up_elsewhere || self.up() > 0
    }

    /// Whether no node has had one for so long.
    pub(super) fn is_down_for(&self, patience: Duration, now: Instant) -> bool {
        !self.is_up_elsewhere && self.down_since.is_some_and(|at| now.since(at) >= patience)
    }

    /// What this node may do of what all may do.
    pub(super) const fn share(&self) -> Share {
        self.share
    }

    /// Takes its share of `n` links. Who had none has not waited for one.
    pub(super) fn take_share(&mut self, share: Share, n: usize, now: Instant) {
        if self.share.of(n) == 0 && share.of(n) > 0 && self.down_since.is_some() {
            self.down_since = Some(now);
        }
        self.share = share;
    }

    /// What is known of the other nodes'.
    pub(super) const fn set_up_elsewhere(&mut self, is_up: bool) {
        self.is_up_elsewhere = is_up;
    }

    /// Notes a link's state; whether it is another than before.
    pub(super) fn set(&mut self, link: usize, state: LinkState, now: Instant) -> bool {
        if self.states.len() <= link {
            self.states.resize(link + 1, LinkState::Connecting);
        }
        if self.states[link] == state {
            return false;
        }
        self.states[link] = state;
        self.down_since = if self.up() > 0 { None } else { self.down_since.or(Some(now)) };
        true
    }

    /// The best there is.
    pub(super) fn best(&self) -> LinkState {
        let up = self.states.iter().find(|state| **state == LinkState::Up);
        match up.or(self.states.first()) {
            Some(LinkState::Up) => LinkState::Up,
            _ if self.is_up_elsewhere => LinkState::Up,
            Some(state) => state.clone(),
            None => LinkState::Connecting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(1_000_000_000);
    const PATIENCE: Duration = Duration::from_secs(30);

    fn down() -> LinkState {
        LinkState::Down { why: "gone".to_owned(), misconfigured: false }
    }

    #[test]
    fn a_route_is_down_when_no_node_has_a_link() {
        let later = NOW.plus(PATIENCE);
        let mut links = Links::new(2, NOW);
        assert!(!links.is_down_for(PATIENCE, NOW) && links.is_down_for(PATIENCE, later));
        links.set_up_elsewhere(true);
        assert!(links.is_up() && links.up() == 0 && links.best() == LinkState::Up);
        assert!(!links.is_down_for(PATIENCE, later));
        links.set_up_elsewhere(false);
        assert!(links.set(1, LinkState::Up, NOW) && !links.set(1, LinkState::Up, NOW));
        assert!(links.is_up() && links.up() == 1 && !links.is_down_for(PATIENCE, later));
        links.set(1, down(), later);
        assert!(!links.is_up() && !links.is_down_for(PATIENCE, later));
        assert!(links.is_down_for(PATIENCE, later.plus(PATIENCE)));
    }

    #[test]
    fn who_had_no_link_has_not_waited_for_one() {
        let later = NOW.plus(PATIENCE);
        let mut links = Links::new(1, NOW);
        links.take_share(Share::new(1, 2), 1, NOW);
        links.take_share(Share::ALL, 1, later);
        assert!(!links.is_down_for(PATIENCE, later));
        links.take_share(Share::ALL, 1, later.plus(PATIENCE));
        assert!(links.is_down_for(PATIENCE, later.plus(PATIENCE)));
    }
}
