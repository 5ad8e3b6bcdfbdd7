//! Telling what became of each part: in the course of a session, and of all the rest at its end.

use pombo_domain::channel::{Attempt, Outcome, Report};
use pombo_domain::time::Instant as Moment;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::super::submit::local;
use super::super::window::OnItsWay;
use super::{End, Session};

impl Session<'_> {
    /// Tells what became of everything that this session took and has not told yet.
    pub(super) async fn settle(&mut self, end: &End) {
        let why = match end {
            End::Stopped => "stopped before the answer came".to_owned(),
            End::Lost(why) | End::Misconfigured(why) => format!("link lost: {why}"),
        };
        let written = self.output.written();
        while let Some(on_its_way) = self.window.take_oldest() {
            if on_its_way.starts_at >= written {
                self.report(&on_its_way, &Outcome::Unsent);
            } else {
                self.route.meter.lost();
                let cause = local(&why);
                self.report(&on_its_way, &Outcome::Unknown { cause });
            }
        }
        self.give_back_queue();
        self.hand_over();
        let timings = &self.route.config.timings;
        let grace = match end {
            // The grace of a stop is used up.
            End::Stopped => timings.unbind,
            End::Lost(_) | End::Misconfigured(_) => timings.drain,
        };
        if timeout(grace, self.inbox.finish()).await.is_err() {
            tracing::warn!(
                route = self.route.config.route,
                "arrivals of a lost link were not stored in time"
            );
        }
        // The connection is gone in most cases; a failure changes nothing any more.
        let _ = timeout(self.route.config.timings.unbind, self.write.shutdown()).await;
    }

    /// Gives back what is not written yet.
    pub(super) fn give_back_queue(&mut self) {
        let at = self.route.desk.now();
        for attempt in std::mem::take(&mut self.queue) {
            push_reports(&mut self.reports, &attempt, at, &Outcome::Unsent);
        }
    }

    /// Reports one submission now.
    pub(super) fn report(&mut self, on_its_way: &OnItsWay, outcome: &Outcome) {
        let at = self.route.desk.now();
        push_parts(&mut self.reports, on_its_way, at, outcome);
    }
}

/// Reports all parts of an attempt alike.
pub(super) fn push_reports(
    reports: &mut Vec<Report>,
    attempt: &Attempt,
    at: Moment,
    outcome: &Outcome,
) {
    let (message, try_number) = (attempt.message, attempt.try_number);
    reports.extend(attempt.part_idxs().map(|idx| Report {
        part: message.part(idx),
        try_number,
        at,
        outcome: outcome.clone(),
    }));
}

/// Reports all parts that one PDU carried alike.
pub(super) fn push_parts(
    reports: &mut Vec<Report>,
    on_its_way: &OnItsWay,
    at: Moment,
    outcome: &Outcome,
) {
    let mut parts = on_its_way.parts;
    while parts != 0 {
        // At most 16 bits: the index fits.
        let idx = u8::try_from(parts.trailing_zeros()).unwrap_or(0);
        parts &= parts - 1;
        reports.push(Report {
            part: on_its_way.message.part(idx),
            try_number: on_its_way.try_number,
            at,
            outcome: outcome.clone(),
        });
    }
}
