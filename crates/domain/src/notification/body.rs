//! A notification's body: the API document's fields, as a form or as JSON.

use std::fmt::Write as _;

use crate::id::{CampaignId, MessageId};
use crate::otp::Count;
use crate::time::Instant;

/// How the body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `application/x-www-form-urlencoded`, as the original; only 200 counts as taken.
    #[default]
    Form,
    /// JSON with the same names; any 2xx counts as taken.
    Json,
}

impl Format {
    /// Reads its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "form" => Some(Self::Form),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Json => "json",
        }
    }

    /// The Content-Type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
        }
    }

    /// Whether the receiver has taken it (the document: anything but 200 is tried again).
    #[must_use]
    pub const fn takes(self, status: u16) -> bool {
        match self {
            Self::Form => status == 200,
            Self::Json => status >= 200 && status < 300,
        }
    }
}

/// What one event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The message, as the answer to the send request named it; `None`: it is about none of ours.
    pub message: Option<MessageId>,
    /// `sms`, …
    pub channel: &'static str,
    /// The contact; 0 where the recipient is none.
    pub contact: i64,
    /// The campaign; 0 where the request named none.
    pub campaign: CampaignId,
    /// Its name; may be empty.
    pub campaign_name: String,
    /// What happened.
    pub event: &'static str,
    /// When.
    pub at: Instant,
    /// More, as JSON: of a click, which link was followed; of an answer, what was written.
    pub extra: Option<String>,
}

/// A value of a field.
enum Value<'a> {
    Text(&'a str),
    Integer(i64),
}

impl Notification {
    /// The fields in the document's order. Those that only other channels and events have are absent.
    fn fields<'a>(
        &'a self,
        id: &'a str,
        date: &'a str,
        extra: Option<&'a str>,
    ) -> Vec<(&'static str, Value<'a>)> {
        let mut fields = vec![
            ("id", Value::Text(id)),
            ("channel", Value::Text(self.channel)),
            ("contactId", Value::Integer(self.contact)),
            ("campaignId", Value::Integer(self.campaign.0)),
            ("campaignName", Value::Text(&self.campaign_name)),
            ("event", Value::Text(self.event)),
            ("eventDate", Value::Text(date)),
        ];
        if let Some(extra) = extra {
            fields.insert(6, ("extra", Value::Text(extra)));
        }
        fields
    }

    /// The body.
    #[must_use]
    pub fn body(&self, format: Format) -> String {
        let id = self.message.map(|message| message.to_string()).unwrap_or_default();
        let date = self.at.iso8601();
        let fields = self.fields(&id, &date, self.extra.as_deref());
        match format {
            Format::Form => form(&fields),
            Format::Json => json(&fields),
        }
    }
}

/// The `extra` of a click, as the API document has it: its URL, escaped.
#[must_use]
pub fn click_extra(url: &str) -> String {
    let escaped: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    format!("{{\"url\":\"{escaped}\"}}")
}

/// The `extra` of what somebody wrote: its number in the list of such messages, and what it says.
#[must_use]
pub fn inbound_extra(id: i64, from: &str, to: &str, text: &str) -> String {
    let id = id.to_string();
    let texts = [("id", id.as_str()), ("from", from), ("to", to), ("text", text)];
    json(&texts.map(|(name, text)| (name, Value::Text(text))))
}

/// The `extra` of a limit on one-time codes that was met: what it is on, of whom, how much it is,
/// and when it counts anew.
#[must_use]
pub fn limited_extra(count: &Count) -> String {
    let until = count.until.iso8601();
    json(&[
        ("scope", Value::Text(count.scope.as_str())),
        ("of", Value::Text(&count.name)),
        ("limit", Value::Integer(count.most.into())),
        ("until", Value::Text(&until)),
    ])
}

fn form(fields: &[(&str, Value<'_>)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::with_capacity(192));
    for (name, value) in fields {
        match value {
            Value::Text(text) => form.append_pair(name, text),
            Value::Integer(number) => form.append_pair(name, &number.to_string()),
        };
    }
    form.finish()
}

fn json(fields: &[(&str, Value<'_>)]) -> String {
    let mut json = String::with_capacity(224);
    // A String takes every write.
    for (idx, (name, value)) in fields.iter().enumerate() {
        json.push(if idx == 0 { '{' } else { ',' });
        let _ = write!(json, "\"{name}\":");
        match value {
            Value::Text(text) => push_text(text, &mut json),
            Value::Integer(number) => {
                let _ = write!(json, "{number}");
            }
        }
    }
    json.push('}');
    json
}

fn push_text(text: &str, json: &mut String) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\0'..='\x1f' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn notification(campaign_name: &str) -> Notification {
        Notification {
            message: Some(MessageId(102_648_819)),
            channel: "sms",
            contact: 0,
            campaign: CampaignId(77),
            campaign_name: campaign_name.to_owned(),
            event: "delivered",
            at: Instant::parse_compact("20210719150033").expect("a date"),
            extra: None,
        }
    }

    #[test]
    fn a_form_has_the_documents_fields_in_its_order() {
        assert_eq!(
            notification("Spring & more").body(Format::Form),
            "id=102648819&channel=sms&contactId=0&campaignId=77&campaignName=Spring+%26+more\
             &event=delivered&eventDate=2021-07-19T15%3A00%3A33%2B00%3A00"
        );
    }

    #[test]
    fn a_click_tells_which_link_it_followed() {
        let url = "https://example.com/?a=1&b=é".to_owned();
        let click =
            Notification { event: "clicked", extra: Some(click_extra(&url)), ..notification("") };
        let json: serde_json::Value =
            serde_json::from_str(&click.body(Format::Json)).expect("JSON");
        let extra = json["extra"].as_str().expect("a text");
        assert_eq!(extra, r#"{"url":"https%3A%2F%2Fexample.com%2F%3Fa%3D1%26b%3D%C3%A9"}"#);
    }

    #[test]
    fn json_has_the_same_names_and_numbers_as_numbers() {
        assert_eq!(
            notification("Spring \"é\"\n").body(Format::Json),
            r#"{"id":"102648819","channel":"sms","contactId":0,"campaignId":77,"#.to_owned()
                + r#""campaignName":"Spring \"é\"\u000a","event":"delivered","#
                + r#""eventDate":"2021-07-19T15:00:33+00:00"}"#
        );
    }

    #[test]
    fn a_form_is_taken_with_200_alone_and_json_with_any_2xx() {
        let taken = |format: Format| [200, 201, 204, 299, 301, 410, 500].map(|s| format.takes(s));
        assert_eq!(taken(Format::Form), [true, false, false, false, false, false, false]);
        assert_eq!(taken(Format::Json), [true, true, true, true, false, false, false]);
    }

    proptest! {
        #[test]
        fn any_name_comes_back_from_both_formats(name: String) {
            let told = notification(&name);
            let json: serde_json::Value = serde_json::from_str(&told.body(Format::Json)).expect("JSON");
            prop_assert_eq!(json["campaignName"].as_str(), Some(name.as_str()));
            let form = told.body(Format::Form);
            let mut pairs = url::form_urlencoded::parse(form.as_bytes());
            let found = pairs.find(|(key, _)| key == "campaignName").expect("it is there");
            prop_assert_eq!(&found.1, &name);
        }
    }
}
