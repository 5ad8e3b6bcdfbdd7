//! Twins: both engines live the same random life, with whatever can happen in it. They answer alike
//! and hold the same; on each nothing is lost or doubled, and the money adds up.
//!
//! Nobody foretells here what becomes of a part, as the model does: what its history says must
//! explain how it stands and what it costs.

mod check;
mod life;
mod tell;

use std::cell::RefCell;

use pombo_domain::message::PartState;
use pombo_domain::route::ReceiptId;
use proptest::prelude::*;

use crate::dump::alike_on_every_store;
use crate::steps::{How, Step, asked, hows, lives, steps, told};
use crate::world::{World, on_files};
use life::Life;

/// One thing that happens, to either account.
#[derive(Debug, Clone)]
enum Deed {
    Step(Step),
    /// The other account acts from now on.
    Turn,
    /// Claims of both accounts in one commit.
    ClaimAll {
        route: usize,
        room: usize,
    },
    /// What comes of the first parts that are away on a route, and the receipts after it.
    Settle {
        route: usize,
        spelling: ReceiptId,
        hows: Vec<(How, Id)>,
        receipts: Vec<Told>,
    },
    /// Whether what a carrier does not deliver goes by another from now on.
    Failover {
        is_on: bool,
    },
    /// What waits for a route moves to the other: all of it, or that of some recipients.
    Divert {
        route: usize,
        all: bool,
    },
    /// What waits for a route that cannot send ends where its time ran out.
    Expire {
        route: usize,
    },
    /// The clock is set back, and what would wait in vain goes.
    SetBack {
        seconds: u64,
    },
    /// The log is read on; bit `i` of `fails` tells what becomes of what its `i`th event owes.
    Tell {
        limit: usize,
        submitted: bool,
        fails: u32,
    },
    /// What failed is tried again.
    Retry {
        room: usize,
        fails: u32,
    },
    /// Nothing happens for longer than a receipt is waited for.
    Silence,
    /// Days that are over go.
    Forget,
}

/// A carrier's id for a part.
#[derive(Debug, Clone, Copy)]
enum Id {
    Own,
    /// The same for all parts of a message.
    OfMessage,
    /// One that it gives to many: some mean others in another spelling.
    Shared(usize),
}

/// A receipt for the `n`th part that the carrier took, by the id that it gave; or for the `n`th of
/// all parts, by that one.
#[derive(Debug, Clone, Copy)]
struct Told {
    n: usize,
    id: Option<Id>,
    state: PartState,
    whom: Whom,
}

/// Whom a receipt says that it is about.
#[derive(Debug, Clone, Copy)]
enum Whom {
    ItsRecipient,
    SomebodyElse,
    Nobody,
}

fn ids() -> impl Strategy<Value = Id> {
    prop_oneof![6 => Just(Id::Own), 1 => Just(Id::OfMessage), 2 => (0..4_usize).prop_map(Id::Shared)]
}

fn receipts() -> impl Strategy<Value = Told> {
    let whom = prop_oneof![
        8 => Just(Whom::ItsRecipient),
        1 => Just(Whom::SomebodyElse),
        1 => Just(Whom::Nobody)
    ];
    let id = proptest::option::weighted(0.3, ids());
    let parts = (any::<usize>(), id, told(), whom);
    parts.prop_map(|(n, id, state, whom)| Told { n, id, state, whom })
}

fn deeds() -> impl Strategy<Value = Deed> {
    let spelling = prop_oneof![
        4 => Just(ReceiptId::Same),
        1 => Just(ReceiptId::Auto),
        1 => Just(ReceiptId::HexToDec)
    ];
    let hows = proptest::collection::vec((hows(), ids()), 0..5);
    let settle = (0..2_usize, spelling, hows, proptest::collection::vec(receipts(), 0..4));
    let route = || 0..2_usize;
    prop_oneof![
        24 => steps().prop_map(Deed::Step),
        6 => asked().prop_map(|asked| Deed::Step(Step::Accept(asked))),
        2 => Just(Deed::Turn),
        6 => (route(), 1..8_usize).prop_map(|(route, room)| Deed::ClaimAll { route, room }),
        16 => settle.prop_map(|(route, spelling, hows, receipts)| {
            Deed::Settle { route, spelling, hows, receipts }
        }),
        2 => proptest::bool::weighted(0.7).prop_map(|is_on| Deed::Failover { is_on }),
        2 => (route(), any::<bool>()).prop_map(|(route, all)| Deed::Divert { route, all }),
        1 => route().prop_map(|route| Deed::Expire { route }),
        1 => (1..7_200_u64).prop_map(|seconds| Deed::SetBack { seconds }),
        3 => (1..20_usize, any::<bool>(), any::<u32>())
            .prop_map(|(limit, submitted, fails)| Deed::Tell { limit, submitted, fails }),
        3 => (1..5_usize, any::<u32>()).prop_map(|(room, fails)| Deed::Retry { room, fails }),
        1 => Just(Deed::Silence),
        1 => Just(Deed::Forget),
    ]
}

/// Lives a life to its end; the store, and all that it answered.
fn live(mut world: World, deeds: &[Deed]) -> (World, Vec<String>) {
    let mut life = Life::of(&world);
    for deed in deeds {
        world = life.live(world, deed);
    }
    check::check(&world, &life);
    life.end(&mut world);
    check::check(&world, &life);
    (world, life.answers)
}

proptest! {
    #![proptest_config(lives(20, 500))]

    #[test]
    fn both_engines_answer_alike_and_on_each_the_money_adds_up(
        deeds in proptest::collection::vec(deeds(), 1..80)
    ) {
        let answers = RefCell::new(Vec::new());
        alike_on_every_store(|world| {
            let (world, heard) = live(world, &deeds);
            answers.borrow_mut().push(heard);
            world
        });
        let answers = answers.into_inner();
        for (one, other) in answers[0].iter().zip(&answers[1]) {
            assert_eq!(one, other, "the engines answer differently");
        }
    }
}

proptest! {
    // A file is quick, and what is rare needs many lives to come about.
    #![proptest_config(lives(150, 500))]

    #[test]
    fn in_a_long_life_nothing_is_lost_or_doubled_and_the_money_adds_up(
        deeds in proptest::collection::vec(deeds(), 20..160)
    ) {
        on_files(|world| drop(live(world, &deeds)));
    }
}
