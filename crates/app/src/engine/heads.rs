//! Which queues of a route hold something, when it is due, and whose turn it is.

use std::collections::BTreeMap;
use std::ops::Bound;

use pombo_domain::id::AccountId;
use pombo_domain::message::Lane;
use pombo_domain::time::Instant;

/// The first due time of each (lane, account), and the account served last in each lane.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    due: BTreeMap<(Lane, AccountId), Head>,
    served: [Option<AccountId>; 2],
}

#[derive(Debug, Clone, Copy)]
struct Head {
    due: Instant,
    /// Something was queued since the last look: what that look learned is out of date.
    rung: bool,
    /// Somebody looks at it now.
    asked: bool,
    /// The last look did not take all that was due.
    behind: bool,
}

impl Heads {
    /// Something was queued.
    pub(crate) fn ring(&mut self, lane: Lane, account: AccountId, due: Instant) {
        let head = self.due.entry((lane, account)).or_insert(Head {
            due,
            rung: true,
            asked: false,
            behind: false,
        });
        head.due = head.due.min(due);
        head.rung = true;
    }

    /// The accounts of the first lane that has anything due, beginning after the one served last;
    /// at most as many as `most` says for the lane. Their bells are silenced until
    /// [`Heads::looked`].
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        most: impl Fn(Lane) -> usize,
        may: impl Fn(AccountId) -> bool,
    ) -> Option<(Lane, Vec<AccountId>)> {
        for lane in Lane::ALL {
            let n = most(lane);
            if n == 0 {
                continue;
            }
            let (first, last) = ((lane, AccountId(i64::MIN)), (lane, AccountId(i64::MAX)));
            let served = self.served[lane as usize].map(|account| (lane, account));
            let later = served.map_or(Bound::Included(first), Bound::Excluded);
            let again = served.map_or(Bound::Excluded(first), Bound::Included);
            // No further than `n`: thousands may be due.
            let chosen: Vec<AccountId> = self
                .due
                .range((later, Bound::Included(last)))
                .chain(self.due.range((Bound::Included(first), again)))
                .filter(|((_, account), head)| head.due <= now && may(*account))
                .map(|((_, account), _)| *account)
                .take(n)
                .collect();
            if chosen.is_empty() {
                continue;
            }
            self.served[lane as usize] = chosen.last().copied();
            for account in &chosen {
                if let Some(head) = self.due.get_mut(&(lane, *account)) {
                    head.rung = false;
                    head.asked = true;
                }
            }
            return Some((lane, chosen));
        }
        None
    }

    /// A look failed.
    pub(crate) fn missed(&mut self, lane: Lane, account: AccountId) {
        if let Some(head) = self.due.get_mut(&(lane, account)) {
            head.asked = false;
        }
    }

    /// A claim has looked at a queue by then: this is when its next is due.
    pub(crate) fn looked(
        &mut self,
        (lane, account): (Lane, AccountId),
        by: Instant,
        next: Option<Instant>,
    ) {
        let Some(head) = self.due.get_mut(&(lane, account)) else {
            return;
        };
        head.asked = false;
        head.behind = next.is_some_and(|due| due <= by);
        if head.rung {
            return; // Newer than the look.
        }
        match next {
            Some(due) => head.due = due,
            None => {
                self.due.remove(&(lane, account));
            }
        }
    }

    /// The first lane in which something is due that is not just being claimed whole, of the accounts
    /// that may go on.
    pub(crate) fn behind(&self, now: Instant, may: impl Fn(AccountId) -> bool) -> Option<Lane> {
        let waits = |head: &Head| head.due <= now && (head.behind || !head.asked);
        let mut waiting = self.due.iter().filter(|(_, head)| waits(head));
        waiting.find(|((_, account), _)| may(*account)).map(|((lane, _), _)| *lane)
    }

    /// When the next is due in the lanes that have room.
    pub(crate) fn next_due(&self, has_room: impl Fn(Lane) -> bool) -> Option<Instant> {
        let waiting = self.due.iter().filter(|((lane, _), _)| has_room(*lane));
        waiting.map(|(_, head)| head.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(1_000_000);
    const LATER: Instant = Instant::from_micros(2_000_000);

    #[test]
    fn transactional_goes_first_and_accounts_take_turns() {
        let mut heads = Heads::default();
        for account in 1..=3 {
            heads.ring(Lane::Bulk, AccountId(account), NOW);
        }
        let mut turns = Vec::new();
        for _ in 0..4 {
            let (lane, accounts) = heads.turn(NOW, |_| 1, |_| true).expect("something is due");
            assert_eq!(lane, Lane::Bulk);
            turns.push(accounts[0].0);
        }
        assert_eq!(turns, [1, 2, 3, 1]);
        heads.ring(Lane::Transactional, AccountId(2), NOW);
        let turn = heads.turn(NOW, |_| 5, |_| true);
        assert_eq!(turn, Some((Lane::Transactional, vec![AccountId(2)])));
    }

    #[test]
    fn what_is_not_due_waits_and_tells_when() {
        let mut heads = Heads::default();
        heads.ring(Lane::Bulk, AccountId(1), LATER);
        assert_eq!(heads.turn(NOW, |_| 1, |_| true), None);
        assert_eq!(heads.next_due(|_| true), Some(LATER));
        assert!(heads.turn(LATER, |_| 1, |_| true).is_some());
    }

    #[test]
    fn a_bell_rung_during_a_look_is_not_lost() {
        let mut heads = Heads::default();
        heads.ring(Lane::Bulk, AccountId(1), NOW);
        heads.turn(NOW, |_| 1, |_| true);
        heads.ring(Lane::Bulk, AccountId(1), NOW);
        heads.looked((Lane::Bulk, AccountId(1)), NOW, None);
        assert_eq!(heads.next_due(|_| true), Some(NOW), "the new message is still to be claimed");
        heads.turn(NOW, |_| 1, |_| true);
        heads.looked((Lane::Bulk, AccountId(1)), NOW, None);
        assert_eq!(heads.next_due(|_| true), None);
    }

    #[test]
    fn whoever_waits_is_behind_until_a_claim_takes_all_of_it() {
        let (account, lane) = (AccountId(1), Lane::Bulk);
        let mut heads = Heads::default();
        let behind = |heads: &Heads| heads.behind(NOW, |_| true);
        assert_eq!(behind(&heads), None);
        heads.ring(lane, account, NOW);
        heads.ring(Lane::Transactional, account, LATER);
        assert_eq!(behind(&heads), Some(lane), "it waits for its claim");
        assert_eq!(heads.behind(NOW, |_| false), None, "it may not go on before long");
        heads.turn(NOW, |_| 1, |_| true);
        assert_eq!(behind(&heads), None, "it is being claimed");
        heads.looked((lane, account), NOW, Some(NOW));
        assert_eq!(behind(&heads), Some(lane), "more of it waits");
        heads.turn(NOW, |_| 1, |_| true);
        assert_eq!(behind(&heads), Some(lane), "nobody knows whether the next claim takes all");
        heads.looked((lane, account), NOW, None);
        assert_eq!(behind(&heads), None);
        heads.ring(lane, account, NOW);
        heads.turn(NOW, |_| 1, |_| true);
        heads.missed(lane, account);
        assert_eq!(behind(&heads), Some(lane), "its claim failed");
    }
}
