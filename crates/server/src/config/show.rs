//! The configuration in force, as TOML that could be read back; secrets are `***`.

use std::fmt::{self, Display, Write};

use pombo_domain::message::Category;
use pombo_domain::otp::Limits;
use pombo_domain::route::{Choose, ReceiptId, UncertainPolicy};

use super::link::{Bind, DataCoding, FlashBy, LongBy, Smpp};
use super::route::{RouteConfig, Transport};
use super::{Config, LogFormat};

impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[http]")?;
        writeln!(f, "listen = {}", quoted(&self.http.listen))?;
        writeln!(f, "public_url = {}", quoted(&self.public_url(self.http.listen)))?;
        writeln!(f, "trusted_proxies = {}", list(&self.http.trusted_proxies))?;
        writeln!(f, "\n[store]\nurl = {}", quoted(&pombo_store::shown_url(&self.store.url)))?;
        writeln!(f, "\n[brand]\nname = {}", quoted(&self.brand.name))?;
        writeln!(f, "support_email = {}", quoted(&self.brand.support_email))?;
        writeln!(f, "\n[prices]\nsms_default = {}", quoted(&self.prices.sms_default))?;
        writeln!(f, "sms_certified = {}", quoted(&self.prices.sms_certified))?;
        writeln!(f, "\n[callbacks]")?;
        writeln!(f, "allow_private_networks = {}", self.callbacks.allow_private_networks)?;
        writeln!(f, "submitted = {}", self.callbacks.submitted)?;
        writeln!(f, "\n[otp]")?;
        write_limits(f, &self.otp.every)?;
        for (name, limits) in self.otp.own() {
            writeln!(f, "\n[[otp.accounts]]\nname = {}", quoted(&name))?;
            write_limits(f, limits)?;
        }
        let format = match self.log.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        writeln!(f, "\n[log]\nformat = {}\nlevel = {}", quoted(&format), quoted(&self.log.level))?;
        writeln!(f, "\n[rules]")?;
        if let Some(file) = &self.rules.file {
            writeln!(f, "file = {}", quoted(file))?;
        }
        writeln!(f, "approve_senders = {}", self.rules.approve_senders)?;
        let choose = match self.choose {
            Choose::Priority => "priority",
            Choose::Cost => "cost",
            Choose::PriorityThenCost => "priority-then-cost",
        };
        writeln!(f, "\n[sms]\nchoose = {}", quoted(&choose))?;
        self.routes.iter().try_for_each(|r| route(f, r))
    }
}

fn route(f: &mut fmt::Formatter<'_>, route: &RouteConfig) -> fmt::Result {
    writeln!(f, "\n[[sms.routes]]\nname = {}", quoted(&route.name))?;
    match &route.transport {
        Transport::Sandbox => writeln!(f, "kind = \"sandbox\"")?,
        Transport::Smpp(link) => smpp(f, link)?,
    }
    writeln!(f, "binds = {}\nwindow = {}", route.binds, route.window)?;
    writeln!(f, "rate = {}", route.rate.unwrap_or(0.0))?;
    writeln!(f, "validity_max_s = {}", route.validity_max.as_secs())?;
    let receipt_id = match route.receipt_id {
        ReceiptId::Auto => "auto",
        ReceiptId::Same => "same",
        ReceiptId::HexToDec => "hex_to_dec",
        ReceiptId::DecToHex => "dec_to_hex",
    };
    let word = |policy| match policy {
        UncertainPolicy::Resend => "resend",
        UncertainPolicy::Wait => "wait",
        UncertainPolicy::Hold => "hold",
    };
    let transactional = word(route.uncertain.transactional);
    let marketing = word(route.uncertain.marketing);
    let categories: Vec<&str> = route.categories.iter().copied().map(Category::as_str).collect();
    writeln!(f, "receipt_id = \"{receipt_id}\"")?;
    if transactional == marketing {
        writeln!(f, "uncertain = \"{marketing}\"")?;
    } else {
        writeln!(f, "uncertain_transactional = \"{transactional}\"")?;
        writeln!(f, "uncertain_marketing = \"{marketing}\"")?;
    }
    writeln!(f, "failover_on_receipt = {}", list(&route.failover.on))?;
    writeln!(f, "failover_within_s = {}", route.failover.within.as_secs())?;
    writeln!(f, "failover_tries = {}", route.failover.tries_max)?;
    writeln!(f, "delivery_min_percent = {}", route.floor.percent)?;
    writeln!(f, "delivery_min_of = {}", route.floor.of)?;
    writeln!(f, "countries = {}", list(&route.countries))?;
    writeln!(f, "networks = {}", list(&route.networks))?;
    writeln!(f, "senders = {}", list(&route.senders))?;
    writeln!(f, "accounts = {}", list(&route.accounts))?;
    writeln!(f, "categories = {}", list(&categories))?;
    writeln!(f, "prefix = {}", quoted(&route.affixes.prefix))?;
    writeln!(f, "suffix = {}", quoted(&route.affixes.suffix))?;
    let stop_code = route.affixes.stop_code.as_deref().unwrap_or_default();
    writeln!(f, "stop_code = {}", quoted(&stop_code))?;
    writeln!(f, "priority = {}\nweight = {}", route.priority, route.weight)?;
    route.buy_price.map_or(Ok(()), |price| writeln!(f, "buy_price = {}", quoted(&price)))
}

fn smpp(f: &mut fmt::Formatter<'_>, link: &Smpp) -> fmt::Result {
    writeln!(f, "kind = \"smpp\"\naddresses = {}", list(&link.addresses))?;
    writeln!(f, "tls = {}", link.tls.is_some())?;
    if let Some(ca) = link.tls.as_ref().and_then(|tls| tls.ca.as_ref()) {
        writeln!(f, "tls_ca = {}", quoted(&ca.display()))?;
    }
    if let Some(name) = link.tls.as_ref().and_then(|tls| tls.server_name.as_ref()) {
        writeln!(f, "tls_server_name = {}", quoted(name))?;
    }
    writeln!(f, "system_id = {}", quoted(&link.system_id))?;
    writeln!(f, "password = {}", quoted(&link.password))?;
    writeln!(f, "system_type = {}", quoted(&link.system_type))?;
    let bind = match link.bind {
        Bind::Transceiver => "transceiver",
        Bind::Pair => "pair",
    };
    let encoding = match link.encoding {
        DataCoding::GsmUnpacked => "gsm-unpacked",
        DataCoding::GsmPacked => "gsm-packed",
        DataCoding::Latin1 => "latin-1",
        DataCoding::Ascii => "ascii",
    };
    let long = match link.long {
        LongBy::Udh => "udh",
        LongBy::Sar => "sar",
        LongBy::Payload => "payload",
    };
    let flash = match link.flash {
        FlashBy::DataCoding => "data-coding",
        FlashBy::Tlv => "tlv",
    };
    writeln!(f, "bind = \"{bind}\"\nenquire_s = {}", link.enquire.as_secs())?;
    writeln!(f, "response_s = {}", link.response.as_secs())?;
    writeln!(f, "encoding = \"{encoding}\"\nlong = \"{long}\"\nflash = \"{flash}\"")?;
    writeln!(f, "shift_tables = {}", link.shift_tables)?;
    let errors: Vec<String> = link.temporary_errors.iter().map(|n| format!("0x{n:X}")).collect();
    writeln!(f, "temporary_errors = [{}]", errors.join(", "))?;
    let kinds = [
        ("alphanumeric", link.ton_npi.alphanumeric),
        ("long", link.ton_npi.long),
        ("short", link.ton_npi.short),
        ("destination", link.ton_npi.destination),
    ];
    let set = kinds
        .iter()
        .filter_map(|(kind, pair)| pair.map(|(ton, npi)| format!("{kind} = [{ton}, {npi}]")));
    writeln!(f, "ton_npi = {{ {} }}", set.collect::<Vec<_>>().join(", "))
}

/// A TOML string.
fn quoted(value: &dyn Display) -> String {
    let mut out = String::from("\"");
    for c in value.to_string().chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list<T: Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

fn write_limits(f: &mut fmt::Formatter<'_>, limits: &Limits) -> fmt::Result {
    writeln!(f, "recipient_per_hour = {}", limits.recipient_hour)?;
    writeln!(f, "recipient_per_day = {}", limits.recipient_day)?;
    writeln!(f, "range_per_hour = {}", limits.range_hour)?;
    writeln!(f, "account_per_hour = {}", limits.account_hour)
}
