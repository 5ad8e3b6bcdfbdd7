//! The one font: what it has, how wide that is, and the part of it that a paper needs.

use std::collections::BTreeMap;

use subsetter::GlyphRemapper;
use ttf_parser::{Face, GlyphId};

/// DejaVu Sans 2.37; its licence lies beside it.
static DATA: &[u8] = include_bytes!("../../data/DejaVuSans.ttf");

/// The font cannot be read: the program was built wrong.
#[derive(Debug, thiserror::Error)]
#[error("the built-in font cannot be read: {0}")]
pub struct FontFailed(String);

/// The whole font.
pub(super) struct Font {
    face: Face<'static>,
    /// Thousandths of an em in one of its units.
    scale: f32,
}

/// In thousandths of an em.
pub(super) struct Measures {
    pub(super) bbox: [f32; 4],
    pub(super) ascent: f32,
    pub(super) descent: f32,
    pub(super) cap_height: f32,
}

impl Font {
    pub(super) fn load() -> Result<Self, FontFailed> {
        let face = Face::parse(DATA, 0).map_err(|e| FontFailed(e.to_string()))?;
        let scale = 1_000.0 / f32::from(face.units_per_em());
        Ok(Self { face, scale })
    }

    /// The glyph of a character that shows.
    pub(super) fn glyph(&self, character: char) -> Option<u16> {
        if character.is_control() || is_hidden(character) {
            return None;
        }
        self.face.glyph_index(character).map(|glyph| glyph.0).filter(|glyph| *glyph != 0)
    }

    /// How wide a glyph is, in thousandths of an em.
    pub(super) fn width(&self, glyph: u16) -> f32 {
        let units = self.face.glyph_hor_advance(GlyphId(glyph)).unwrap_or(0);
        f32::from(units) * self.scale
    }

    pub(super) fn measures(&self) -> Measures {
        let bbox = self.face.global_bounding_box();
        let scaled = |units: i16| f32::from(units) * self.scale;
        Measures {
            bbox: [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max].map(scaled),
            ascent: scaled(self.face.ascender()),
            descent: scaled(self.face.descender()),
            cap_height: scaled(self.face.capital_height().unwrap_or(self.face.ascender())),
        }
    }
}

/// Whether a character only says how others are shown, or takes no room: nobody would see it.
const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The glyphs that a paper uses, numbered anew in the order of their first use.
#[derive(Default)]
pub(super) struct Used {
    glyphs: GlyphRemapper,
    /// What each new number stands for.
    characters: BTreeMap<u16, char>,
}

impl Used {
    /// The new number of a glyph.
    pub(super) fn number(&mut self, glyph: u16, character: char) -> u16 {
        let number = self.glyphs.remap(glyph);
        self.characters.entry(number).or_insert(character);
        number
    }

    /// New numbers with their characters.
    pub(super) fn characters(&self) -> impl Iterator<Item = (u16, char)> + '_ {
        self.characters.iter().map(|(number, character)| (*number, *character))
    }

    /// The widths of all numbers, from 0 on.
    pub(super) fn widths<'f>(&'f self, font: &'f Font) -> impl Iterator<Item = f32> + 'f {
        self.glyphs.remapped_gids().map(|glyph| font.width(glyph))
    }

    /// A font with these glyphs alone.
    pub(super) fn subset(&self) -> Result<Vec<u8>, FontFailed> {
        subsetter::subset(DATA, 0, &self.glyphs).map_err(|e| FontFailed(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_the_letters_of_many_languages_and_hides_nothing() {
        let font = Font::load().expect("it can be read");
        for character in "aZ0 áçãÑßœ€ŁżАяΩλאبԱა¿…–“”@£$&%\u{a0}".chars()
        {
            assert!(font.glyph(character).is_some(), "{character:?}");
        }
        for character in ['\n', '\u{0}', '\u{200b}', '\u{202e}', '\u{ad}', '漢', '\u{1f680}'] {
            assert!(font.glyph(character).is_none(), "{character:?}");
        }
    }
}
