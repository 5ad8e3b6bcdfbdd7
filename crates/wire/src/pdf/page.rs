//! Text on pages: lines cut to their width, from top to bottom, page after page.

use pdf_writer::{Content, Name, Str};

use super::Block;
use super::font::{Font, Used};

/// A4, in points.
pub(super) const PAGE: (f32, f32) = (595.28, 841.89);
/// The font's name in a page's resources.
pub(super) const FONT: Name<'static> = Name(b"F");
/// The name of the colours.
pub(super) const GREY: Name<'static> = Name(b"G");

const MARGIN: f32 = 56.0;
/// Where the values of rows begin.
const VALUES: f32 = MARGIN + 132.0;
const TITLE_SIZE: f32 = 17.0;
const HEADING_SIZE: f32 = 11.0;
/// Of this size the hash of a link fits on one line.
const TEXT_SIZE: f32 = 8.5;
const FOOTER_SIZE: f32 = 6.5;
/// The distance of lines, in sizes.
const LEADING: f32 = 1.35;

const BLACK: f32 = 0.0;
const DIM: f32 = 0.35;

/// Pages that are being filled.
pub(super) struct Pages<'a> {
    font: &'a Font,
    used: &'a mut Used,
    done: Vec<Content>,
    page: Content,
    /// The top of what is free.
    y: f32,
}

impl<'a> Pages<'a> {
    pub(super) fn new(font: &'a Font, used: &'a mut Used) -> Self {
        Self { font, used, done: Vec::new(), page: blank(), y: PAGE.1 - MARGIN }
    }

    pub(super) fn add(&mut self, block: &Block) {
        match block {
            Block::Title(text) => {
                self.lines((MARGIN, TITLE_SIZE, BLACK), text);
                self.y -= TEXT_SIZE;
            }
            Block::Heading(text) => {
                self.y -= HEADING_SIZE;
                // Never alone at the end of a page.
                self.make_room(3.0 * HEADING_SIZE * LEADING);
                self.lines((MARGIN, HEADING_SIZE, BLACK), text);
                self.y -= 2.0;
            }
            Block::Text(text) => {
                self.lines((MARGIN, TEXT_SIZE, BLACK), text);
                self.y -= 3.0;
            }
            Block::Row(name, value) => {
                let width = VALUES - MARGIN - 8.0;
                let name = cut(self.font, name, TEXT_SIZE, width);
                self.make_room(lines_high(name.len()));
                for (n, line) in (0_u8..).zip(&name) {
                    let y = self.y - TEXT_SIZE - f32::from(n) * TEXT_SIZE * LEADING;
                    self.show(line, (MARGIN, y), (TEXT_SIZE, DIM));
                }
                let below = (self.done.len(), self.y - lines_high(name.len()));
                self.lines((VALUES, TEXT_SIZE, BLACK), value);
                if below.0 == self.done.len() {
                    self.y = self.y.min(below.1);
                }
                self.y -= 2.0;
            }
        }
    }

    /// The pages' contents, each with its number.
    pub(super) fn finish(mut self, footer: &str) -> Vec<Vec<u8>> {
        let last = std::mem::replace(&mut self.page, blank());
        self.done.push(last);
        let pages = std::mem::take(&mut self.done);
        let n_pages = pages.len();
        let mut finished = Vec::with_capacity(n_pages);
        for (i, page) in pages.into_iter().enumerate() {
            self.page = page;
            let y = MARGIN / 2.0;
            self.show(footer, (MARGIN, y), (FOOTER_SIZE, DIM));
            let number = format!("{}/{n_pages}", i + 1);
            let x = PAGE.0 - MARGIN - width_of(self.font, &number, FOOTER_SIZE);
            self.show(&number, (x, y), (FOOTER_SIZE, DIM));
            let page = std::mem::replace(&mut self.page, blank());
            finished.push(page.finish().to_vec());
        }
        finished
    }

    /// Lines of text from a left edge to the right margin.
    fn lines(&mut self, (x, size, grey): (f32, f32, f32), text: &str) {
        for line in cut(self.font, text, size, PAGE.0 - MARGIN - x) {
            self.make_room(size * LEADING);
            self.show(&line, (x, self.y - size), (size, grey));
            self.y -= size * LEADING;
        }
    }

    /// Begins a page where this one has no such room.
    fn make_room(&mut self, height: f32) {
        if self.y - height < MARGIN {
            self.done.push(std::mem::replace(&mut self.page, blank()));
            self.y = PAGE.1 - MARGIN;
        }
    }

    fn show(&mut self, line: &str, (x, y): (f32, f32), (size, grey): (f32, f32)) {
        let mut glyphs = Vec::with_capacity(line.len() * 2);
        for character in line.chars() {
            if let Some(glyph) = self.font.glyph(character) {
                glyphs.extend(self.used.number(glyph, character).to_be_bytes());
            }
        }
        self.page
            .set_fill_color([grey])
            .begin_text()
            .set_font(FONT, size)
            .set_text_matrix([1.0, 0.0, 0.0, 1.0, x, y])
            .show(Str(&glyphs))
            .end_text();
    }
}

fn blank() -> Content {
    let mut page = Content::new();
    page.set_fill_color_space(GREY);
    page
}

fn lines_high(n: usize) -> f32 {
    f32::from(u16::try_from(n).unwrap_or(u16::MAX)) * TEXT_SIZE * LEADING
}

fn width_of(font: &Font, text: &str, size: f32) -> f32 {
    let glyphs = text.chars().filter_map(|character| font.glyph(character));
    glyphs.map(|glyph| font.width(glyph)).sum::<f32>() * size / 1_000.0
}

/// The text with every character that would not be seen written as its number. Line ends stay.
fn seen(font: &Font, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = text.replace("\r\n", "\n");
    for character in text.chars() {
        if character == '\n' || font.glyph(character).is_some() {
            out.push(character);
        } else {
            out.push_str(&format!("[U+{:04X}]", u32::from(character)));
        }
    }
    out
}

/// The lines of a text: between words where it can be, else between characters.
fn cut(font: &Font, text: &str, size: f32, width: f32) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in seen(font, text).split('\n') {
        let mut line = String::new();
        let mut used = 0.0;
        for word in paragraph.split_inclusive(' ') {
            let wide = width_of(font, word, size);
            if used + width_of(font, word.trim_end(), size) > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            if wide <= width {
                line.push_str(word);
                used += wide;
                continue;
            }
            for character in word.chars() {
                let wide = width_of(font, character.encode_utf8(&mut [0; 4]), size);
                if used + wide > width && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(character);
                used += wide;
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str, width: f32) -> Vec<String> {
        cut(&Font::load().expect("it can be read"), text, 10.0, width)
    }

    #[test]
    fn lines_end_between_words_and_lose_nothing() {
        let text = "The quick brown fox jumps over the lazy dog";
        let cut = lines(text, 80.0);
        assert!(cut.len() > 2, "{cut:?}");
        assert_eq!(cut.concat(), text);
        assert!(cut.iter().all(|line| !line.starts_with(' ')), "{cut:?}");
    }

    #[test]
    fn a_word_that_fits_no_line_is_cut_anywhere() {
        let cut = lines(&"0".repeat(100), 60.0);
        assert!(cut.iter().all(|line| line.len() <= 9), "{cut:?}");
        assert_eq!(cut.concat().len(), 100);
        assert_eq!(lines("W", 1.0), ["W"], "one character stands, however narrow it is");
    }

    #[test]
    fn line_ends_stay_and_what_nobody_sees_is_numbered() {
        assert_eq!(lines("a\nb\r\n\nc", 100.0), ["a", "b", "", "c"]);
        assert_eq!(lines("\u{1f680}\u{200b}\t", 300.0), ["[U+1F680][U+200B][U+0009]"]);
        assert_eq!(lines("", 100.0), [""]);
    }

    proptest! {
        #[test]
        fn whatever_a_text_holds_its_lines_are_narrow_and_have_all_of_it(text in any::<String>()) {
            let font = Font::load().expect("it can be read");
            let cut = cut(&font, &text, 10.0, 120.0);
            prop_assert_eq!(cut.concat(), seen(&font, &text).replace('\n', ""));
            for line in cut {
                prop_assert!(width_of(&font, line.trim_end(), 10.0) <= 120.0 + 0.1, "{}", line);
            }
        }
    }
}
