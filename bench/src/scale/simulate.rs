//! Accounts on many servers, as far as two cores cannot show it: how many servers a rate needs where
//! one account is large, and what is late when one of them is away for a while.
//!
//! Each server is a queue before its one writer, which needs a fixed time for a message; requests
//! come at random (Poisson), each of an account chosen by its size, and go to the account's server.
//! That is all: carriers, callbacks and HTTP are taken to have cores enough.

use crate::table::{Table, grouped, say};

/// What is simulated, and with which figures.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Simulation {
    /// Messages a second of all accounts together; 10 and 100 times what one server carries.
    #[arg(long, value_delimiter = ',', default_values_t = [40_000, 400_000, 4_000_000])]
    rates: Vec<u32>,
    /// What a message takes of its server's writer, µs: from `bench store`.
    #[arg(long, default_value_t = 10.0)]
    writer_us: f64,
    /// Recipients of a request.
    #[arg(long, default_value_t = 500)]
    recipients: u32,
    /// Accounts; the sizes of all but the largest fall as 1, 1/2, 1/3 and so on.
    #[arg(long, default_value_t = 1_000)]
    accounts: u32,
    /// The largest one's share of all messages.
    #[arg(long, default_value_t = 0.3)]
    largest: f64,
    /// How long 99 of 100 requests may wait for their server, ms.
    #[arg(long, default_value_t = 1_000.0)]
    patience_ms: f64,
    /// For how long a server is away, s: what `faults nodes-kill` saw of a takeover.
    #[arg(long, default_value_t = 5.2)]
    away_s: f64,
    /// How soon after its return nobody may wait that long any more, s.
    #[arg(long, default_value_t = 30.0)]
    recovery_s: f64,
    /// Seconds simulated.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Chooses the moments and the accounts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Servers beyond this are not tried.
const SERVERS_MAX: usize = 500;

pub(super) fn run(options: &Simulation) {
    say(&format!("{options:#?}"));
    let mut table = Table::new(&[
        "messages/s",
        "accounts",
        "they go to servers",
        "servers needed",
        "the busiest one's load, %",
        "wait p99, ms",
        "one away: of all messages, %",
        "late at most, s",
        "all caught up after, s",
    ]);
    for &rate in &options.rates {
        let mut ways = vec![sizes(options, None), sizes(options, Some(rate))];
        ways.dedup();
        for sizes in ways {
            for placing in [Placing::ByHash, Placing::BySize] {
                table.row(row(options, rate, &sizes, placing));
            }
        }
    }
    table.print();
}

/// How accounts are divided among servers.
#[derive(Debug, Clone, Copy)]
enum Placing {
    /// By chance, as a hash of the name would.
    ByHash,
    /// From the largest on, each to the server with the least.
    BySize,
}

impl Placing {
    const fn name(self) -> &'static str {
        match self {
            Self::ByHash => "by a hash of their names",
            Self::BySize => "by size, each to the emptiest",
        }
    }
}

fn row(options: &Simulation, rate: u32, sizes: &[f64], placing: Placing) -> Vec<String> {
    let n_accounts = sizes.len().to_string();
    let mut cells = vec![grouped(rate.into(), 0), n_accounts, placing.name().to_owned()];
    let needed = (1..=SERVERS_MAX).find_map(|n_servers| {
        let servers = place(sizes, n_servers, (placing, options.seed));
        let load = busiest(options, rate, sizes, (&servers, n_servers));
        // A writer that gets more than it can do falls behind without end.
        if load.1 >= 1.0 {
            return None;
        }
        let seen = simulate(options, rate, sizes, (&servers, n_servers), None);
        let away = simulate(options, rate, sizes, (&servers, n_servers), Some(load.0));
        let wait_ms = seen.wait_s(0.99) * 1e3;
        let recovery_s = away.caught_up_s(options);
        (wait_ms <= options.patience_ms && recovery_s <= options.recovery_s).then_some((
            n_servers,
            load.1,
            wait_ms,
            away.wait_s(1.0),
            recovery_s,
        ))
    });
    let Some((n_servers, load, wait_ms, late_s, recovery_s)) = needed else {
        let alone = f64::from(rate) * sizes[0] * options.writer_us / 1e4;
        cells.push(format!("none: the largest needs {} %", grouped(alone, 0)));
        cells.resize(9, "-".to_owned());
        return cells;
    };
    let hit = load * 1e6 / options.writer_us / f64::from(rate);
    cells.extend([
        n_servers.to_string(),
        grouped(load * 1e2, 0),
        grouped(wait_ms, 0),
        grouped(hit * 1e2, 0),
        grouped(late_s, 1),
        grouped(recovery_s, 1),
    ]);
    cells
}

/// Each account's share of all messages, from the largest on. At a rate, whoever needs more than half
/// of a server then is several accounts, as large as each other.
fn sizes(options: &Simulation, rate: Option<u32>) -> Vec<f64> {
    let whole: f64 = (1..options.accounts).map(|rank| 1.0 / f64::from(rank)).sum();
    let others =
        (1..options.accounts).map(|rank| (1.0 - options.largest) / f64::from(rank) / whole);
    let whole_ones = std::iter::once(options.largest).chain(others);
    let pieces = |size: &f64| {
        let servers = rate.map_or(0.0, |rate| f64::from(rate) * size * options.writer_us / 1e6);
        (1..).find(|pieces| servers / f64::from(*pieces) <= 0.5).unwrap_or(1_u32)
    };
    let mut sizes: Vec<f64> = whole_ones
        .flat_map(|size| {
            let pieces = pieces(&size);
            (0..pieces).map(move |_| size / f64::from(pieces))
        })
        .collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    sizes
}

/// Each account's server.
fn place(sizes: &[f64], n_servers: usize, (placing, seed): (Placing, u64)) -> Vec<usize> {
    let mut chance = Chance(seed);
    let mut full = vec![0.0_f64; n_servers];
    let choose = |size: &f64| {
        let emptiest = || (0..n_servers).min_by(|a, b| full[*a].total_cmp(&full[*b]));
        let server = match placing {
            Placing::ByHash => chance.below(n_servers),
            Placing::BySize => emptiest().unwrap_or(0),
        };
        full[server] += size;
        server
    };
    sizes.iter().map(choose).collect()
}

/// Which server has most to do, and how much of its time that takes.
fn busiest(
    options: &Simulation,
    rate: u32,
    sizes: &[f64],
    (servers, n_servers): (&[usize], usize),
) -> (usize, f64) {
    let mut load = vec![0.0; n_servers];
    for (size, server) in sizes.iter().zip(servers) {
        load[*server] += size * f64::from(rate) * options.writer_us / 1e6;
    }
    let most = (0..n_servers).max_by(|a, b| load[*a].total_cmp(&load[*b])).unwrap_or(0);
    (most, load[most])
}

/// What requests met.
struct Seen {
    /// How long each waited until it was done, s; in order.
    waits: Vec<f64>,
    /// When the last one came that waited longer than the patience, s.
    late_until: Option<f64>,
}

impl Seen {
    fn wait_s(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let idx = (self.waits.len() as f64 * share) as usize;
        self.waits.get(idx).or(self.waits.last()).copied().unwrap_or(0.0)
    }

    /// How long after a server's return nobody waited too long any more.
    fn caught_up_s(&self, options: &Simulation) -> f64 {
        let back = options.seconds / 4.0 + options.away_s;
        self.late_until.map_or(0.0, |until| (until - back).max(0.0))
    }
}

/// All requests, one after another. `away` is a server that does nothing for a while, from a quarter
/// of the time on: its accounts' requests wait at their senders.
fn simulate(
    options: &Simulation,
    rate: u32,
    sizes: &[f64],
    (servers, n_servers): (&[usize], usize),
    away: Option<usize>,
) -> Seen {
    let mut chance = Chance(options.seed);
    let up_to: Vec<f64> = sizes
        .iter()
        .scan(0.0, |sum, size| {
            *sum += size;
            Some(*sum)
        })
        .collect();
    let takes_s = f64::from(options.recipients) * options.writer_us / 1e6;
    let between_s = f64::from(options.recipients) / f64::from(rate);
    let leaves = options.seconds / 4.0;
    let mut free_at = vec![0.0_f64; n_servers];
    let mut seen = Seen { waits: Vec::new(), late_until: None };
    let mut now = 0.0;
    while now < options.seconds {
        now -= (1.0 - chance.unit()).ln() * between_s;
        let drawn = chance.unit();
        let account = up_to.partition_point(|sum| *sum < drawn).min(sizes.len() - 1);
        let server = servers[account];
        let mut begins = now.max(free_at[server]);
        let is_away = away == Some(server) && begins >= leaves;
        if is_away && begins < leaves + options.away_s {
            begins = leaves + options.away_s;
        }
        free_at[server] = begins + takes_s;
        let wait = free_at[server] - now;
        if wait * 1e3 > options.patience_ms {
            seen.late_until = Some(now);
        }
        seen.waits.push(wait);
    }
    seen.waits.sort_by(f64::total_cmp);
    seen
}

/// Chance that can be had again: SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Simulation {
        Simulation {
            rates: Vec::new(),
            writer_us: 10.0,
            recipients: 500,
            accounts: 100,
            largest: 0.3,
            patience_ms: 1_000.0,
            away_s: 5.0,
            recovery_s: 30.0,
            seconds: 40.0,
            seed: 1,
        }
    }

    #[test]
    fn shares_add_up_however_large_accounts_are_divided() {
        for (rate, n_accounts) in [(None, 100), (Some(400_000), 103)] {
            let sizes = sizes(&options(), rate);
            let whole: f64 = sizes.iter().sum();
            assert!((whole - 1.0).abs() < 1e-9, "{whole}");
            assert_eq!(sizes.len(), n_accounts);
        }
    }

    #[test]
    fn a_queue_waits_as_theory_says() {
        // M/D/1 at half its capacity: half a service time in the queue, on average.
        let options = options();
        let seen = simulate(&options, 50_000, &[1.0], (&[0], 1), None);
        let n = f64::from(u32::try_from(seen.waits.len()).expect("few"));
        let mean_ms = seen.waits.iter().sum::<f64>() / n * 1e3;
        assert!((mean_ms - 7.5).abs() < 0.5, "{mean_ms}");
    }

    #[test]
    fn who_comes_when_its_server_leaves_waits_until_it_is_back() {
        let options = options();
        let seen = simulate(&options, 50_000, &[1.0], (&[0], 1), Some(0));
        let longest = seen.wait_s(1.0);
        assert!((5.0..5.2).contains(&longest), "{longest}");
        // What came in 5 s at half the capacity takes as long again.
        let caught_up = seen.caught_up_s(&options);
        assert!((3.0..5.5).contains(&caught_up), "{caught_up}");
    }
}
