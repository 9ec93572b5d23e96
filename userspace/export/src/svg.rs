//! The few elements of SVG that our own pictures are made of.
//!
//! Numbers are ours; every text goes through [`Svg::text`] or [`Svg::title`], which
//! make it one visible line and escape it.

use std::fmt::{Display, Write};

use quick_xml::escape::escape;

use crate::text::drawn;

/// Width of a character in units of its height, of the usual monospace fonts.
pub(crate) const FONT_WIDTH: f64 = 0.6;
/// Height of what is written in rows and legends.
pub(crate) const FONT_PX: f64 = 11.0;

/// What the flame graphs look like too.
const STYLE: &str = "text{font-family:monospace;font-size:11px;fill:#111}\
    .title{font-size:17px;text-anchor:middle}\
    .subtitle{font-size:12px;text-anchor:middle;fill:#555}\
    .end{text-anchor:end}.middle{text-anchor:middle}.faint{fill:#555}\
    .on{pointer-events:none}\
    .halo{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}\
    .bars rect:hover,.bars path:hover{stroke:#000;stroke-width:1}";

/// A picture while it is written.
#[derive(Debug)]
pub(crate) struct Svg {
    text: String,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// An upright rectangle, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Svg {
    /// Begins a picture of a size, white as paper.
    pub(crate) fn new(width_px: f64, height_px: f64, defs: &str) -> Svg {
        let (width, height) = (px(width_px), px(height_px));
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <style>{STYLE}</style>\n<defs>{defs}</defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        Svg { text }
    }

    /// The whole, ended.
    pub(crate) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    /// Begins a group; `attributes` are ours.
    pub(crate) fn open(&mut self, attributes: impl Display) {
        let _ = writeln!(self.text, "<g {attributes}>");
    }

    /// Ends a group.
    pub(crate) fn close(&mut self) {
        self.text.push_str("</g>\n");
    }

    /// A rectangle with what is known of it.
    pub(crate) fn rect(&mut self, rect: Rect, attributes: impl Display, title: &[String]) {
        let Rect {
            x,
            y,
            width,
            height,
        } = rect;
        let _ = write!(
            self.text,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {attributes}",
            px(x),
            px(y),
            px(width),
            px(height)
        );
        self.end("rect", title);
    }

    /// A path; `data` is ours.
    pub(crate) fn path(&mut self, data: &str, attributes: impl Display, title: &[String]) {
        let _ = write!(self.text, "<path d=\"{data}\" {attributes}");
        self.end("path", title);
    }

    /// A text, of the target or ours.
    pub(crate) fn text(&mut self, at: At, class: &str, text: &str) {
        self.titled(at, class, text, &[]);
    }

    /// A text with what is known of it.
    pub(crate) fn titled(&mut self, at: At, class: &str, text: &str, title: &[String]) {
        let _ = write!(self.text, "<text x=\"{}\" y=\"{}\"", px(at.x), px(at.y));
        if !class.is_empty() {
            let _ = write!(self.text, " class=\"{class}\"");
        }
        self.text.push('>');
        self.title(title);
        let _ = writeln!(self.text, "{}</text>", escape(drawn(text)));
    }

    fn end(&mut self, element: &str, title: &[String]) {
        if title.is_empty() {
            self.text.push_str("/>\n");
        } else {
            self.text.push('>');
            self.title(title);
            let _ = writeln!(self.text, "</{element}>");
        }
    }

    /// What a browser shows when the pointer rests on it, a line each.
    fn title(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.text.push_str("<title>");
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                self.text.push('\n');
            }
            let _ = write!(self.text, "{}", escape(drawn(line)));
        }
        self.text.push_str("</title>");
    }
}

/// A length with as many digits as can be seen.
pub(crate) fn px(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "" | "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// As much of a text as fits into a width.
pub(crate) fn fitted(text: &str, width_px: f64) -> String {
    let fit = (width_px / (FONT_PX * FONT_WIDTH)).max(0.0) as usize;
    let text = drawn(text);
    if text.chars().count() <= fit {
        return text;
    }
    match fit {
        0..3 => String::new(),
        _ => text.chars().take(fit - 1).chain("…".chars()).collect(),
    }
}

/// How wide a text is.
pub(crate) fn width_px(text: &str) -> f64 {
    text.chars().count() as f64 * FONT_PX * FONT_WIDTH
}

#[cfg(test)]
mod tests {
    use super::{fitted, px};

    #[test]
    fn lengths_are_short() {
        assert_eq!(px(12.0), "12");
        assert_eq!(px(-0.001), "0");
        assert_eq!(px(1.256), "1.26");
    }

    #[test]
    fn texts_are_cut_where_the_room_ends() {
        assert_eq!(fitted("abcdef", 100.0), "abcdef");
        assert_eq!(fitted("abcdef", 27.0), "abc…");
        assert_eq!(fitted("abcdef", 10.0), "");
    }
}
