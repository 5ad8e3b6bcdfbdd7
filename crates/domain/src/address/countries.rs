//! What countries are called, and the mobile country code of their networks (data/countries.tsv).

use super::Country;

const TABLE: &str = include_str!("../../data/countries.tsv");

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountryRow {
    /// Its two letters.
    pub country: Country,
    /// The mobile country code of most of its networks (ITU-T E.212).
    pub mcc: u16,
    /// Its usual English name.
    pub name: &'static str,
}

/// All countries that have telephone numbers, in the order of their letters.
pub fn countries() -> impl Iterator<Item = CountryRow> {
    TABLE.lines().filter_map(|line| {
        let mut cells = line.split('\t');
        let country = Country::parse(cells.next()?)?;
        let mcc = cells.next()?.parse().ok()?;
        Some(CountryRow { country, mcc, name: cells.next()? })
    })
}

impl Country {
    /// Its line of the table; `None` for letters that no country has.
    #[must_use]
    pub fn row(self) -> Option<CountryRow> {
        countries().find(|row| row.country == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_country_and_they_are_in_order() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count() - 1;
        let rows: Vec<CountryRow> = countries().collect();
        assert_eq!(rows.len(), lines);
        assert!(rows.windows(2).all(|pair| pair[0].country < pair[1].country));
        assert!(rows.iter().all(|row| (200..800).contains(&row.mcc) || row.mcc == 995));
    }

    #[test]
    fn countries_are_called_as_the_api_document_calls_them() {
        for (letters, mcc, name) in [("AD", 213, "Andorra"), ("AE", 424, "United Arab Emirates")] {
            let row = Country::parse(letters).and_then(Country::row).expect(letters);
            assert_eq!((row.mcc, row.name), (mcc, name));
        }
        assert_eq!(Country::parse("QQ").and_then(Country::row), None);
    }
}
