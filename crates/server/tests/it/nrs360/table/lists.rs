//! What can be read and changed of what was sent: campaigns, sendings, reports, scheduled messages,
//! coverage, and what recipients wrote.

use super::{Ids, Row, Table, check, field, path, query};

pub(super) fn tables(ids: &Ids) -> Vec<Table> {
    let (campaign, sending) = (&ids.campaign, &ids.sending);
    let new = Table::new;
    vec![
        new("GET", "/api/rest/campaigns", 200, list()),
        new("GET", "/api/rest/campaigns/{id}", 200, vec![id(campaign)]),
        new("GET", "/api/rest/campaigns/{id}/reports/events", 200, report(campaign))
            .of("id", campaign),
        new("POST", "/api/rest/campaigns/{id}/{order}", 200, vec![id(campaign), order()])
            .of("order", "resume")
            .of("id", campaign),
        new("GET", "/api/rest/sendings", 200, list()),
        new("GET", "/api/rest/sendings/{id}", 200, vec![id(sending)]),
        new("GET", "/api/rest/sendings/{id}/reports/events", 200, {
            let fields = query("showCustomFields").gives("1", ",extra,customFields");
            let without = fields.gives("0", ",os,extra\n").gives("x", ",os,extra\n");
            report(sending).into_iter().chain([without]).collect()
        })
        .of("id", sending),
        new("POST", "/api/rest/sendings/{id}/{order}", 200, {
            vec![id(sending), order().gives("cancel", "\"status\":\"CANCELLED\"")]
        })
        .of("order", "resume")
        .of("id", sending),
        new("GET", "/api/rest/scheduled", 200, scheduled(ids)),
        new("PUT", "/api/rest/scheduled", 200, moved(ids))
            .besides(r#""scheduleDate":"20990101130000""#),
        new("DELETE", "/api/rest/scheduled", 200, withdrawn(ids)),
        new("GET", "/api/rest/coverage/sms", 200, coverage()),
        new("GET", "/api/rest/coverage/sms/countries", 200, coverage()),
        new("GET", "/api/rest/inbound", 200, inbound()),
    ]
}

fn id(known: &str) -> Row {
    let row = path("id").says(404, "Resource not found", &["999999999", "x", "0", "-1", "1.5"]);
    row.gives(known, "\"tags\":[\"a\",\"b\"]")
}

fn order() -> Row {
    path("order")
        .gives("pause", "\"status\":\"PAUSED\"")
        .gives("resume", "\"status\":\"OPENED\"")
        .says(404, "Resource not found", &["stop", "PAUSE", "cancel/now"])
}

/// A date of the query: after all that the house knows where `late` says so.
fn date(name: &'static str, late: (&str, &str)) -> Row {
    let early = if name == "beforeDate" { late.1 } else { late.0 };
    let late = if name == "beforeDate" { late.0 } else { late.1 };
    query(name)
        .gives("2099-01-01T00:00:00+00:00", late)
        .gives("2099-01-01T00:00:00Z", late)
        .gives("2099-01-01T00:00:00 00:00", late)
        .gives("2019-01-01T02:00:00+02:00", early)
        .gives("2019-01-01", early)
        .gives("2019-01-01T00:00:00", early)
        .takes(&[""])
        .says(
            422,
            &format!("The {name} field must be a valid date."),
            &["yesterday", "20190101000000", "2019-13-01", "2019-02-30", "1"],
        )
}

fn paged(known: &str) -> Vec<Row> {
    let wrong = |name: &str| format!("The {name} field must be an integer of at least 1.");
    vec![
        query("page").gives("1", known).gives("2", "\"current_page\":2").takes(&[""]).says(
            422,
            &wrong("page"),
            &["0", "-1", "x", "1.5"],
        ),
        query("limit")
            .gives("1", "\"per_page\":1,")
            .gives("1000", "\"per_page\":1000,")
            .gives("5000", "\"per_page\":1000,")
            .gives("", "\"per_page\":100,")
            .says(422, &wrong("limit"), &["0", "-1", "x", "1.5"]),
    ]
}

fn list() -> Vec<Row> {
    let (known, none) = ("\"tags\":[\"a\",\"b\"]", "\"data\":[]");
    let mut rows = vec![
        date("beforeDate", (known, none)),
        date("afterDate", (known, none)),
        query("channel")
            .gives("sms", known)
            .gives("", known)
            .gives("mailing", none)
            .gives("landing", none)
            .gives("text2speech", none)
            .gives("voice-interactive", none)
            .says(422, "The selected channel is invalid.", &["fax", "SMS", "whatsapp"]),
        query("tags")
            .gives("a", known)
            .gives("a,b", known)
            .gives("", known)
            .gives("A", none)
            .gives("a,x", none)
            .says(422, "The tags field must not have more than 3 items.", &["a,b,c,d"]),
        query("tags").with("tags[]=a&tags[]=$").gives("b", known).gives("x", none),
    ];
    rows.extend(paged(known));
    rows
}

fn report(known: &str) -> Vec<Row> {
    let header = "campaignName,campaignId,sendingId,channel,event,phone,email,date,messageId,";
    vec![
        path("id").gives(known, header).says(
            404,
            "Resource not found",
            &["999999999", "x", "0", "-1"],
        ),
        date("beforeDate", (header, header)),
        date("afterDate", (header, header)),
    ]
}

fn scheduled(ids: &Ids) -> Vec<Row> {
    let [one, two, three] = &ids.scheduled;
    let (text, both) = ("\"content\":{\"to\":\"34666555444\"", "},{\"guid\":");
    let wrong = |name: &str| format!("The {name} field must be an integer of at least 1.");
    vec![
        query("guid")
            .gives(one, text)
            .gives(&format!("{one},{two}"), both)
            .gives("1", "{\"result\":[],\"total\":0}")
            .refuses(120, &["x", "-1", "1.5", "0x1", "1,x"]),
        query("guid").with(&format!("guid[]={three}&guid[]=$")).gives(two, both),
        field("guid")
            .gives(one, text)
            .gives(&format!("\"{one}\""), text)
            .gives(&format!("[{one},\"{two}\"]"), both)
            .gives("null", "\"total\":3")
            .refuses(120, &["\"x\"", "[]", "{}", "[true]", "true", "1.5", "-1"]),
        query("type")
            .gives("SMS", "\"total\":3")
            .gives("sms", "\"total\":3")
            .gives("MAILING", "{\"result\":[],\"total\":0}")
            .says(422, "The selected type is invalid.", &["FAX", ""]),
        query("page").gives("1", "\"total\":3").gives("2", "\"result\":[]").says(
            422,
            &wrong("page"),
            &["0", "-1", "x", ""],
        ),
        query("limit").gives("2", both).takes(&["5000"]).says(
            422,
            &wrong("limit"),
            &["0", "-1", "x", ""],
        ),
    ]
}

fn moved(ids: &Ids) -> Vec<Row> {
    let [one, two, _] = &ids.scheduled;
    let n = |n: usize| format!("{{\"result\":{{\"updated\":{n}}}}}");
    vec![
        field("guid")
            .gives(one, &n(1))
            // Also one that is named and there already.
            .gives(&format!("[\"{one}\",{two}]"), &n(2))
            .gives("1", &n(0))
            .gives("null", &n(1))
            .refuses(120, &["\"x\"", "[]", "[{}]", "true", "-1"]),
        field("type")
            .gives("\"SMS\"", &n(0))
            .gives("\"MAILING\"", &n(0))
            .gives("null", &n(0))
            .says(422, "The selected type is invalid.", &["\"FAX\"", "7", "[]"]),
        field("scheduleDate")
            .gives("\"20990101140000\"", &n(3))
            .gives("20990101150000", &n(3))
            .refuses(121, &["null", "\"\"", "\"tomorrow\"", "\"20990230000000\"", "[]", "true"]),
    ]
}

fn withdrawn(ids: &Ids) -> Vec<Row> {
    let [one, two, _] = &ids.scheduled;
    let n = |n: usize| format!("{{\"result\":{{\"deleted\":{n}}}}}");
    vec![
        query("guid").gives("1", &n(0)).gives(one, &n(1)).gives(one, &n(0)).refuses(120, &["x"]),
        field("guid")
            .gives(&format!("[{one},{two}]"), &n(1))
            .refuses(120, &["[]", "{}", "[true]", "\"x\""]),
        field("type")
            .gives("\"MAILING\"", &n(0))
            .says(422, "The selected type is invalid.", &["\"FAX\"", "7"])
            .gives("\"SMS\"", &n(1)),
    ]
}

fn coverage() -> Vec<Row> {
    let spain = "{\"data\":[{\"countryIso\":\"ES\",\"countryName\":\"Spain\"";
    vec![
        query("countryIso")
            .gives("ES", spain)
            .gives("es", spain)
            .gives("", "\"countryIso\":\"AD\"")
            .gives("QQ", "{\"data\":[]}")
            .says(422, "The countryIso field must be 2 letters.", &["Spain", "E", "E1", "34"]),
    ]
}

fn inbound() -> Vec<Row> {
    let none = "\"data\":[]";
    let mut rows = vec![
        query("from").gives("34666555444", none).gives("+34666555444", none).takes(&["", "x"]),
        query("to").gives("34911222333", none).takes(&["", "21700"]),
        date("afterDate", (none, none)),
        date("beforeDate", (none, none)),
    ];
    rows.extend(paged(none));
    rows
}

#[test]
fn every_parameter_of_campaigns_sendings_and_reports_is_taken_and_refused_as_said() {
    check(&["/api/rest/campaigns", "/api/rest/sendings"]);
}

#[test]
fn every_parameter_of_scheduled_messages_is_taken_and_refused_as_said() {
    check(&["/api/rest/scheduled"]);
}

#[test]
fn every_parameter_of_coverage_and_of_what_came_in_is_taken_and_refused_as_said() {
    check(&["/api/rest/coverage", "/api/rest/inbound"]);
}
