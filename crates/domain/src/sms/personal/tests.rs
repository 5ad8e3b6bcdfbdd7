//! The filters by table, placeholders and their edges, and what holds for every text.

use proptest::prelude::*;

use super::super::{CannotEncode, Cut, TableChoice};
use super::*;

const PLAIN: Form = Form {
    cut: Cut { encoding: Encoding::Gsm, tables: TableChoice::Auto, split: false },
    trans: false,
    code_length: 0,
    parts_max: 15,
};
const UTF16: Form = Form { cut: Cut { encoding: Encoding::Utf16, ..PLAIN.cut }, ..PLAIN };
const SPLIT: Form = Form { cut: Cut { split: true, ..PLAIN.cut }, ..PLAIN };

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

/// The final text for one recipient's values, by name.
fn render_as(form: Form, text: &str, values: &[(&str, &str)]) -> Result<Fitted, Unfit> {
    let template = template(text);
    let mut table = Values::new(template.variables().len(), 1);
    table.push(template.variables().iter().map(|variable| {
        let found = values.iter().find(|(name, _)| *name == &**variable);
        found.map_or("", |(_, value)| *value)
    }));
    let mut n = 0;
    template.render(table.row(0), form, &mut |target| {
        n += 1;
        format!("https://go.example/s/{n:012}#{}", target.as_str().len())
    })
}

fn render(text: &str, values: &[(&str, &str)]) -> String {
    render_as(UTF16, text, values).expect("a text").text
}

#[test]
fn each_filter_does_what_the_document_shows() {
    for (filters, value, wanted) in [
        // The document's own examples.
        ("lower", "My Name", "my name"),
        ("upper", "My Name", "MY NAME"),
        ("capitalize", "my name", "My name"),
        ("capitalizeAll", "my name", "My Name"),
        ("formatDotComma", "1234.56", "1.234,56"),
        ("formatCommaDot", "1234.56", "1,234.56"),
        // Case, by Unicode.
        ("lower", "ÁÉÑÇÜ ΌΔΟΣ İ", "áéñçü όδος i\u{307}"),
        ("upper", "straße ñandú ﬁn ŉ", "STRASSE ÑANDÚ FIN ʼN"),
        ("capitalize", "ångström  élan", "Ångström  élan"),
        ("capitalize", "ß und ß", "Ss und ß"),
        ("capitalizeAll", "ǆ ﬁn ñu", "ǅ Fin Ñu"),
        ("capitalize", "¿qué? sí", "¿Qué? sí"),
        ("capitalizeAll", "maria-josé o'neill 3d\tx\u{a0}y", "Maria-josé O'neill 3d\tX\u{a0}Y"),
        ("capitalize", "McDONALD", "McDONALD"),
        ("capitalize", "", ""),
        // Numbers: as many decimals as there are, and what is no number stays.
        ("formatDotComma", "1234567", "1.234.567"),
        ("formatCommaDot", "-1234.5", "-1,234.5"),
        ("formatDotComma", "999", "999"),
        ("formatDotComma", "0.125", "0,125"),
        ("formatDotComma", ".5", "0,5"),
        ("formatCommaDot", " 0012345.0 ", "12,345.0"),
        ("formatDotComma", "+1000", "1.000"),
        ("formatDotComma", "12345678901234567890.12", "12.345.678.901.234.567.890,12"),
        ("formatDotComma", "1.234,56", "1.234,56"),
        ("formatDotComma", "1e5", "1e5"),
        ("formatDotComma", "5.", "5."),
        ("formatDotComma", "-", "-"),
        ("formatDotComma", "a lot", "a lot"),
        ("formatDotComma", "", ""),
        // Chained, from left to right.
        ("lower|capitalizeAll", "JOSÉ GARCÍA", "José García"),
        ("upper|lower", "Ab", "ab"),
        (" lower | capitalize ", "JOSÉ", "José"),
    ] {
        let text = format!("<{{v|{filters}}}>");
        assert_eq!(render(&text, &[("v", value)]), format!("<{wanted}>"), "{filters} {value:?}");
    }
}

#[test]
fn a_filter_that_does_not_exist_is_named() {
    for (text, filter) in
        [("{a|foo}", "foo"), ("{a|Lower}", "Lower"), ("{a|lower|}", ""), ("{a|}", "")]
    {
        let error = TemplateError::UnknownFilter(filter.to_owned());
        assert_eq!(Template::parse(text), Err(error), "{text}");
    }
}

#[test]
fn what_is_no_placeholder_is_text() {
    for text in [
        "{}",
        "{ }",
        "{",
        "}",
        "}{",
        "{a",
        "a}",
        "{-a}",
        "{|lower}",
        "{\"a\":1}",
        "{a:b}",
        "{a\nb}",
        "€{",
        "{?|foo}",
        "{.}",
        "no braces at all",
    ] {
        assert_eq!(render(text, &[("a", "X")]), text);
        assert_eq!(template(text).variables().len(), 0, "{text}");
    }
    let long = format!("{{{}}}", "n".repeat(VARIABLE_NAME_CHARS_MAX + 1));
    assert_eq!(render(&long, &[]), long);
}

#[test]
fn braces_around_a_placeholder_stay() {
    assert_eq!(render("{{a}}{a}{{{ b c |upper}", &[("a", "1"), ("b c", "x")]), "{1}1{{X");
}

#[test]
fn each_variable_is_one_column_however_often_it_stands() {
    let template = template("{b} {a} {b|upper} {A}");
    assert_eq!(template.variables(), &["b".into(), "a".into(), "A".into()]);
    assert_eq!(template.source(), "{b} {a} {b|upper} {A}");
}

#[test]
fn a_value_is_not_looked_at_again() {
    assert_eq!(render("{a}{b}", &[("a", "{b}"), ("b", "{a}")]), "{b}{a}");
}

#[test]
fn rows_keep_their_values_apart() {
    let mut values = Values::new(2, 3);
    values.push(["a", "b"]);
    values.push(["", "é", "too many"]);
    values.push(["only"]);
    let cells = |row| (values.row(row).get(0), values.row(row).get(1));
    assert_eq!([cells(0), cells(1), cells(2)], [("a", "b"), ("", "é"), ("only", "")]);
    assert_eq!(cells(3), ("", ""));
}

#[test]
fn a_link_stands_for_a_url_and_is_the_last_word() {
    let values = [("url", "https://example.com/Path"), ("bad", "example.com")];
    let link = "https://go.example/s/000000000001#24";
    for text in ["{url|shorten}", "{url|shorten|upper}", "{url|shorten|shorten}"] {
        assert_eq!(render(text, &values), link, "{text}");
        assert_eq!(template(text).n_links(), 1);
    }
    assert_eq!(template("{url} {url|lower} {a|shorten} {url|shorten}").n_links(), 2);
    for text in ["{bad|shorten}", "{missing|shorten}"] {
        let name = text.trim_matches(['{', '}']).split('|').next().unwrap_or_default();
        assert_eq!(render_as(PLAIN, text, &values), Err(Unfit::NotAUrl(name.to_owned())), "{text}");
    }
}

#[test]
fn each_final_text_is_judged_by_itself() {
    let fitted = |form, value: &str| render_as(form, "Hi {a}", &[("a", value)]);
    let n_parts = |value: &str| fitted(PLAIN, value).map(|fitted| fitted.n_parts);
    assert_eq!(n_parts(&"x".repeat(157)), Ok(1));
    assert_eq!(n_parts(&"x".repeat(158)), Ok(2));
    assert_eq!(n_parts(&"€".repeat(79)), Ok(2));
    let one = Form { parts_max: 1, ..PLAIN };
    assert_eq!(fitted(one, &"x".repeat(158)), Err(Unfit::TooLong));
    assert_eq!(fitted(PLAIN, &"x".repeat(15 * 153 - 2)), Err(Unfit::TooLong));
    assert_eq!(fitted(PLAIN, &"x".repeat(TEXT_BYTES_MAX + 1)), Err(Unfit::TooLong));
    let cannot = CannotEncode { character: 'ç', position: 4 };
    assert_eq!(fitted(PLAIN, "ça"), Err(Unfit::NotEncodable(cannot)));
    let trans = Form { trans: true, ..PLAIN };
    assert_eq!(fitted(trans, "ção").map(|fitted| fitted.text), Ok("Hi Çao".to_owned()));
    assert_eq!(render_as(trans, "{a}", &[("a", "ª")]), Err(Unfit::Empty));
    assert_eq!(render_as(PLAIN, "{a}", &[]), Err(Unfit::Empty));
    // Composed across the edge of a value.
    assert_eq!(render("e{a}", &[("a", "\u{301}")]), "é");
}

#[test]
fn independent_messages_never_share_a_value() {
    let cut =
        |form, text: &str, value: &str| render_as(form, text, &[("a", value)]).map(|f| f.n_parts);
    let before = |n: usize| format!("{}{{a}}", "x".repeat(n));
    assert_eq!(cut(SPLIT, &before(158), "abc"), Err(Unfit::PlaceholderCut));
    assert_eq!(cut(PLAIN, &before(158), "abc"), Ok(2));
    // At an edge nothing is cut.
    assert_eq!(cut(SPLIT, &before(160), "abc"), Ok(2));
    assert_eq!(cut(SPLIT, &format!("{}yyyy", before(157)), "abc"), Ok(2));
    assert_eq!(cut(SPLIT, &before(158), "ab"), Ok(1));
    assert_eq!(cut(SPLIT, &format!("{}yyyy", before(160)), ""), Ok(2));
    // Counted as they are sent: `€` is two units, and transliteration takes letters away.
    assert_eq!(cut(SPLIT, &format!("{}{{a}}", "€".repeat(80)), "abc"), Ok(2));
    assert_eq!(cut(SPLIT, &format!("{}{{a}}", "€".repeat(79)), "abc"), Err(Unfit::PlaceholderCut));
    let trans = Form { trans: true, ..SPLIT };
    assert_eq!(cut(trans, &format!("{}{{a}}", "xª".repeat(160)), "abc"), Ok(2));
    assert_eq!(
        cut(trans, &format!("{}{{a}}", "xª".repeat(159)), "abc"),
        Err(Unfit::PlaceholderCut)
    );
    let utf16 = Form { cut: Cut { split: true, ..UTF16.cut }, ..UTF16 };
    assert_eq!(cut(utf16, &format!("{}{{a}}", "😀".repeat(35)), "ab"), Ok(2));
    assert_eq!(
        cut(utf16, &format!("{}{{a}}", "😀".repeat(34)), "abcd"),
        Err(Unfit::PlaceholderCut)
    );
}

#[test]
fn what_a_template_costs_is_bounded() {
    let many = "{a}".repeat(PLACEHOLDERS_MAX);
    assert!(Template::parse(&many).is_ok());
    let too_many = Template::parse(&format!("{many}{{a}}"));
    assert_eq!(too_many, Err(TemplateError::TooManyPlaceholders));
    let large = "x".repeat(TEXT_BYTES_MAX);
    assert_eq!(render_as(PLAIN, &many, &[("a", &large)]), Err(Unfit::TooLong));
}

proptest! {
    #[test]
    fn a_text_without_braces_is_its_own_rendering(text in "[^{}]{1,200}") {
        let parsed = template(&text);
        prop_assert_eq!(parsed.variables().len(), 0);
        let rendered = render_as(UTF16, &text, &[]);
        prop_assert_eq!(rendered, UTF16.fit(&text));
    }

    #[test]
    fn any_text_is_a_template_or_says_why(text in ".{0,80}|[{}|a ]{0,40}") {
        let _ = Template::parse(&text);
    }

    #[test]
    fn values_stand_where_their_placeholders_stood(
        texts in prop::collection::vec("[a-z ]{0,8}", 3), a in "[^{}]{0,20}", b in ".{0,20}",
    ) {
        let text = format!("{}{{a}}{}{{b}}{}.", texts[0], texts[1], texts[2]);
        let wanted = format!("{}{a}{}{b}{}.", texts[0], texts[1], texts[2]);
        prop_assert_eq!(render_as(UTF16, &text, &[("a", &a), ("b", &b)]), UTF16.fit(&wanted));
    }

    #[test]
    fn grouping_changes_no_digit(whole in "[1-9][0-9]{0,20}", decimals in "(\\.[0-9]{1,5})?") {
        let number = format!("{whole}{decimals}");
        let shown = render("{n|formatCommaDot}", &[("n", &number)]);
        prop_assert_eq!(shown.replace(',', ""), number.clone());
        let other = render("{n|formatDotComma}", &[("n", &number)]);
        let swapped: String =
            other.chars().map(|c| match c { '.' => ',', ',' => '.', c => c }).collect();
        prop_assert_eq!(swapped, shown);
    }

    #[test]
    fn whoever_splits_a_value_is_told(before in 0_usize..400, value in "[a-z]{1,30}") {
        let text = format!("{}{{a}}", "x".repeat(before));
        let whole = before / 160 == (before + value.len() - 1) / 160;
        let fitted = render_as(SPLIT, &text, &[("a", &value)]);
        prop_assert_eq!(fitted.is_ok(), whole);
    }
}

#[test]
fn a_chain_of_filters_has_an_end_and_an_unknown_one_is_named_in_short() {
    let chain = |n: usize| format!("{{a{}}}", "|upper".repeat(n));
    assert!(Template::parse(&chain(16)).is_ok());
    assert_eq!(Template::parse(&chain(17)).err(), Some(TemplateError::TooManyFilters));
    let long = format!("{{a|{}}}", "x".repeat(10_000));
    let Err(TemplateError::UnknownFilter(named)) = Template::parse(&long) else {
        panic!("it is unknown")
    };
    assert!(named.len() < 100, "{}", named.len());
}
