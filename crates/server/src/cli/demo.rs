//! `pombo demo`: everything on this machine, with simulated phones and an account to try it.

use pombo_app::clock::Clock;
use pombo_app::operate::{self, NewAccount};
use pombo_domain::money::Money;
use pombo_store::Store;

use super::Failure;
use super::serve::{listen, runtime, until_told};
use crate::boot::{self, Start};
use crate::config::{Config, RouteConfig, Transport, demo_password, url_of};

/// The account to try things with.
const ACCOUNT: &str = "demo";

/// Its credit when it is made: 1000.00.
const CREDIT: Money = Money::from_micros(1_000_000_000);

pub(super) fn run(mut config: Config) -> Result<(), Failure> {
    crate::log::start(&config.log);
    simulate(&mut config)?;
    let store =
        boot::open_store(&config, &pombo_store::Options::default()).map_err(Failure::Failed)?;
    is_own(&config, &store)?;
    let password = account(&store)?;
    runtime()?.block_on(async {
        let listener = listen(&config).await?;
        let address = listener.local_addr()?;
        let greeting = greeting(&url_of(address), &password, address.ip().is_loopback());
        let start = Start { config, file: None, store, listener, demo: true };
        until_told(start, &greeting).await
    })
}

/// A demo never reaches a carrier: it has simulated routes only.
fn simulate(config: &mut Config) -> Result<(), Failure> {
    let real = config.routes.iter().find(|route| route.transport != Transport::Sandbox);
    if let Some(route) = real {
        return Err(Failure::usage(format!(
            "route {} reaches a carrier, which a demo never does; write kind = \"sandbox\", or use \
             `pombo serve`",
            route.name
        )));
    }
    if config.routes.is_empty() {
        config.routes.push(RouteConfig::sandbox("sandbox"));
    }
    Ok(())
}

/// What real routes were to carry must not end at simulated phones.
fn is_own(config: &Config, store: &Store) -> Result<(), Failure> {
    let is_ours = |name: &str| config.routes.iter().any(|route| route.name == name);
    match operate::routes_list(store)?.iter().find(|route| !is_ours(&route.name)) {
        None => Ok(()),
        Some(other) => Err(Failure::Failed(format!(
            "{} has served the route {}, which this demo does not have: its messages would go to simulated \
             phones; give the demo a store of its own: POMBO_STORE__URL=sqlite:demo-data/pombo.db pombo demo",
            pombo_store::shown_url(&config.store.url),
            other.name
        ))),
    }
}

/// Makes the account, or gives the one of an earlier start the password that will be printed.
fn account(store: &Store) -> Result<String, Failure> {
    let wanted = demo_password();
    let known = operate::account_list(store)?.iter().any(|account| account.name == ACCOUNT);
    let made = if known {
        operate::account_passwd(store, ACCOUNT, wanted.clone())?
    } else {
        let new = NewAccount {
            name: ACCOUNT.into(),
            api_password: wanted.clone(),
            credit: CREDIT,
            currency: "EUR".into(),
        };
        operate::account_add(store, &Clock::system(), new)?.api_password_made
    };
    made.or(wanted).ok_or_else(|| Failure::Failed("the demo account has no apiPassword".into()))
}

/// What to try first.
fn greeting(url: &str, password: &str, shows_phones: bool) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        "pombo demo: nothing here reaches a real phone.".to_owned(),
        format!("  user         {ACCOUNT}"),
        format!("  apiPassword  {password}"),
    ];
    if shows_phones {
        lines.push(format!("  phones       {url}/sandbox"));
    }
    lines.extend([
        format!("  API          {url}/docs/"),
        String::new(),
        "Send an SMS:".to_owned(),
        format!("  curl -u '{ACCOUNT}:{}' {url}/api/rest/sms \\", password.replace('\'', "'\\''")),
        "    -d '{\"to\":[\"34666555444\"],\"from\":\"TEST\",\"message\":\"Hello from pombo\"}'"
            .to_owned(),
        String::new(),
    ]);
    lines
}
