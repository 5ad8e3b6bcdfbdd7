//! What is put beside the text of marketing, for its account, its country and its route.

use super::content::folded;
use super::{Cause, Content, Forbidden, Rules};
use crate::address::Country;
use crate::route::Route;

/// What stands in a text for the number that ends a subscription.
pub const STOP_CODE: &str = "[STOP_CODE]";

/// What stands for the sender in what is put before and behind texts.
pub const SENDER: &str = "[SENDER]";

/// Digits of a number that ends a subscription.
const CODE_DIGITS: std::ops::RangeInclusive<usize> = 4..=6;

/// How each text ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// As in `STOP au [STOP_CODE]`.
    pub text: String,
    /// The number, where the operator has one.
    pub code: Option<String>,
    /// Whether it is added where it lacks; else the text is refused.
    pub is_added: bool,
}

/// What a carrier wants of marketing that goes by its route. The default wants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affixes {
    /// What stands before each text; empty: nothing.
    pub prefix: String,
    /// What stands behind each text; empty: nothing.
    pub suffix: String,
    /// The number that ends a subscription, instead of the country's.
    pub stop_code: Option<String>,
}

/// What an account may, wants and shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender<'a> {
    /// What is shown as the sender.
    pub from: &'a str,
    /// It says that it has verified its recipients' ages.
    pub has_verified_ages: bool,
    /// Added to texts that say no way to end the subscription; empty: they are refused; `None`: they
    /// go as they are.
    pub opt_out: Option<&'a str>,
}

/// A text as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// All of it.
    pub text: String,
    /// By which rules it is another than was asked for.
    pub causes: Vec<Cause>,
}

impl Rules {
    /// A text, or its template, as its account, its country and its route want it, or why it cannot
    /// be so. An ending stays last.
    pub fn word(
        &self,
        (country, content): (Country, &Content),
        text: &str,
        sender: Sender<'_>,
        route: Option<&Route>,
    ) -> Result<Wording, Forbidden> {
        let mut causes = Vec::new();
        let mut text = text.to_owned();
        match sender.opt_out {
            // What the country ends its texts with is a way out.
            Some(_) if content.ending.is_some() || self.name_a_way_out(&text) => {}
            Some("") => return Err(Forbidden::NoWayOut(country)),
            Some(added) => {
                text = format!("{} {added}", text.trim_end());
                causes.push(Cause::Account("opt_out_text"));
            }
            None => {}
        }
        text = with_affixes(text, (country, content, route), sender, &mut causes);
        if let Some(ending) = &content.ending
            && ending.start_in(&text).is_none()
        {
            if !ending.is_added {
                return Err(Forbidden::Ending(country, ending.text.clone()));
            }
            text = format!("{} {}", text.trim_end(), ending.text);
            causes.push(Cause::Country(country, "ending"));
        }
        with_code(text, (country, content, route), causes)
    }
}

/// What country and route put around a text; behind it means before its ending.
fn with_affixes(
    text: String,
    (country, content, route): (Country, &Content, Option<&Route>),
    sender: Sender<'_>,
    causes: &mut Vec<Cause>,
) -> String {
    let of_country = |key| Cause::Country(country, key);
    let of_route = |route: &Route, key| Cause::Route(route.name.clone(), key);
    let (mut before, mut after) = (String::new(), String::new());
    if let Some(route) = route.filter(|route| !route.affixes.prefix.is_empty()) {
        before.push_str(&route.affixes.prefix);
        causes.push(of_route(route, "prefix"));
    }
    for (affix, side, key) in
        [(&content.before, &mut before, "before"), (&content.after, &mut after, "after")]
    {
        if !affix.is_empty() {
            side.push_str(affix);
            causes.push(of_country(key));
        }
    }
    if let Some(route) = route.filter(|route| !route.affixes.suffix.is_empty()) {
        after.push_str(&route.affixes.suffix);
        causes.push(of_route(route, "suffix"));
    }
    let [before, after] = [before, after].map(|affix| affix.replace(SENDER, sender.from));
    let start = content.ending.as_ref().and_then(|ending| ending.start_in(&text));
    match start {
        Some(start) if !after.is_empty() => {
            let (own, ending) = text.split_at(start);
            format!("{before}{}{after} {ending}", own.trim_end())
        }
        _ => format!("{before}{text}{after}"),
    }
}

/// With the number that ends a subscription where it stands for it.
fn with_code(
    text: String,
    (country, content, route): (Country, &Content, Option<&Route>),
    mut causes: Vec<Cause>,
) -> Result<Wording, Forbidden> {
    if !text.contains(STOP_CODE) {
        return Ok(Wording { text, causes });
    }
    let of_route = route.and_then(|route| Some((route, route.affixes.stop_code.as_ref()?)));
    let code = match (of_route, &content.ending) {
        (Some((route, code)), _) => {
            causes.push(Cause::Route(route.name.clone(), "stop_code"));
            code
        }
        // Where nobody asks for an ending it is text like any other.
        (None, None) => return Ok(Wording { text, causes }),
        (None, Some(ending)) => {
            causes.push(Cause::Country(country, "stop_code"));
            ending.code.as_ref().ok_or(Forbidden::NoStopCode(country))?
        }
    };
    Ok(Wording { text: text.replace(STOP_CODE, code), causes })
}

impl Ending {
    /// Where it begins at the end of a text: with a number in the place of [`STOP_CODE`], or that
    /// itself; the words between the first and the number may lack, and a full stop may follow.
    fn start_in(&self, text: &str) -> Option<usize> {
        let text = text.trim_end().trim_end_matches('.').trim_end();
        let Some((wanted, _)) = self.text.rsplit_once(STOP_CODE) else {
            return last_words(text, &[&folded(&self.text)]);
        };
        let (before, code) = text.rsplit_once(char::is_whitespace)?;
        let is_number =
            CODE_DIGITS.contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit());
        if !is_number && code != STOP_CODE {
            return None;
        }
        let wanted = folded(wanted);
        let first = wanted.split(' ').find(|word| !word.is_empty()).unwrap_or_default();
        last_words(before, &[&wanted, &format!(" {first} ")])
    }
}

/// Where the last words of a text begin that are one of these, folded.
fn last_words(text: &str, wanted: &[&str]) -> Option<usize> {
    let most = wanted.iter().map(|words| words.split(' ').count()).max().unwrap_or(0);
    let mut starts = Vec::new();
    let mut was_word = false;
    for (i, c) in text.char_indices() {
        if c.is_alphanumeric() && !was_word {
            starts.push(i);
        }
        was_word = c.is_alphanumeric();
    }
    let mut starts = starts.into_iter().rev().take(most);
    starts.find(|start| wanted.contains(&folded(&text[*start..]).as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::country::Topic;

    fn country(letters: &str) -> Country {
        Country::parse(letters).expect(letters)
    }

    fn ending(is_added: bool, code: Option<&str>) -> Content {
        let ending =
            Ending { text: "STOP au [STOP_CODE]".into(), code: code.map(str::to_owned), is_added };
        Content { ending: Some(ending), ..Content::default() }
    }

    fn route(prefix: &str, suffix: &str, stop_code: Option<&str>) -> Route {
        let mut route = Route::to_all("r");
        let stop_code = stop_code.map(str::to_owned);
        route.affixes = Affixes { prefix: prefix.into(), suffix: suffix.into(), stop_code };
        route
    }

    /// The text, and the causes in one line; or the cause of the refusal.
    fn word(
        content: &Content,
        text: &str,
        sender: Sender<'_>,
        route: Option<&Route>,
    ) -> Result<(String, String), String> {
        let rules = Rules::new(Vec::new(), Topic::new("ways out", &["baja".to_owned()]));
        let worded = rules.word((country("FR"), content), text, sender, route);
        let worded = worded.map_err(|forbidden| forbidden.cause().to_string())?;
        let causes: Vec<String> = worded.causes.iter().map(ToString::to_string).collect();
        Ok((worded.text, causes.join(" ")))
    }

    fn told(text: &str, causes: &str) -> Result<(String, String), String> {
        Ok((text.to_owned(), causes.to_owned()))
    }

    #[test]
    fn a_text_ends_as_the_country_asks_or_is_refused_or_completed() {
        let refusing = ending(false, Some("36111"));
        for (text, worded) in [
            ("Soldes! STOP au [STOP_CODE]", Some("Soldes! STOP au 36111")),
            ("Soldes! STOP au 36222", Some("Soldes! STOP au 36222")),
            ("Soldes!STOP au 36222", Some("Soldes!STOP au 36222")),
            ("STOP au 36222", Some("STOP au 36222")),
            ("Soldes! stop 36222 . ", Some("Soldes! stop 36222 . ")),
            ("Soldes! Stop  au 36222.", Some("Soldes! Stop  au 36222.")),
            ("Soldes!", None),
            ("STOP au 36222 puis soldes", None),
            ("Nonstop 36222", None),
            ("STOP puis 36222", None),
            ("Soldes! STOP au 362", None),
            ("Soldes! STOP au code", None),
            ("36222", None),
            ("", None),
        ] {
            let found = word(&refusing, text, Sender::default(), None).map(|(text, _)| text);
            let expected = worded.map(str::to_owned).ok_or("country.FR.ending".to_owned());
            assert_eq!(found, expected, "{text}");
        }
        let adding = |text| word(&ending(true, Some("36111")), text, Sender::default(), None);
        let added = told("Soldes! STOP au 36111", "country.FR.ending country.FR.stop_code");
        assert_eq!(adding("Soldes!"), added);
        assert_eq!(adding("Non STOP 36222"), told("Non STOP 36222", ""));
        let without = word(&ending(true, None), "Soldes!", Sender::default(), None);
        assert_eq!(without, Err("country.FR.stop_code".into()));
        let fixed = Ending { text: "Répondez STOP".into(), code: None, is_added: true };
        let fixed = Content { ending: Some(fixed), ..Content::default() };
        let found = word(&fixed, "Soldes", Sender::default(), None);
        assert_eq!(found, told("Soldes Répondez STOP", "country.FR.ending"));
        let found = word(&fixed, "Soldes, repondez STOP!", Sender::default(), None);
        assert_eq!(found, told("Soldes, repondez STOP!", ""));
    }

    #[test]
    fn what_is_put_around_a_text_stands_around_it_but_before_its_ending() {
        let acme = Sender { from: "ACME", ..Sender::default() };
        let content = Content {
            before: "[SENDER]: ".into(),
            after: " acme.co".into(),
            ..ending(true, Some("36111"))
        };
        let around = "country.FR.before country.FR.after";
        let added = format!("{around} country.FR.ending country.FR.stop_code");
        let worded = "ACME: Rebajas acme.co STOP au 36111";
        assert_eq!(word(&content, "Rebajas", acme, None), told(worded, &added));
        let worded = "ACME: Rebajas acme.co STOP 36222";
        assert_eq!(word(&content, "Rebajas STOP 36222", acme, None), told(worded, around));
        let none = Content::default();
        assert_eq!(
            word(&none, "[SENDER] [STOP_CODE]", acme, None),
            told("[SENDER] [STOP_CODE]", "")
        );
    }

    #[test]
    fn a_route_puts_its_own_around_all_and_has_its_own_number() {
        let route = route("Adv ", " adv.co", Some("38000"));
        let content = Content { before: "ACME: ".into(), ..ending(true, Some("36111")) };
        let worded = "Adv ACME: Soldes adv.co STOP au 38000";
        let causes = "route.r.prefix country.FR.before route.r.suffix country.FR.ending \
                      route.r.stop_code";
        let found = word(&content, "Soldes", Sender::default(), Some(&route));
        assert_eq!(found, told(worded, causes));
        let found = word(&ending(true, None), "x STOP 3611", Sender::default(), Some(&route));
        assert_eq!(found, told("Adv x adv.co STOP 3611", "route.r.prefix route.r.suffix"));
        // Also where the country asks for no ending.
        let found = word(&Content::default(), "x [STOP_CODE]", Sender::default(), Some(&route));
        let causes = "route.r.prefix route.r.suffix route.r.stop_code";
        assert_eq!(found, told("Adv x 38000 adv.co", causes));
    }

    #[test]
    fn an_account_adds_a_way_out_where_a_text_names_none_or_has_it_refused() {
        let adding = Sender { opt_out: Some("BAJA al 1234"), ..Sender::default() };
        let none = Content::default();
        let added = told("Rebajas BAJA al 1234", "account.opt_out_text");
        assert_eq!(word(&none, "Rebajas ", adding, None), added);
        assert_eq!(word(&none, "Rebajas. Baja: 99", adding, None), told("Rebajas. Baja: 99", ""));
        let refusing = Sender { opt_out: Some(""), ..Sender::default() };
        let refused = Err("account.opt_out_text".to_owned());
        assert_eq!(word(&none, "Rebajas", refusing, None), refused);
        let content = ending(false, None);
        assert_eq!(word(&content, "x STOP 1234", refusing, None), told("x STOP 1234", ""));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_stands_in_what_is_sent_and_the_ending_is_last(
            text in "[a-zé .!\\n]{0,30}( (STOP|stop)( au)? ([0-9]{3,7}|\\[STOP_CODE\\]))?[ .]{0,2}",
            before in "([a-z]{1,5} |\\[SENDER\\]: )?",
            after in "( [a-z.]{1,8})?",
            suffix in "( [a-z.]{1,8})?",
            opt_out in prop::option::of("[a-z ]{0,8}"),
        ) {
            let content = Content { before, after, ..ending(true, Some("36111")) };
            let sender = Sender { from: "ACME", opt_out: opt_out.as_deref(), ..Sender::default() };
            let route = route("", &suffix, None);
            let (sent, causes) = word(&content, &text, sender, Some(&route)).expect("it is completed");
            let ending = content.ending.as_ref().expect("one");
            let start = ending.start_in(&sent);
            prop_assert!(start.is_some(), "{sent:?}");
            prop_assert!(!sent.contains(STOP_CODE) && !sent.contains(SENDER));
            let asked = ending.start_in(&text).map_or(text.as_str(), |start| &text[..start]);
            prop_assert!(sent.contains(asked.trim_end()), "{asked:?} is not in {sent:?}");
            prop_assert_eq!(sent == text, causes.is_empty(), "{:?} by {:?}", sent, causes);
            // What is complete is not completed again.
            let plain = super::tests::ending(true, Some("36111"));
            let again = word(&plain, &sent, Sender::default(), None);
            prop_assert_eq!(again, told(&sent, ""));
        }
    }
}
