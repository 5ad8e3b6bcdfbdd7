//! `POST /sms` and `GET /sms/{ids}`, row by row.

use super::{Ids, Place, Row, Table, check, field, path, query};

/// 161 characters: one more than a message without `parts` has.
const LONG: &str = "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890x";

const TRUTH: [&str; 6] = ["true", "1", "\"1\"", "\"true\"", "\"yes\"", "null"];
const UNTRUTH: [&str; 5] = ["false", "0", "\"0\"", "\"false\"", "\"no\""];
const NEITHER: [&str; 4] = ["2", "\"maybe\"", "[]", "{}"];

pub(super) fn tables(ids: &Ids) -> Vec<Table> {
    let rows = [who_and_what(), when(), how(), campaigns(), personal(), codes(), beside()];
    let rows = rows.into_iter().flatten().collect();
    let sample = r#""to":["34666555444"],"from":"TEST","message":"text""#;
    vec![
        Table::new("POST", "/api/rest/sms", 202, rows).besides(sample),
        Table::new("GET", "/api/rest/sms/{ids}", 200, status(ids)).of("ids", &ids.messages[0]),
        Table::new("GET", "/api/rest/sms/certificates/{id}", 200, certificate(ids))
            .of("id", &ids.certified),
    ]
}

fn certificate(ids: &Ids) -> Vec<Row> {
    let others = [ids.messages[0].as_str(), ids.scheduled[0].as_str()];
    let in_language = |language: &str| format!("<rdf:li>{language}</rdf:li>");
    vec![
        path("id").gives(&ids.certified, "%PDF-1.7").says(404, "Resource not found", &others).says(
            404,
            "Resource not found",
            &["1", "0", "-1", "x", "1.5"],
        ),
        query("language")
            .gives("en", &in_language("en"))
            .gives("pt", &in_language("pt"))
            .gives("pt-BR", &in_language("pt"))
            .gives("ES", &in_language("es"))
            .gives("fr", &in_language("en"))
            .gives("", &in_language("en")),
    ]
}

fn who_and_what() -> Vec<Row> {
    let most = format!("\"{}\"", &LONG[..160]);
    let more = format!("\"{LONG}\"");
    let is_text = "The message field must be a string.";
    vec![
        field("message")
            .takes(&[r#""SMS text message""#, r#""a\nb""#, r#""€""#, &most])
            .refuses(104, &["null", "\"\""])
            .refuses(105, &[&more])
            .says(422, is_text, &["5", "true", "[\"x\"]", "{}"]),
        field("to")
            .takes(&[r#"["34666555444"]"#, "34666555444", r#""34666555444""#, "[34666555444]"])
            .takes(&[r#"["+34 666-555-444"]"#, r#"["0034666555444"]"#, r#"{"3":"34666555444"}"#])
            .gives(r#"["5511966778899"]"#, r#""accepted":true,"to":"5511966778899""#)
            .gives(r#"["34666555444","34666555333"]"#, r#""to":"34666555333""#)
            .refuses(102, &["null", "[]", "{}", "\"\"", "\"nobody\"", "[\"34\"]", "true"])
            .refuses(102, &["[null]", "[true]", "[{}]", "[-34666555444]", "[34666555444.5]"]),
        field("from")
            .takes(&["\"A\"", "\"TEST\"", "\"Test2\"", "\"ABCDEFGHIJK\"", "\"123456789012345\""])
            .refuses(106, &["null", "\"\""])
            .refuses(107, &["\"ABCDEFGHIJKL\"", "\"1234567890123456\"", "\"1234567890A\\u0042\""])
            .says(422, "The from field format is invalid.", &["\"CAFÉ\"", "\"A B\"", "\"+34666\""])
            .says(422, "The from field must be a string.", &["5", "true", "[\"TEST\"]", "{}"]),
        field("encoding")
            .takes(&["\"gsm\"", "\"gsm-pt\"", "\"utf-16\"", "null"])
            .refuses(113, &["\"GSM\"", "\"ucs2\"", "\"\"", "\"utf-8\"", "7", "[]", "true"]),
        field("encoding")
            .within(r#""message":"ção","encoding":$"#)
            .takes(&["\"gsm-pt\"", "\"utf-16\""])
            .says(
                113,
                "Invalid coding: character \"ç\" (U+00E7) at position 1",
                &["\"gsm\"", "null"],
            ),
    ]
}

fn when() -> Vec<Row> {
    let always = r#"{"from":"00:00","to":"24:00"}"#;
    let many = format!("[{}]", [always; 51].join(","));
    vec![
        field("scheduleDate")
            .gives("\"20991231235959\"", r#""scheduledAt":"2099-12-31T23:59:59+00:00""#)
            .gives("20991231235959", r#""scheduledAt":"2099-12-31T23:59:59+00:00""#)
            // What has passed means now.
            .takes(&["\"20130215142000\"", "null"])
            .refuses(108, &["\"\"", "\"2099-12-31\"", "\"20990230000000\"", "\"20991231240000\""])
            .refuses(108, &["\"2099123123595\"", "\"209912312359599\"", "[]", "{}", "true", "1.5"]),
        field("expirationDate")
            .gives("\"20991231235959\"", r#""expiresAt":"2099-12-31T23:59:59+00:00""#)
            .takes(&["null"])
            .refuses(
                119,
                &["\"\"", "\"x\"", "\"20130215142000\"", "\"20991301000000\"", "[]", "true"],
            ),
        field("expirationDate")
            .within(r#""scheduleDate":"20990101000000","expirationDate":$"#)
            .takes(&["\"20990101000001\""])
            .refuses(119, &["\"20990101000000\"", "\"20981231235959\""]),
        field("availableTimes")
            .takes(&[r#"[{"from":"00:00","to":"24:00"}]"#, "null"])
            // They may overlap.
            .takes(&[r#"[{"from":"08:00","to":"12:00"},{"day":3,"from":"10:00","to":"18:00"}]"#])
            .refuses(183, &["\"always\"", "7", "true", r#"{"from":"09:00","to":"21:00"}"#])
            .refuses(189, &["[5]", "[{}]", "[null]", "[[]]", r#"["09:00"]"#])
            .refuses(194, &["[]", "\"\""])
            .says(422, "The availableTimes field must not have more than 50 items.", &[many]),
        field("availableTimes.*.day")
            .within(r#""availableTimes":[{"day":$,"from":"09:00","to":"21:00"}]"#)
            .takes(&["1", "7", "\"3\"", "2.0", "null"])
            .refuses(184, &["\"x\"", "1.5", "true", "[]", "\"\""])
            .refuses(185, &["0", "8", "-1", "\"9\""]),
        field("availableTimes.*.from")
            .within(r#""availableTimes":[{"from":$,"to":"21:00"}]"#)
            .takes(&["\"00:00\"", "\"09:30\"", "\"20:45\""])
            .refuses(186, &["\"9:00\"", "\"24:00\"", "\"09:60\"", "\"9h\"", "\"\"", "9", "[]"])
            .refuses(188, &["\"21:01\"", "\"23:59\""])
            .refuses(189, &["null"])
            .refuses(196, &["\"21:00\"", "\"20:46\""]),
        field("availableTimes.*.to")
            .within(r#""availableTimes":[{"from":"09:00","to":$}]"#)
            .takes(&["\"24:00\"", "\"09:15\"", "\"21:00\""])
            .refuses(187, &["\"9:30\"", "\"24:01\"", "\"25:00\"", "\"21h\"", "\"\"", "21", "{}"])
            .refuses(188, &["\"08:59\"", "\"00:00\""])
            .refuses(189, &["null"])
            .refuses(196, &["\"09:00\"", "\"09:14\""]),
    ]
}

fn how() -> Vec<Row> {
    let long_url = format!("\"https://example.com/{}\"", "x".repeat(2_000));
    let two = format!(r#""message":"{LONG}","parts":$"#);
    let split = format!(r#""message":"{LONG}","splitParts":$"#);
    let of_flag = |name: &str| format!("The {name} field must be true or false.");
    vec![
        field("parts")
            .takes(&["1", "15", "\"3\"", "3.0", "null"])
            .refuses(110, &["0", "16", "-1", "1.5", "\"x\"", "\"\"", "[]", "true"]),
        field("parts")
            .within(&two)
            .gives("2", r#""parts":2"#)
            .gives("15", r#""parts":2"#)
            .refuses(105, &["1", "null"]),
        field("notificationUrl")
            .takes(&["\"https://example.com/dlr?id=%i&s=%d\"", "\"http://example.com\"", "null"])
            .takes(&["[\"https://example.com/dlr\"]"])
            .refuses(109, &["\"\"", "\"example.com/dlr\"", "\"ftp://example.com\"", "5", "true"])
            .refuses(109, &["[]", "{}", "[5]", "[\"https://a.example/\",\"https://b.example/\"]"])
            .refuses(109, &[long_url]),
        field("trans").takes(&TRUTH).takes(&UNTRUTH).says(
            422,
            "The selected trans is invalid.",
            &NEITHER,
        ),
        field("trans").within(r#""message":"ação nº 1","trans":$"#).takes(&["1"]).says(
            113,
            "Invalid coding: character \"ç\" (U+00E7) at position 2",
            &["0", "null"],
        ),
        field("splitParts").takes(&TRUTH).takes(&UNTRUTH).says(
            422,
            &of_flag("splitParts"),
            &NEITHER,
        ),
        field("splitParts")
            .within(&split)
            .gives("true", r#""parts":2"#)
            .refuses(105, &["false", "null"]),
        field("flash").takes(&TRUTH).takes(&UNTRUTH).says(422, &of_flag("flash"), &NEITHER),
        field("certified").takes(&TRUTH).takes(&UNTRUTH).says(422, &of_flag("certified"), &NEITHER),
    ]
}

fn campaigns() -> Vec<Row> {
    let longest = format!("\"{}\"", "n".repeat(255));
    let longer = format!("\"{}\"", "n".repeat(256));
    let name_too_long = "The campaignName field must not be greater than 255 characters.";
    let tag_too_long = "The tags.0 field must not be greater than 100 characters.";
    let many = format!("[{}\"x\"]", "\"x\",".repeat(100));
    vec![
        field("campaignName")
            .takes(&["\"Black Friday\"", "\"  \"", "\"\"", "null", &longest])
            .says(422, name_too_long, &[&longer])
            .says(422, "The campaignName field must be a string.", &["5", "[]", "true"]),
        field("tags").takes(&["[]", "null"]).refuses(126, &["[\"a\"]", "[\"\"]", "[7]"]),
        field("tags")
            .within(r#""campaignName":"Black Friday","tags":$"#)
            .takes(&["[\"a\"]", "[\"a\",\"b\"]", "[7]", "{\"1\":\"a\"}", "[]", "null"])
            .says(422, "The tags field must be an array.", &["\"a\"", "7", "true"])
            .says(422, "The tags.1 field must be a string.", &["[\"a\",{}]", "[\"a\",null]"])
            .says(422, tag_too_long, &[format!("[\"{}\"]", "t".repeat(101))])
            .says(422, "The tags field must not have more than 100 items.", &[many]),
    ]
}

fn personal() -> Vec<Row> {
    let too_long = format!("\"https://example.com/{}\"", "x".repeat(2_000));
    let wrong_length = "The sub field must contain as many items as the to field.";
    let no_filter =
        |name: &str| format!("The message field has a filter that does not exist: {name}.");
    let cut =
        format!(r#""message":"{}{{name}}","splitParts":true,"sub":[{{"name":$}}]"#, &LONG[..155]);
    vec![
        field("sub")
            .within(r#""message":"Hi {name}","sub":$"#)
            .takes(&[r#"[{"name":"Ana"}]"#, r#"[{"name":7}]"#, r#"[{"other":{"deep":[1]}}]"#])
            .takes(&["[{}]", "[[]]", "[null]", r#"{"7":{"name":"x"}}"#, "null"])
            .says(422, wrong_length, &["[]", "[{},{}]", r#"[{"name":"x"},{"name":"y"},{}]"#])
            .says(422, "The sub field must be an array.", &["\"x\"", "5", "false"])
            .says(422, "The sub.0 field must be an object.", &["[\"x\"]", "[5]", "[[1]]"])
            .says(422, "The sub.0.name field must be a string.", &[r#"[{"name":["x"]}]"#])
            .says(422, "The sub.0.name field must be a string.", &[r#"[{"name":{}}]"#]),
        field("sub")
            .within(r#""to":["34666555444","34666555333"],"message":"{name}","sub":$"#)
            .takes(&[r#"[{"name":"a"},{"name":"b"}]"#])
            .says(422, wrong_length, &[r#"[{"name":"a"}]"#, r#"[{},{},{}]"#]),
        // Every filter of the document's table, and two that it has not.
        field("sub")
            .within(r#""message":"x {v|$}","sub":[{"v":"http://example.com"}]"#)
            .takes(&["lower", "upper", "capitalize", "capitalizeAll", "lower|capitalize"])
            .takes(&["formatDotComma", "formatCommaDot", "shorten"])
            .says(422, &no_filter("LOWER"), &["LOWER"])
            .says(422, &no_filter("trim"), &["trim", "upper|trim"]),
        field("sub")
            .within(r#""message":"{url|shorten}","sub":[{"url":$}]"#)
            .takes(&["\"https://example.com/a?b=c\"", "\"http://example.com\""])
            .says(422, "The sub.0.url field must be a valid URL.", &["\"no url\"", "\"\"", "5"])
            .says(422, "The sub.0.url field must be a valid URL.", &["\"example.com\"", "null"])
            .says(422, "The sub.0.url field must be a valid URL.", &["\"javascript:alert(1)\""])
            .says(422, "The sub.0.url field must be a valid URL.", &[too_long]),
        field("sub").within(&cut).takes(&["\"abc\"", "\"\""]).refuses(142, &["\"abcdefghij\""]),
    ]
}

fn codes() -> Vec<Row> {
    let within = |name: &'static str| {
        let key = name.rsplit('.').next().unwrap();
        let text = format!(r#""message":"{{OTP_CODE}}","otpConfig":{{"{key}":$}}"#);
        field(name).within(&text)
    };
    let between = |name: &str, range: &str| format!("The otpConfig.{name} field must be {range}.");
    vec![
        field("otpConfig")
            .within(r#""message":"Code {OTP_CODE}","otpConfig":$"#)
            .takes(&[r#"{"alpha":true,"length":5}"#, "{}", "[]", "null", r#"{"surprise":1}"#])
            .says(422, "The otpConfig field must be an object.", &["7", "\"x\"", "[1]", "true"]),
        within("otpConfig.alpha").takes(&TRUTH).takes(&UNTRUTH).says(
            422,
            &between("alpha", "true or false"),
            &NEITHER,
        ),
        within("otpConfig.length")
            .takes(&["3", "10", "\"4\"", "null"])
            .says(422, &between("length", "between 3 and 10"), &["2", "11", "-1"])
            .says(422, &between("length", "an integer"), &["\"x\"", "4.5", "[]", "true"]),
        within("otpConfig.maxAttempts")
            .takes(&["1", "10", "null"])
            .says(422, &between("maxAttempts", "between 1 and 10"), &["0", "11", "-1"])
            .says(422, &between("maxAttempts", "an integer"), &["\"x\"", "{}"]),
        within("otpConfig.maxSecondsValidity")
            .takes(&["30", "600", "null"])
            .says(422, &between("maxSecondsValidity", "between 30 and 600"), &["29", "601", "6000"])
            .says(422, &between("maxSecondsValidity", "an integer"), &["\"x\"", "30.5"]),
        within("otpConfig.appId").takes(&["\"\"", "\"shop\"", "7", "null"]).says(
            422,
            &between("appId", "a string"),
            &["true", "[]"],
        ),
        within("otpConfig.rejectIfPendingCode").takes(&UNTRUTH).says(
            422,
            &between("rejectIfPendingCode", "true or false"),
            &NEITHER,
        ),
    ]
}

/// What only we have.
fn beside() -> Vec<Row> {
    let key = "The Idempotency-Key header must be 1 to 255 visible characters.";
    vec![
        field("category")
            .takes(&["\"marketing\"", "\"transactional\"", "null"])
            .says(422, "The selected category is invalid.", &["\"spam\"", "\"Marketing\"", "\"\""])
            .says(422, "The category field must be a string.", &["1", "[]", "true"]),
        query("dryRun")
            .gives("1", r#""campaignId":0"#)
            .gives("true", r#""campaignId":0"#)
            .gives("", r#""campaignId":0"#)
            .takes(&["0", "false", "no"])
            .says(422, "The dryRun field must be true or false.", &["perhaps", "2"]),
        Row::at("Idempotency-Key", Place::Header).takes(&["order-1", &"k".repeat(255)]).says(
            422,
            key,
            &["two words", &"k".repeat(256)],
        ),
    ]
}

fn status(ids: &Ids) -> Vec<Row> {
    let many = vec!["1"; 1_001].join(",");
    let [one, other] = &ids.messages;
    let other_to = r#""to":"34666555333""#;
    vec![
        path("ids")
            .gives(one, r#""to":"34666555444""#)
            .gives(&format!("{one},{other}"), other_to)
            .gives(&format!("{one},%20{other}"), other_to)
            .gives(&format!("{one}%2C{other}"), other_to)
            // Unknown ones are skipped where one is known.
            .gives(&format!("1,x,{other}"), other_to)
            .says(404, "Resource not found", &["1", "x", "1,2", "-1", "%20"])
            .says(422, "The id field must not have more than 1000 items.", &[many]),
        query("details")
            .gives("1", r#""parts":[{"#)
            .gives("true", r#""parts":[{"#)
            .takes(&["0", "false", "no"])
            .says(422, "The details field must be true or false.", &["perhaps", "2"]),
    ]
}

#[test]
fn every_parameter_of_a_message_is_taken_and_refused_as_the_document_says() {
    check(&["/api/rest/sms"]);
}
