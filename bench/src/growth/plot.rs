//! Draws how rates and CPU time follow the number of messages stored: two panels, one above the
//! other, as SVG that reads on light and on dark.

use std::fmt::Write;

use crate::table::grouped;

/// What was measured at a mark: with many recipients a request, and with one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) stored: u64,
    /// Callbacks a second.
    pub(super) rates: [f64; 2],
    /// CPU milliseconds a message.
    pub(super) cpu_ms: [f64; 2],
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 520.0;
/// Edges of a panel.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 600.0;
const PANEL: f64 = 170.0;
const TOPS: [f64; 2] = [40.0, 280.0];
/// Where an empty store stands, which a logarithmic axis has no place for.
const EMPTY: f64 = LEFT + 25.0;
/// Where the axis of the others begins, and the power of ten that stands there.
const FIRST: f64 = LEFT + 80.0;
const FIRST_POWER: f64 = 4.0;
/// The least number of decades that are shown.
const DECADES_MIN: f64 = 1.0;
const NAMES: [&str; 2] = ["500 a request", "one a request"];

const STYLE: &str = "text{font:12px sans-serif;fill:#444}.axis{stroke:#999;stroke-width:1}\
    .grid{stroke:#999;stroke-width:.3}.s0{stroke:#1f6feb;fill:none;stroke-width:2}\
    .s1{stroke:#d1660a;fill:none;stroke-width:2}.d0{fill:#1f6feb}.d1{fill:#d1660a}\
    @media(prefers-color-scheme:dark){text{fill:#bbb}.axis,.grid{stroke:#777}}";

/// The whole drawing.
pub(super) fn svg(points: &[Point]) -> String {
    let mut drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Rates and CPU time by messages stored\">\n<style>{STYLE}</style>\n"
    );
    let decades = points.iter().map(|point| decades(point.stored)).fold(DECADES_MIN, f64::max);
    let rates = Panel { top: TOPS[0], title: "callbacks a second", digits: 0 };
    rates.draw(&mut drawing, decades, points, |point| point.rates);
    let cpu = Panel { top: TOPS[1], title: "CPU ms a message", digits: 2 };
    cpu.draw(&mut drawing, decades, points, |point| point.cpu_ms);
    text(&mut drawing, (f64::midpoint(LEFT, RIGHT), HEIGHT - 20.0), "middle", "messages stored");
    drawing.push_str("</svg>\n");
    drawing
}

/// One of the two.
struct Panel {
    top: f64,
    title: &'static str,
    /// Behind the point, at its axis.
    digits: usize,
}

impl Panel {
    fn draw(
        &self,
        drawing: &mut String,
        decades: f64,
        points: &[Point],
        of: impl Fn(&Point) -> [f64; 2],
    ) {
        let bottom = self.top + PANEL;
        let highest = points.iter().flat_map(&of).fold(0.0, f64::max);
        let step = step(highest);
        let top_value = (highest / step).ceil().max(1.0) * step;
        let y = |value: f64| bottom - value / top_value * PANEL;
        text(drawing, (LEFT, self.top - 12.0), "start", self.title);
        let mut value = 0.0;
        while value <= top_value * 1.001 {
            let class = if value > 0.0 { "grid" } else { "axis" };
            line(drawing, class, (LEFT, y(value)), (RIGHT, y(value)));
            let label = grouped(value, self.digits);
            text(drawing, (LEFT - 8.0, y(value) + 4.0), "end", &label);
            value += step;
        }
        text(drawing, (EMPTY, bottom + 18.0), "middle", "empty");
        for decade in 0..=8 {
            let decade = f64::from(decade);
            if decade <= decades {
                let x = FIRST + decade / decades * (RIGHT - FIRST);
                line(drawing, "axis", (x, bottom), (x, bottom + 4.0));
                let label = grouped(10_f64.powf(FIRST_POWER + decade), 0);
                text(drawing, (x, bottom + 18.0), "middle", &label);
            }
        }
        for (series, name) in NAMES.iter().enumerate() {
            let mut path = String::new();
            let mut end = (RIGHT, bottom);
            for point in points {
                let value = of(point)[series];
                let at = (x(point.stored, decades), y(value));
                // An empty store is measured twice, and is on no line.
                if point.stored > 0 {
                    let verb = if path.is_empty() { 'M' } else { 'L' };
                    put(&mut path, format_args!("{verb}{:.1} {:.1}", at.0, at.1));
                    end = at;
                }
                let stored = super::count(point.stored);
                let shown = grouped(value, if self.digits > 0 { 3 } else { 0 });
                put(
                    drawing,
                    format_args!(
                        "<circle class=\"d{series}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\">\
                     <title>{stored} stored: {shown}</title></circle>\n",
                        at.0, at.1
                    ),
                );
            }
            put(drawing, format_args!("<path class=\"s{series}\" d=\"{path}\"/>\n"));
            text(drawing, (end.0 + 10.0, end.1 + 4.0), "start", name);
        }
    }
}

/// Where so many messages stand on the axis.
fn x(stored: u64, decades_shown: f64) -> f64 {
    if stored == 0 {
        return EMPTY;
    }
    FIRST + decades(stored) / decades_shown * (RIGHT - FIRST)
}

/// From where the axis begins.
fn decades(stored: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a place on a drawing")]
    let stored = stored.max(1) as f64;
    (stored.log10() - FIRST_POWER).max(0.0)
}

/// Between two lines of a grid of four or five: 1, 2 or 5, times a power of ten.
fn step(highest: f64) -> f64 {
    let rough = (highest / 5.0).max(1e-6);
    let power = 10_f64.powf(rough.log10().floor());
    let found = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * power >= rough);
    found.unwrap_or(10.0) * power
}

fn line(drawing: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    put(
        drawing,
        format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\n",
            from.0, from.1, to.0, to.1
        ),
    );
}

fn text(drawing: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    put(
        drawing,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n"),
    );
}

fn put(drawing: &mut String, what: std::fmt::Arguments<'_>) {
    // Text takes whatever is written to it.
    let _ = drawing.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_round_numbers() {
        for (highest, expected) in [(45_000.0, 10_000.0), (0.063, 0.02), (9.0, 2.0), (5.0, 1.0)] {
            assert!((step(highest) / expected - 1.0).abs() < 1e-9, "{highest}: {}", step(highest));
        }
    }

    #[test]
    fn decades_have_the_same_width_and_an_empty_store_stands_before_them() {
        let at = |stored| x(stored, 3.0);
        assert!((at(100_000) - at(10_000) - (at(1_000_000) - at(100_000))).abs() < 1e-9);
        assert!(at(0) < at(10_000));
        assert!((at(10_000_000) - RIGHT).abs() < 1e-9);
    }

    #[test]
    fn more_is_drawn_higher() {
        let of = |stored, rate| Point { stored, rates: [rate; 2], cpu_ms: [0.01; 2] };
        let drawing = svg(&[of(0, 50.0), of(10_000, 40.0), of(1_000_000, 20.0)]);
        let path = drawing.lines().find(|line| line.contains("class=\"s0\"")).expect("a line");
        let ys: Vec<f64> = path
            .split(['M', 'L', '"'])
            .filter_map(|pair| pair.split_once(' ')?.1.parse().ok())
            .collect();
        assert!(ys.len() == 2 && ys[0] < ys[1], "{path}");
        assert_eq!(drawing.matches("<circle").count(), 12);
    }
}
