//! How a request is read: every leniency, every refusal and their order, without a server.

use pombo_app::usecase::send::{Callbacks, SendSms, Text};
use pombo_domain::time::Instant;

use super::error::Problem;
use super::sms_in::{Around, parse};

/// 2026-11-24T12:00:00Z.
const NOW: Instant = Instant::from_micros(1_795_521_600_000_000);

fn read(json: &str) -> Result<SendSms, Problem> {
    parse(json.as_bytes(), Around { dry_run: false, idempotency: None, now: NOW })
}

/// A good request with more fields.
fn with(fields: &str) -> String {
    format!(r#"{{"to":["34666555444"],"from":"TEST","message":"text",{fields}}}"#)
}

fn good(fields: &str) -> SendSms {
    read(&with(fields)).unwrap_or_else(|problem| panic!("{fields}: {problem:?}"))
}

/// The code and description of a refusal.
fn refused(json: &str) -> String {
    match read(json) {
        Ok(_) => panic!("this was accepted: {json}"),
        Err(problem) => format!("{} {}", problem.code(), problem.description()),
    }
}

#[test]
fn the_documents_sample_is_read() {
    let sms = read(r#"{"to": ["34666555444"], "from": "TEST", "message": "SMS text message"}"#)
        .expect("the sample");
    assert_eq!((sms.from.as_str(), same(&sms), sms.parts_max), ("TEST", "SMS text message", 1));
    assert_eq!(sms.to[0].phone.map(|(phone, _)| phone.digits()), Some(34_666_555_444));
    assert!(!sms.trans && !sms.split && !sms.flash && sms.schedule.is_none());
}

/// The text of a request whose messages say the same.
fn same(sms: &SendSms) -> &str {
    match &sms.text {
        Text::Same(text) => text,
        Text::Personal(template, _) => panic!("personal: {template:?}"),
    }
}

#[test]
fn braces_are_plain_text_where_there_are_no_values() {
    assert_eq!(same(&good(r#""message":"{a|foo} {OTP_CODE}""#)), "{a|foo} {OTP_CODE}");
}

#[test]
fn of_each_recipient_only_what_the_text_asks_for_is_read() {
    for (sub, wanted) in [
        (r#"[{"a":"x","b":"y","c":{"deep":[1,2]}}]"#, ["x", "y"]),
        // Numbers as they are written, and truth by its name.
        (r#"[{"a":1.50,"b":12345678901234567890}]"#, ["1.50", "12345678901234567890"]),
        (r#"[{"a":true,"b":null}]"#, ["true", ""]),
        (r#"[{"a":"\u00e9\n","b":""}]"#, ["é\n", ""]),
        (r#"[{"A":"x"}]"#, ["", ""]),
        (r#"[{"a":"1","a":"2"}]"#, ["2", ""]),
        // As PHP writes an empty object, and a list with gaps.
        ("[[]]", ["", ""]),
        ("[null]", ["", ""]),
        (r#"{"7":{"b":"y"}}"#, ["", "y"]),
    ] {
        let sms = good(&format!(r#""message":"{{b}} {{a}} {{b|upper}}","sub":{sub}"#));
        let Text::Personal(template, values) = sms.text else { panic!("{sub}: {:?}", sms.text) };
        assert_eq!(template.variables(), &["b".into(), "a".into()]);
        assert_eq!([values.row(0).get(1), values.row(0).get(0)], wanted, "{sub}");
    }
}

#[test]
fn recipients_come_in_many_shapes() {
    for (to, n_valid) in [
        (r#""34666555444""#, 1),
        ("34666555444", 1),
        ("[34666555444, \"34666555333\"]", 2),
        (r#"["+34 666-555-444"]"#, 1),
        (r#"{"0":"34666555444","2":"34666555333"}"#, 2),
        (r#"["34666555444", null, true, {}, [], "abc", -1, 1.5]"#, 1),
    ] {
        let json = format!(r#"{{"to":{to},"from":"TEST","message":"text"}}"#);
        let sms = read(&json).unwrap_or_else(|problem| panic!("{to}: {problem:?}"));
        assert_eq!(sms.to.iter().filter(|r| r.phone.is_some()).count(), n_valid, "{to}");
    }
}

#[test]
fn truth_has_many_spellings() {
    for yes in ["true", "1", "\"1\"", "\"true\"", "\"yes\"", "\"YES\""] {
        let sms = good(&format!(
            "\"flash\":{yes},\"splitParts\":{yes},\"trans\":{yes},\"certified\":{yes}"
        ));
        assert!(sms.flash && sms.split && sms.trans && sms.certified, "{yes}");
    }
    for no in ["false", "0", "\"0\"", "\"false\"", "\"no\"", "\"\"", "null"] {
        let sms =
            good(&format!("\"flash\":{no},\"splitParts\":{no},\"trans\":{no},\"certified\":{no}"));
        assert!(!sms.flash && !sms.split && !sms.trans && !sms.certified, "{no}");
    }
}

#[test]
fn null_is_absent_and_unknown_keys_are_nothing() {
    let sms = good(
        r#""scheduleDate":null,"expirationDate":null,"notificationUrl":null,"campaignName":null,
           "tags":null,"availableTimes":null,"encoding":null,"parts":null,"category":null,
           "sub":null,"otpConfig":{"length":99},"certified":null,"surprise":{"a":[1,{"b":null}]}"#,
    );
    assert!(sms.campaign.is_none() && matches!(sms.callbacks, Callbacks::None));
}

#[test]
fn a_byte_order_mark_and_repeated_keys_do_no_harm() {
    let json = "\u{FEFF}{\"from\":\"A\",\"from\":\"B\",\"to\":34666555444,\"message\":\"x\"}";
    assert_eq!(read(json).expect("readable").from.as_str(), "B");
}

#[test]
fn what_is_no_object_is_125() {
    for json in
        ["", "{", "[]", "null", "1", "\"x\"", "{\"a\":}", "{} {}", "{\"message\":\"\\ud800\"}"]
    {
        assert_eq!(refused(json), "125 Invalid JSON", "{json:?}");
    }
    let around = Around { dry_run: false, idempotency: None, now: NOW };
    assert!(parse(b"{\"message\":\"\xff\"}", around).is_err());
    let deep = "[".repeat(100_000);
    assert_eq!(refused(&format!("{{\"to\":{deep}")), "125 Invalid JSON");
}

#[test]
fn the_first_mistake_in_the_documented_order_is_told() {
    let mut json = String::from(
        r#"{"from":"","message":"","to":[],"encoding":"ebcdic","parts":0,"scheduleDate":"x",
            "expirationDate":"x","notificationUrl":"x","tags":["a"],"availableTimes":1}"#,
    );
    for (expected, wrong, right) in [
        ("106 Sender missing", r#""from":"""#, r#""from":"TEST""#),
        ("104 Text message missing", r#""message":"""#, r#""message":"text""#),
        ("102 No valid recipients", r#""to":[]"#, r#""to":["34666555444"]"#),
        ("113 Invalid coding", r#""encoding":"ebcdic""#, r#""encoding":"gsm""#),
        (
            "110 Exceeded maximum parts allowed or incorrect number of parts",
            r#""parts":0"#,
            r#""parts":1"#,
        ),
        ("108 No valid Datetime for send", r#""scheduleDate":"x""#, r#""scheduleDate":null"#),
        ("119 Invalid expiration date", r#""expirationDate":"x""#, r#""expirationDate":null"#),
        ("109 Notification URL incorrect", r#""notificationUrl":"x""#, r#""notificationUrl":null"#),
        ("126 Empty campaign name", r#""tags":["a"]"#, r#""tags":[]"#),
        (
            "183 Available times value is not an array",
            r#""availableTimes":1"#,
            r#""availableTimes":null"#,
        ),
    ] {
        assert_eq!(refused(&json), expected);
        json = json.replace(wrong, right);
    }
    read(&json).expect("no mistake is left");
}

#[test]
fn each_field_has_its_refusals() {
    for (fields, expected) in [
        (r#""from":"ABCDEFGHIJKL""#, "107 Sender too long"),
        (r#""from":"1234567890123456""#, "107 Sender too long"),
        (r#""from":"CAFÉ""#, "422 The from field format is invalid."),
        (r#""from":5"#, "422 The from field must be a string."),
        (r#""message":5"#, "422 The message field must be a string."),
        (r#""message":["x"]"#, "422 The message field must be a string."),
        (r#""to":"nobody""#, "102 No valid recipients"),
        (r#""to":null"#, "102 No valid recipients"),
        (r#""encoding":"GSM""#, "113 Invalid coding"),
        (r#""encoding":7"#, "113 Invalid coding"),
        (r#""parts":16"#, "110 Exceeded maximum parts allowed or incorrect number of parts"),
        (r#""parts":"x""#, "110 Exceeded maximum parts allowed or incorrect number of parts"),
        (r#""parts":1.5"#, "110 Exceeded maximum parts allowed or incorrect number of parts"),
        (r#""parts":[]"#, "110 Exceeded maximum parts allowed or incorrect number of parts"),
        (r#""trans":2"#, "422 The selected trans is invalid."),
        (r#""flash":"maybe""#, "422 The flash field must be true or false."),
        (r#""splitParts":7"#, "422 The splitParts field must be true or false."),
        (r#""scheduleDate":"""#, "108 No valid Datetime for send"),
        (r#""scheduleDate":"2026-11-25""#, "108 No valid Datetime for send"),
        (r#""scheduleDate":[]"#, "108 No valid Datetime for send"),
        (r#""expirationDate":"20200101000000""#, "119 Invalid expiration date"),
        (
            r#""scheduleDate":"20270101000000","expirationDate":"20270101000000""#,
            "119 Invalid expiration date",
        ),
        (r#""notificationUrl":"ftp://example.com""#, "109 Notification URL incorrect"),
        (r#""notificationUrl":[]"#, "109 Notification URL incorrect"),
        (
            r#""notificationUrl":["https://a.example/","https://b.example/"]"#,
            "109 Notification URL incorrect",
        ),
        (r#""notificationUrl":{}"#, "109 Notification URL incorrect"),
        (r#""notificationUrl":5"#, "109 Notification URL incorrect"),
        (r#""campaignName":5"#, "422 The campaignName field must be a string."),
        (r#""campaignName":"  ","tags":["a"]"#, "126 Empty campaign name"),
        (r#""campaignName":"c","tags":"a""#, "422 The tags field must be an array."),
        (r#""campaignName":"c","tags":["a",{}]"#, "422 The tags.1 field must be a string."),
        (r#""category":"spam""#, "422 The selected category is invalid."),
        (r#""category":1"#, "422 The category field must be a string."),
        (r#""sub":"x""#, "422 The sub field must be an array."),
        (r#""sub":false"#, "422 The sub field must be an array."),
        (r#""sub":[]"#, "422 The sub field must contain as many items as the to field."),
        (r#""sub":[{},{}]"#, "422 The sub field must contain as many items as the to field."),
        (r#""sub":["x"]"#, "422 The sub.0 field must be an object."),
        (r#""sub":[[1]]"#, "422 The sub.0 field must be an object."),
        (r#""sub":{"name":"x"}"#, "422 The sub.0 field must be an object."),
        (
            r#""message":"{a} {b}","sub":[{"a":1,"b":["x"]}]"#,
            "422 The sub.0.b field must be a string.",
        ),
        (
            r#""message":"{a|lower|foo}","sub":[{}]"#,
            "422 The message field has a filter that does not exist: foo.",
        ),
        (r#""certified":"x""#, "422 The certified field must be true or false."),
    ] {
        assert_eq!(refused(&with(fields)), expected, "{fields}");
    }
}

#[test]
fn each_key_of_otp_config_has_its_refusals() {
    for (fields, expected) in [
        (
            r#""message":"Code {OTP_CODE|lower}","sub":[{}]"#,
            "422 The message field must not have filters on {OTP_CODE}: it would be another code.",
        ),
        (r#""message":"{OTP_CODE}","otpConfig":7"#, "422 The otpConfig field must be an object."),
        (r#""message":"{OTP_CODE}","otpConfig":[1]"#, "422 The otpConfig field must be an object."),
        (
            r#""message":"{OTP_CODE}","otpConfig":{"alpha":"x"}"#,
            "422 The otpConfig.alpha field must be true or false.",
        ),
        (
            r#""message":"{OTP_CODE}","otpConfig":{"length":11}"#,
            "422 The otpConfig.length field must be between 3 and 10.",
        ),
        (
            r#""message":"{OTP_CODE}","otpConfig":{"maxAttempts":0}"#,
            "422 The otpConfig.maxAttempts field must be between 1 and 10.",
        ),
        (
            r#""message":"{OTP_CODE}","otpConfig":{"maxSecondsValidity":601}"#,
            "422 The otpConfig.maxSecondsValidity field must be between 30 and 600.",
        ),
        (
            r#""message":"{OTP_CODE}","otpConfig":{"appId":[]}"#,
            "422 The otpConfig.appId field must be a string.",
        ),
        (
            r#""message":"{OTP_CODE}","otpConfig":{"rejectIfPendingCode":2}"#,
            "422 The otpConfig.rejectIfPendingCode field must be true or false.",
        ),
    ] {
        assert_eq!(refused(&with(fields)), expected, "{fields}");
    }
}

#[test]
fn available_times_have_a_code_for_each_mistake() {
    for (times, expected) in [
        (r#""mornings""#, "183 Available times value is not an array"),
        (r#"{"day":1}"#, "183 Available times value is not an array"),
        (r#""""#, "194 Available times is specified but its value is empty"),
        ("[]", "194 Available times is specified but its value is empty"),
        ("[5]", "189 Missing available time object property"),
        ("[{}]", "189 Missing available time object property"),
        (r#"[{"from":"09:00"}]"#, "189 Missing available time object property"),
        (
            r#"[{"day":"x","from":"09:00","to":"21:00"}]"#,
            "184 Available times day is not an integer",
        ),
        (r#"[{"day":0,"from":"09:00","to":"21:00"}]"#, "185 Available times day out of range"),
        (r#"[{"day":8,"from":"09:00","to":"21:00"}]"#, "185 Available times day out of range"),
        (r#"[{"from":"9h","to":"21:00"}]"#, "186 Available times from hour format error"),
        (r#"[{"from":9,"to":"21:00"}]"#, "186 Available times from hour format error"),
        (r#"[{"from":"09:00","to":"24:61"}]"#, "187 Available times to hour format error"),
        (
            r#"[{"from":"21:00","to":"09:00"}]"#,
            "188 Available times from hour is greater than to hour",
        ),
        (r#"[{"from":"09:00","to":"09:01"}]"#, "196 Available times range is too short"),
    ] {
        assert_eq!(refused(&with(&format!("\"availableTimes\":{times}"))), expected, "{times}");
    }
    assert!(
        good(r#""availableTimes":[{"day":"1","from":"09:00","to":"21:00"}]"#).windows.is_some()
    );
}

#[test]
fn a_date_that_has_passed_means_now() {
    assert_eq!(good(r#""scheduleDate":"20200101000000""#).schedule, None);
    let later = good(r#""scheduleDate":20270101000000,"expirationDate":"20270102000000""#);
    assert_eq!(later.schedule.map(Instant::iso8601).as_deref(), Some("2027-01-01T00:00:00+00:00"));
    assert_eq!(later.expires.map(Instant::iso8601).as_deref(), Some("2027-01-02T00:00:00+00:00"));
}

#[test]
fn parts_are_one_or_fifteen_unless_said() {
    assert_eq!(good(r#""splitParts":true"#).parts_max, 15);
    assert_eq!(good(r#""splitParts":true,"parts":2"#).parts_max, 2);
    assert_eq!(good(r#""parts":"3""#).parts_max, 3);
    assert_eq!(good(r#""parts":4.0"#).parts_max, 4);
}

#[test]
fn callbacks_are_one_or_one_each() {
    let one = good(r#""notificationUrl":"https://example.com/dlr?id=%i""#);
    assert!(matches!(one.callbacks, Callbacks::One(_)));
    let each = good(r#""notificationUrl":["https://example.com/dlr?id=%i"]"#);
    assert!(matches!(each.callbacks, Callbacks::Each(urls) if urls.len() == 1));
}

#[test]
fn a_hundred_thousand_recipients_are_read() {
    let to: Vec<String> = (0..100_000).map(|n| format!("\"346000{n:05}\"")).collect();
    let json = format!(r#"{{"to":[{}],"from":"TEST","message":"x"}}"#, to.join(","));
    assert_eq!(read(&json).expect("readable").to.len(), 100_000);
}

#[test]
fn a_broken_body_is_refused_and_breaks_nothing() {
    let sample = with(
        r#""encoding":"gsm-pt","parts":3,"flash":"yes","scheduleDate":"20270101000000",
           "notificationUrl":["https://example.com/%i"],"campaignName":"é\u00e9","tags":["a"],
           "availableTimes":[{"day":1,"from":"09:00","to":"21:00"}],"sub":null"#,
    );
    // No body at all names everything that is scheduled; half a body names nothing.
    for end in 1..sample.len() {
        assert!(!super::takes(&sample.as_bytes()[..end], NOW), "cut at {end}");
    }
    for place in 0..sample.len() {
        for octet in [0, b'"', b'[', b'}', b'9', b'\\', 0xC3, 0xFF] {
            let mut noise = sample.clone().into_bytes();
            noise[place] = octet;
            // Some of these are fine; none may panic.
            let _ = super::takes(&noise, NOW);
        }
    }
}
