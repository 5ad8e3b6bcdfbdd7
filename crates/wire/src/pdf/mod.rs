//! A paper as PDF/A-3b (ISO 19005-3): rows of text on A4 pages, with one file attached.
//!
//! Everything that a reader needs is inside: a part of one font, and colours that need no device's
//! profile. The same paper gives the same bytes. A character that the font lacks, or that nobody
//! would see, is written as its number: `[U+1F680]`.

mod font;
mod page;

use pdf_writer::types::{AssociationKind, CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Finish, Name, Pdf, Rect, Ref, Str, TextStr};

pub use font::FontFailed;
use font::{Font, Used};
use page::{FONT, GREY, PAGE, Pages};

/// What is written.
#[derive(Debug)]
pub struct Paper<'a> {
    /// Its title.
    pub title: &'a str,
    /// Who issues it.
    pub author: &'a str,
    /// The language it is in, as in `en`.
    pub language: &'a str,
    /// The time it bears: `2026-03-24T12:00:00Z`.
    pub date: &'a str,
    /// No other paper has it.
    pub id: [u8; 32],
    /// What stands in it, from top to bottom.
    pub blocks: Vec<Block>,
    /// What stands below each page, left of its number.
    pub footer: &'a str,
    /// The file in it.
    pub attached: Attached<'a>,
}

/// Something that stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Large.
    Title(String),
    /// Begins a section.
    Heading(String),
    /// Over the whole width.
    Text(String),
    /// What something is called, and what it is.
    Row(String, String),
}

/// A file inside the paper.
#[derive(Debug, Clone, Copy)]
pub struct Attached<'a> {
    /// Its name: letters, digits, `.`, `-` and `_`.
    pub name: &'a str,
    /// What is in it.
    pub about: &'a str,
    /// Its kind, as in `application/json`.
    pub mime: &'a str,
    /// Its octets.
    pub content: &'a [u8],
}

const CATALOG: Ref = Ref::new(1);
const TREE: Ref = Ref::new(2);
const TYPE0: Ref = Ref::new(3);
const CID: Ref = Ref::new(4);
const DESCRIPTOR: Ref = Ref::new(5);
const FONT_FILE: Ref = Ref::new(6);
const TO_UNICODE: Ref = Ref::new(7);
const XMP: Ref = Ref::new(8);
const FILE_SPEC: Ref = Ref::new(9);
const FILE: Ref = Ref::new(10);
/// The first page and its content; the others follow.
const FIRST_PAGE: i32 = 11;

const SYSTEM: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// Writes it.
pub fn write(paper: &Paper<'_>) -> Result<Vec<u8>, FontFailed> {
    let font = Font::load()?;
    let mut used = Used::default();
    let mut pages = Pages::new(&font, &mut used);
    for block in &paper.blocks {
        pages.add(block);
    }
    let contents = pages.finish(paper.footer);
    let mut pdf = Pdf::new();
    pdf.set_version(1, 7);
    pdf.set_file_id((paper.id.to_vec(), paper.id.to_vec()));
    catalog(&mut pdf, paper);
    write_pages(&mut pdf, &contents);
    write_font(&mut pdf, &font, &used)?;
    pdf.metadata(XMP, xmp(paper).as_bytes());
    attach(&mut pdf, paper);
    Ok(pdf.finish())
}

fn catalog(pdf: &mut Pdf, paper: &Paper<'_>) {
    let mut catalog = pdf.catalog(CATALOG);
    catalog.pages(TREE).metadata(XMP).lang(TextStr(paper.language));
    catalog.viewer_preferences().display_doc_title(true);
    catalog.names().embedded_files().names().insert(Str(paper.attached.name.as_bytes()), FILE_SPEC);
    catalog.insert(Name(b"AF")).array().item(FILE_SPEC);
}

fn write_pages(pdf: &mut Pdf, contents: &[Vec<u8>]) {
    let ids = || (FIRST_PAGE..).step_by(2).map(|n| (Ref::new(n), Ref::new(n + 1)));
    let kids = ids().take(contents.len()).map(|(page, _)| page);
    pdf.pages(TREE).kids(kids).count(i32::try_from(contents.len()).unwrap_or(i32::MAX));
    for ((id, content_id), content) in ids().zip(contents) {
        let mut page = pdf.page(id);
        page.media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).parent(TREE).contents(content_id);
        let mut resources = page.resources();
        resources.fonts().pair(FONT, TYPE0);
        resources
            .color_spaces()
            .insert(GREY)
            .start::<pdf_writer::writers::ColorSpace<'_>>()
            .d65_gray();
        resources.finish();
        page.finish();
        pdf.stream(content_id, content);
    }
}

fn write_font(pdf: &mut Pdf, font: &Font, used: &Used) -> Result<(), FontFailed> {
    let file = used.subset()?;
    let name = Name(b"POMBOA+DejaVuSans");
    pdf.type0_font(TYPE0)
        .base_font(name)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(CID)
        .to_unicode(TO_UNICODE);
    let mut cid = pdf.cid_font(CID);
    cid.subtype(CidFontType::Type2).base_font(name).system_info(SYSTEM);
    cid.font_descriptor(DESCRIPTOR).default_width(0.0);
    cid.cid_to_gid_map_predefined(Name(b"Identity"));
    cid.widths().consecutive(0, used.widths(font));
    cid.finish();
    let measures = font.measures();
    pdf.font_descriptor(DESCRIPTOR)
        .name(name)
        .flags(FontFlags::SYMBOLIC)
        .bbox(Rect::new(measures.bbox[0], measures.bbox[1], measures.bbox[2], measures.bbox[3]))
        .italic_angle(0.0)
        .ascent(measures.ascent)
        .descent(measures.descent)
        .cap_height(measures.cap_height)
        .stem_v(80.0)
        .font_file2(FONT_FILE);
    pdf.stream(FONT_FILE, &file)
        .pair(Name(b"Length1"), i32::try_from(file.len()).unwrap_or(i32::MAX));
    let mut to_unicode = UnicodeCmap::<u16>::new(Name(b"Pombo-UCS"), SYSTEM);
    for (glyph, character) in used.characters() {
        to_unicode.pair(glyph, character);
    }
    let to_unicode = to_unicode.finish();
    pdf.cmap(TO_UNICODE, to_unicode.as_slice()).name(Name(b"Pombo-UCS")).system_info(SYSTEM);
    Ok(())
}

fn attach(pdf: &mut Pdf, paper: &Paper<'_>) {
    let Attached { name, about, mime, content } = paper.attached;
    let mut spec = pdf.file_spec(FILE_SPEC);
    spec.path(Str(name.as_bytes())).unic_file(TextStr(name)).description(TextStr(about));
    spec.association_kind(AssociationKind::Data).embedded_file_with_unicode(FILE);
    spec.finish();
    let digits: String = paper.date.chars().take(19).filter(char::is_ascii_digit).collect();
    let date = format!("D:{digits}Z");
    let mut file = pdf.embedded_file(FILE, content);
    file.subtype(Name(mime.as_bytes()));
    let mut params = file.params();
    params.size(i32::try_from(content.len()).unwrap_or(i32::MAX));
    params.pair(Name(b"ModDate"), Str(date.as_bytes()));
}

/// What programs read of the paper (ISO 16684).
fn xmp(paper: &Paper<'_>) -> String {
    let [title, author, language] = [paper.title, paper.author, paper.language].map(escaped);
    let date = escaped(paper.date);
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n\
         <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" \
         xmlns:pdfaid=\"http://www.aiim.org/pdfa/ns/id/\">\n\
         <pdfaid:part>3</pdfaid:part>\n\
         <pdfaid:conformance>B</pdfaid:conformance>\n\
         <dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">{title}</rdf:li></rdf:Alt></dc:title>\n\
         <dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>\n\
         <dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>\n\
         <xmp:CreateDate>{date}</xmp:CreateDate>\n\
         <xmp:ModifyDate>{date}</xmp:ModifyDate>\n\
         </rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"r\"?>"
    )
}

/// As XML has it; what no XML may hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            character if character.is_control() => {}
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(blocks: Vec<Block>) -> Vec<u8> {
        let attached = Attached {
            name: "evidence.json",
            about: "The evidence",
            mime: "application/json",
            content: b"{}",
        };
        let paper = Paper {
            title: "A <paper> & more\u{1}",
            author: "pombo",
            language: "en",
            date: "2026-03-24T12:00:00Z",
            id: [7; 32],
            blocks,
            footer: "Below",
            attached,
        };
        write(&paper).expect("it can be written")
    }

    fn has(pdf: &[u8], text: &str) -> bool {
        pdf.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn a_paper_says_that_it_is_pdf_a_3b_and_names_its_file() {
        let pdf = paper(vec![Block::Title("Certificate".into())]);
        assert!(pdf.starts_with(b"%PDF-1.7\n%"));
        for text in [
            "<pdfaid:part>3</pdfaid:part>",
            "<pdfaid:conformance>B</pdfaid:conformance>",
            "A &lt;paper&gt; &amp; more<",
            "/AFRelationship /Data",
            "/Subtype /application#2Fjson",
            "D:20260324120000Z",
            "/CalGray",
        ] {
            assert!(has(&pdf, text), "{text}");
        }
        for text in ["/DeviceRGB", "/DeviceGray", "/Encrypt", "/JavaScript"] {
            assert!(!has(&pdf, text), "{text}");
        }
    }

    #[test]
    fn the_same_paper_gives_the_same_bytes() {
        let blocks = || vec![Block::Row("Text".into(), "Olá, \u{1f680} e ação".into())];
        assert_eq!(paper(blocks()), paper(blocks()));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

        #[test]
        fn whatever_a_text_holds_it_can_be_written(text in proptest::prelude::any::<String>()) {
            let pdf = paper(vec![Block::Title(text.clone()), Block::Row(text.clone(), text)]);
            proptest::prop_assert!(pdf.ends_with(b"%%EOF"));
        }
    }

    #[test]
    fn a_long_paper_has_many_pages() {
        let rows = (0..400).map(|i| Block::Row(format!("Row {i}"), "x ".repeat(90)));
        let pdf = paper(rows.collect());
        let count = pdf.windows(11).filter(|w| *w == b"/Type /Page").count();
        assert!(count > 10, "{count}");
    }
}
