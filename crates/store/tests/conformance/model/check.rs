//! Compares a store with the model.

use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_domain::price::Refund;
use pombo_store::operation::campaign::{Find, Which};
use pombo_store::operation::route::Load;
use pombo_store::operation::uncertain::CountOpen;
use pombo_store::operation::unmatched::CountUnmatched;

use super::{Known, Model, Place};
use crate::money::ledger;
use crate::world::{PRICE, World};

/// All that the model knows.
pub(crate) fn check(w: &World, model: &Model) {
    for (message, (n_parts, _)) in &model.messages {
        let view = w.view(*message);
        assert_eq!(view.parts.len(), usize::from(*n_parts));
        for (idx, state) in (0..*n_parts).zip(view.parts.iter().map(|part| part.state)) {
            let expected = match model.parts[&message.part(idx)].place {
                Place::Queued | Place::Away { .. } => PartState::Queued,
                Place::Sent(_) => PartState::Sent,
                Place::Uncertain { .. } => PartState::Uncertain,
                Place::Silent(_) | Place::GivenUp => PartState::Undelivered,
                Place::Final(expected, _) => expected,
            };
            assert_eq!(state, expected, "{message:?}/{idx}");
        }
        crate::certificate::agrees(w, &view);
    }
    let count = |test: fn(&Known) -> bool| model.parts.values().filter(|k| test(k)).count();
    let times = |n: usize| PRICE.times(n).unwrap_or(Money::ZERO);
    assert_eq!(w.balance(), model.given - times(count(Known::is_charged)));
    let released = count(|known| known.priced && known.released);
    let given_back = count(|known| known.refund == Refund::Given);
    let wanted = [count(|known| known.priced), released, given_back];
    assert_eq!(ledger(w), wanted.map(times));
    check_totals(w, model);
    let open = model.of(|place| matches!(place, Place::Uncertain { .. })).len();
    assert_eq!(w.ask(CountOpen), i64::try_from(open).unwrap());
    let early: usize = model.early.values().map(Vec::len).sum();
    assert_eq!(w.ask(CountUnmatched), i64::try_from(early).unwrap());
    for route in [w.route, w.other_route] {
        let load = w.ask(Load { route });
        let away = model.of(|p| matches!(p, Place::Away { route: r, .. } if r == route)).len();
        assert_eq!(load.in_flight, away as u64);
    }
}

/// The campaign's totals are what its events come to, and what the model knows.
fn check_totals(w: &World, model: &Model) {
    let Some(sending) = model.sending else { return };
    let find = Find { account: Some(w.account), which: Which::Sending(sending) };
    let totals = w.ask(find).expect("it was joined").row.totals;
    let mut recounted = w.recounted(sending);
    let named = || model.parts.values().filter(|known| known.named);
    let charged = named().filter(|known| known.is_charged()).count();
    recounted.cost = PRICE.times(charged).unwrap();
    assert_eq!(totals, recounted);
    let firsts = model.parts.iter().filter(|(part, known)| known.named && part.idx() == 0);
    assert_eq!(totals.messages, i64::try_from(firsts.count()).unwrap());
}
