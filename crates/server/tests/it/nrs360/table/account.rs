//! The account's own: one-time codes, senders, whom it does not message, where its events are told.

use super::{Row, Table, check, field, path, query};

pub(super) fn tables() -> Vec<Table> {
    let new = Table::new;
    vec![
        new("POST", "/api/rest/otp/generate", 200, generate())
            .besides(r#""recipient":"34666555444""#),
        new("POST", "/api/rest/otp/check", 200, compare())
            .besides(r#""recipient":"34666555444","code":"1""#),
        new("GET", "/api/rest/account", 200, Vec::new()),
        new("GET", "/api/rest/senders", 200, Vec::new()),
        new("POST", "/api/rest/senders", 201, senders()).besides(r#""sender":"Fresh""#),
        new("DELETE", "/api/rest/senders/{id}", 200, {
            let gone = "{\"result\":{\"deleted\":1}}";
            let bad = ["9", "x", "0", "-1", "1.5", "99999999999999999999"];
            vec![path("id").gives("1", gone).says(404, "Resource not found", &bad)]
        }),
        new("POST", "/api/rest/blacklist", 201, black()).besides(r#""phone":"34699000001""#),
        new("GET", "/api/rest/blacklist", 200, listed()),
        new("DELETE", "/api/rest/blacklist", 200, taken_off()),
        new("GET", "/api/rest/account/notifications", 200, Vec::new()),
        new("POST", "/api/rest/account/notifications/secret", 422, {
            // Nobody has set a URL yet.
            let without = "The account has no notification URL.";
            vec![field("overlapHours").says(422, without, &["1", "null"])]
        }),
        new("PUT", "/api/rest/account/notifications", 200, notifications()),
        new("POST", "/api/rest/account/notifications/secret", 200, {
            vec![
                field("overlapHours")
                    .gives("0", "\"secret\":\"whsec_")
                    .gives("48", "\"secret\":\"whsec_")
                    .gives("null", "\"secret\":\"whsec_")
                    .says(422, WRONG_TYPE, &["\"x\"", "-1", "[]", "1.5"]),
            ]
        }),
        new("POST", "/api/rest/account/notifications/replay", 202, {
            let words = "The from field must be a date in ISO 8601.";
            vec![
                field("from")
                    .gives("\"2026-01-01T00:00:00+00:00\"", "\"replaying\":true")
                    .gives("\"2026-01-01\"", "\"replaying\":true")
                    .says(422, words, &["null", "\"\"", "\"yesterday\"", "\"20260101000000\""])
                    .says(422, WRONG_TYPE, &["7", "[]"]),
            ]
        }),
        new("GET", "/api/rest/account/notifications/dead", 200, {
            let page = "The limit field must be an integer of at least 1.";
            vec![
                query("after")
                    .gives("0", "{\"data\":[]}")
                    .gives("evt_7", "{\"data\":[]}")
                    .takes(&[""])
                    .says(422, "The after field must be an integer.", &["x", "-1", "evt_"]),
                query("limit").gives("1", "{\"data\":[]}").takes(&["1000", "5000", ""]).says(
                    422,
                    page,
                    &["0", "-1", "x"],
                ),
            ]
        }),
    ]
}

const WRONG_TYPE: &str = "A field of the body has a wrong type.";

/// A field of a one-time code, in its range.
fn number(name: &'static str, range: (&str, &[&str], &[&str])) -> Row {
    let (words, good, bad) = range;
    let is_none = format!("The {name} field must be an integer.");
    field(name)
        .takes(good)
        .takes(&["null"])
        .says(422, &format!("The {name} field must be {words}."), bad)
        .says(422, &is_none, &["\"x\"", "4.5", "[]", "true"])
}

fn flag(name: &'static str) -> Row {
    let words = format!("The {name} field must be true or false.");
    field(name).takes(&["false", "0", "\"no\"", "null"]).says(
        422,
        &words,
        &["2", "\"maybe\"", "[]"],
    )
}

fn recipient() -> Row {
    let words = "The recipient field must be a valid phone or email.";
    field("recipient")
        .gives("\"+34 666 555 444\"", "\"recipient\":\"34666555444\"")
        .gives("34666555444", "\"recipient\":\"34666555444\"")
        .gives("\"Ana@Example.com\"", "\"recipient\":\"ana@example.com\"")
        .says(422, "The recipient field is required.", &["null", "\"\""])
        .says(422, words, &["\"34\"", "\"a@b\"", "[\"34666555444\"]", "true", "-1", "{}"])
}

fn app_id() -> Row {
    let longest = format!("\"{}\"", "x".repeat(64));
    let longer = format!("\"{}\"", "x".repeat(65));
    field("appId")
        .takes(&["\"\"", "\"shop\"", "7", "null", &longest])
        .says(422, "The appId field must not be greater than 64 characters.", &[longer])
        .says(422, "The appId field must be a string.", &["[]", "true", "{}"])
}

fn generate() -> Vec<Row> {
    vec![
        recipient(),
        flag("alpha").takes(&["true", "\"yes\"", "1"]),
        number("length", ("between 3 and 10", &["3", "10", "\"4\""], &["2", "11", "-1"]))
            .gives("null", "\"maxAttempts\":3,\"maxSecondsValidity\":60,\"appId\":\"\""),
        number("maxAttempts", ("between 1 and 10", &["1", "10"], &["0", "11", "-1"]))
            .gives("7", "\"maxAttempts\":7"),
        {
            let range: (_, &[_], &[_]) = ("between 30 and 600", &["30"], &["29", "601", "6000"]);
            number("maxSecondsValidity", range).gives("600", "\"maxSecondsValidity\":600")
        },
        app_id().gives("\"shop\"", "\"appId\":\"shop\""),
        flag("rejectIfPendingCode").says(
            409,
            "A code for this recipient is pending",
            &["true", "1", "\"yes\""],
        ),
    ]
}

fn compare() -> Vec<Row> {
    let longest = format!("\"{}\"", "1".repeat(32));
    let longer = format!("\"{}\"", "1".repeat(33));
    // None was made for these.
    let nobody = "{\"data\":{\"valid\":false,\"reason\":\"NotFound\",\"otp\":null}}";
    vec![
        field("recipient")
            .gives("\"34666555999\"", nobody)
            .gives("\"bob@example.com\"", nobody)
            .says(422, "The recipient field is required.", &["null", "\"\""])
            .says(422, "The recipient field must be a valid phone or email.", &["\"34\"", "[]"]),
        field("code")
            .gives("\"12ab\"", "\"valid\":false")
            .gives("1234", "\"valid\":false")
            .takes(&[longest])
            .says(422, "The code field is required.", &["null", "\"\"", "\" \""])
            .says(422, "The code field must be a string.", &["[]", "true", "{}"])
            .says(422, "The code field must not be greater than 32 characters.", &[longer]),
        app_id().gives("\"none of this name\"", nobody),
    ]
}

fn senders() -> Vec<Row> {
    let (invalid, text) = ("The selected countryIso is invalid.", "must be a string.");
    vec![
        field("sender")
            .gives("\"ACME\"", "\"sender\":\"ACME\",\"type\":\"alphanumeric\",\"countryIso\":null")
            .gives("\"34666555444\"", "\"type\":\"numeric\"")
            .gives("\"21700\"", "\"type\":\"shortcode\"")
            .refuses(106, &["null", "\"\"", "\" \""])
            .refuses(107, &["\"TwelveLetter\"", "\"1234567890123456\""])
            .says(422, "The sender field format is invalid.", &["\"A-B\"", "\"CAFÉ\""])
            .says(422, &format!("The sender field {text}"), &["[\"A\"]", "7", "true"]),
        field("countryIso")
            .gives("\"ES\"", "\"countryIso\":\"ES\",\"status\":\"pending\"")
            .gives("\"fr\"", "\"countryIso\":\"FR\"")
            .gives("null", "\"countryIso\":null")
            .says(422, invalid, &["\"QQ\"", "\"Spain\"", "\"E\""])
            .says(422, &format!("The countryIso field {text}"), &["34", "[]"]),
    ]
}

const NO_ADDRESS: &str = "The phone field is required when email is not present.";
const NO_PHONE: &str = "The phone field must be a valid phone number.";
const NO_EMAIL: &str = "The email field must be a valid email address.";
const NO_CHANNEL: &str = "The selected channel is invalid.";

fn black() -> Vec<Row> {
    let longest = format!("\"{}\"", "r".repeat(200));
    vec![
        field("phone")
            .gives("\"+34 699 000 002\"", "\"channel\":\"sms\",\"phone\":\"34699000002\"")
            .gives("34699000003", "\"phone\":\"34699000003\"")
            .gives("[\"34699000004\",34699000005]", "\"phone\":\"34699000005\"")
            .says(422, NO_ADDRESS, &["null", "[]"])
            .says(422, NO_PHONE, &["\"34\"", "\"x\"", "[\"\"]", "true"]),
        field("email")
            .within(r#""phone":null,"email":$"#)
            .gives("\"Ana@Example.com\"", "\"channel\":\"mailing\",\"phone\":null,\"email\":\"ana@")
            .gives("[\"bob@example.com\"]", "\"email\":\"bob@example.com\"")
            .says(422, NO_ADDRESS, &["null", "[]"])
            .says(422, NO_EMAIL, &["\"a@b\"", "\"x\"", "7"]),
        field("channel")
            .takes(&["\"sms\"", "\"\"", "null"])
            .says(422, NO_CHANNEL, &["\"mailing\"", "\"fax\""])
            .says(422, "The channel field must be a string.", &["7", "[]"]),
        field("reason")
            .within(r#""phone":"34699000006","reason":$"#)
            .gives("\" asked by letter \"", "\"reason\":\"asked by letter\"")
            .takes(&["\"\"", "null", &longest])
            .says(422, "The reason field must be a string.", &["7", "[]", "true"])
            .says(
                422,
                "The reason field must not be greater than 200 characters.",
                &[&format!("\"{}\"", "r".repeat(201))],
            ),
    ]
}

fn listed() -> Vec<Row> {
    let wrong = |name: &str| format!("The {name} field must be an integer of at least 1.");
    let one = "\"phone\":\"34699000002\"";
    vec![
        query("phone")
            .gives("34699000002", one)
            .gives("+34699000002,34699000003", "\"phone\":\"34699000003\"")
            .gives("34699000099", "\"data\":[]")
            .gives("", one)
            .says(422, NO_PHONE, &["34", "x", "34699000002,x"]),
        query("phone").with("phone[]=34699000003&phone[]=$").gives("34699000002", one),
        query("email")
            .gives("ana@example.com", "\"email\":\"ana@example.com\"")
            .gives("nobody@example.com", "\"data\":[]")
            .says(422, NO_EMAIL, &["x", "a@b"]),
        query("channel")
            .gives("sms", one)
            .gives("mailing", "\"email\":\"bob@example.com\"")
            .gives("", one)
            .says(422, NO_CHANNEL, &["fax"]),
        query("page").gives("1", one).gives("2", "\"current_page\":2").says(
            422,
            &wrong("page"),
            &["0", "-1", "x"],
        ),
        query("limit").gives("1", "\"per_page\":1,").gives("5000", "\"per_page\":1000,").says(
            422,
            &wrong("limit"),
            &["0", "-1", "x"],
        ),
    ]
}

fn taken_off() -> Vec<Row> {
    let n = |n: usize| format!("{{\"result\":{{\"deleted\":{n}}}}}");
    vec![
        query("phone")
            .gives("34699000002", &n(1))
            .gives("34699000002", &n(0))
            .says(422, NO_ADDRESS, &[""])
            .says(422, NO_PHONE, &["x", "34699000003,x"]),
        query("email").gives("ana@example.com", &n(1)).says(422, NO_EMAIL, &["x"]),
        field("phone").gives("[\"34699000003\",34699000004]", &n(2)).says(422, NO_PHONE, &["[1]"]),
        field("email").gives("\"bob@example.com\"", &n(1)).says(422, NO_EMAIL, &["[\"x\"]"]),
        field("channel")
            .within(r#""phone":"34699000005","channel":$"#)
            .says(422, NO_CHANNEL, &["\"fax\"", "\"mailing\""])
            .gives("\"sms\"", &n(1)),
        field("reason")
            .within(r#""phone":"34699000006","reason":$"#)
            .says(422, "The reason field must be a string.", &["7"])
            .gives("\"by letter\"", &n(1)),
    ]
}

fn notifications() -> Vec<Row> {
    let no_event = "\"sent\" is no event that can be asked for; there are buffered, uncertain, \
                    deferred, cancelled, inbound, resubscribed, codes_limited";
    vec![
        field("url")
            .gives("\"https://example.com/events\"", "\"url\":\"https://example.com/events\"")
            .gives("null", "\"url\":\"https://example.com/events\"")
            .refuses(109, &["\"example.com\"", "\"ftp://example.com\"", "\"x\""])
            .says(422, WRONG_TYPE, &["7", "[]"]),
        field("format")
            .gives("\"json\"", "\"format\":\"json\"")
            .gives("null", "\"format\":\"json\"")
            .gives("\"form\"", "\"format\":\"form\"")
            .says(422, "The format field must be form or json.", &["\"xml\"", "\"\""])
            .says(422, WRONG_TYPE, &["7"]),
        field("events")
            .gives("[\"buffered\",\"cancelled\"]", "\"events\":[\"buffered\",\"cancelled\"]")
            .gives("null", "\"events\":[\"buffered\",\"cancelled\"]")
            .gives("[]", "\"events\":[]")
            .says(422, no_event, &["[\"sent\"]"])
            .says(422, WRONG_TYPE, &["\"buffered\"", "[7]"]),
        field("enabled")
            .gives("false", "\"enabled\":false")
            .gives("null", "\"enabled\":false")
            .gives("true", "\"enabled\":true")
            .says(422, WRONG_TYPE, &["\"yes\"", "7"]),
    ]
}

#[test]
fn every_parameter_of_one_time_codes_is_taken_and_refused_as_said() {
    check(&["/api/rest/otp"]);
}

#[test]
fn every_parameter_of_senders_is_taken_and_refused_as_said() {
    check(&["/api/rest/senders"]);
}

#[test]
fn every_parameter_of_the_opt_out_list_is_taken_and_refused_as_said() {
    check(&["/api/rest/blacklist"]);
}

#[test]
fn every_parameter_of_event_notifications_is_taken_and_refused_as_said() {
    check(&["/api/rest/account"]);
}
