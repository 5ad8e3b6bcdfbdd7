//! The submissions on their way: found by sequence number, timed out in the order they were sent.

use std::collections::VecDeque;

use pombo_domain::id::MessageId;
use pombo_wire::smpp::SEQUENCE_MAX;
use tokio::time::Instant;

/// One submit_sm without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OnItsWay {
    /// Whose part it is.
    pub(super) message: MessageId,
    /// Bit `i` set: it carries part `i`. More than one only where the carrier cuts the text.
    pub(super) parts: u16,
    /// The attempt's try number.
    pub(super) try_number: u8,
    /// Octets of the stream before it: none of its own has left while no more are written.
    pub(super) starts_at: u64,
    /// When its answer is overdue.
    pub(super) overdue: Instant,
}

/// At most `max` submissions on their way. A ring, so that nothing is allocated per PDU.
#[derive(Debug)]
pub(super) struct Window {
    /// Twice `max` or more, so that one late answer never blocks the sequence numbers after it.
    slots: Vec<Option<(u32, OnItsWay)>>,
    /// Sequence numbers in the order sent; answered ones are dropped when they come to the front.
    order: VecDeque<u32>,
    max: usize,
    n: usize,
    sequence: u32,
}

impl Window {
    pub(super) fn new(max: usize) -> Self {
        let max = max.max(1);
        let slots = vec![None; (max * 2).next_power_of_two()];
        Self { slots, order: VecDeque::with_capacity(max * 2), max, n: 0, sequence: 0 }
    }

    /// How many are on their way.
    pub(super) const fn len(&self) -> usize {
        self.n
    }

    /// How many more may go.
    pub(super) const fn room(&self) -> usize {
        self.max - self.n
    }

    fn slot(&self, sequence: u32) -> usize {
        usize::try_from(sequence).unwrap_or(usize::MAX) & (self.slots.len() - 1)
    }

    /// A number for the next request of any kind; never one that is on its way.
    pub(super) fn next_sequence(&mut self) -> u32 {
        loop {
            self.sequence = if self.sequence >= SEQUENCE_MAX { 1 } else { self.sequence + 1 };
            // At most half of the slots are taken: a free one is near.
            if self.slots[self.slot(self.sequence)].is_none() {
                return self.sequence;
            }
        }
    }

    /// Notes a submission under a number from [`Window::next_sequence`].
    pub(super) fn insert(&mut self, sequence: u32, on_its_way: OnItsWay) {
        debug_assert!(self.room() > 0, "the caller looks for room first");
        let slot = self.slot(sequence);
        self.slots[slot] = Some((sequence, on_its_way));
        self.n += 1;
        if self.order.len() >= 2 * self.slots.len() {
            // One overdue answer at the front must not let the answered ones behind it pile up.
            let mut order = std::mem::take(&mut self.order);
            order.retain(|&sequence| self.holds(sequence));
            self.order = order;
        }
        self.order.push_back(sequence);
    }

    fn holds(&self, sequence: u32) -> bool {
        matches!(self.slots[self.slot(sequence)], Some((held, _)) if held == sequence)
    }

    /// Takes out the submission that this answer belongs to.
    pub(super) fn take(&mut self, sequence: u32) -> Option<OnItsWay> {
        if !self.holds(sequence) {
            return None;
        }
        let slot = self.slot(sequence);
        self.n -= 1;
        self.slots[slot].take().map(|(_, on_its_way)| on_its_way)
    }

    /// When the oldest answer is overdue.
    pub(super) fn overdue(&mut self) -> Option<Instant> {
        while let Some(&sequence) = self.order.front() {
            if let Some((held, on_its_way)) = &self.slots[self.slot(sequence)]
                && *held == sequence
            {
                return Some(on_its_way.overdue);
            }
            self.order.pop_front();
        }
        None
    }

    /// Takes out the oldest submission whose answer is overdue.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<OnItsWay> {
        if self.overdue()? > now {
            return None;
        }
        let sequence = self.order.pop_front()?;
        self.take(sequence)
    }

    /// Takes out the oldest submission.
    pub(super) fn take_oldest(&mut self) -> Option<OnItsWay> {
        self.overdue()?;
        let sequence = self.order.pop_front()?;
        self.take(sequence)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn on_its_way(message: i64, overdue: Instant) -> OnItsWay {
        let message = MessageId(message);
        OnItsWay { message, parts: 1, try_number: 1, starts_at: 0, overdue }
    }

    #[test]
    fn answers_are_found_in_any_order_and_only_once() {
        let now = Instant::now();
        let mut window = Window::new(3);
        let sequences: Vec<u32> = (0..3)
            .map(|i| {
                let sequence = window.next_sequence();
                window.insert(sequence, on_its_way(i, now));
                sequence
            })
            .collect();
        assert_eq!(window.room(), 0);
        for i in [2, 0, 1] {
            assert_eq!(window.take(sequences[i]).unwrap().message.0, i64::try_from(i).unwrap());
            assert_eq!(window.take(sequences[i]), None);
        }
        assert_eq!((window.len(), window.overdue()), (0, None));
        assert_eq!(window.take(0), None);
    }

    #[test]
    fn one_answer_that_never_comes_does_not_stop_the_others() {
        let now = Instant::now();
        let later = now + Duration::from_secs(60);
        let mut window = Window::new(2);
        let stuck = window.next_sequence();
        window.insert(stuck, on_its_way(0, now));
        for i in 1..1_000 {
            let sequence = window.next_sequence();
            assert_ne!(sequence, stuck);
            window.insert(sequence, on_its_way(i, later));
            assert_eq!(window.take(sequence).unwrap().message.0, i);
        }
        assert!(window.order.len() <= 9);
        assert_eq!(window.take_overdue(now).unwrap().message.0, 0);
        assert_eq!(window.take_overdue(now), None);
    }

    #[test]
    fn the_oldest_is_overdue_first() {
        let start = Instant::now();
        let mut window = Window::new(10);
        for i in 0..4_u32 {
            let sequence = window.next_sequence();
            let overdue = start + Duration::from_secs(u64::from(i));
            window.insert(sequence, on_its_way(i64::from(i), overdue));
        }
        let now = start + Duration::from_secs(1);
        assert_eq!(window.take_overdue(now).unwrap().message.0, 0);
        assert_eq!(window.take_overdue(now).unwrap().message.0, 1);
        assert_eq!(window.take_overdue(now), None);
        assert_eq!(window.take_oldest().unwrap().message.0, 2);
    }

    #[test]
    fn sequence_numbers_wrap_to_one() {
        let mut window = Window::new(1);
        window.sequence = SEQUENCE_MAX - 1;
        assert_eq!(window.next_sequence(), SEQUENCE_MAX);
        assert_eq!(window.next_sequence(), 1);
    }
}
