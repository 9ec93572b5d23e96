//! Turns inferno's picture of numbers into one of names.
//!
//! The layout is read as XML and copied, except for
//!
//! * heights and positions, which make room for the legend;
//! * each group below `#frames`: a title, a rectangle and a text. All three are
//!   written anew from the frame whose rank the title holds.
//!
//! The script derives a frame's text from its title, by cutting off the last
//! parenthesis. Hence the one rule for titles: no `(` after the one that opens it.

use std::io::Write;

use escope_profile::{FrameClass, Measure, StackFrame};
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesCData, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};

use super::{FONT_PX, FONT_WIDTH, legend, palette};
use crate::ExportError;
use crate::text::{drawn, duration, thousands};

/// Where the legend's text stands: inferno puts the subtitle at four lines' height.
const LEGEND_BASELINE_PX: usize = FONT_PX * 4 + 24;

/// Rounded corners, and a thin light edge that tells neighbours apart.
const STYLE: &str = "\n#frames rect { rx:1.5px; }\n\
    text { fill:#111; }\n\
    #subtitle { fill:#555; }\n\
    #search { opacity:0.6; }\n\
    #details, #matched { fill:#333; }\n";

/// The script's narrowest frame with a text, and ours: two dots say nothing.
pub(super) const NARROWEST: &str = "w < 2 * known_font_width";
pub(super) const NARROWEST_HERE: &str = "w < 4 * known_font_width";

/// What the layout needs to become a picture.
pub(super) struct Paint<'a> {
    /// Frames by the ranks that the layout was made of.
    pub(super) frames: Vec<&'a StackFrame>,
    pub(super) measure: Measure,
    /// The whole width, in the measure.
    pub(super) total: u64,
    pub(super) width_px: usize,
    pub(super) legend: Vec<legend::Item>,
}

/// One frame of the layout, while it is read.
#[derive(Default)]
struct Drawn {
    title: String,
    rect: Option<BytesStart<'static>>,
    text: Option<BytesStart<'static>>,
}

impl Paint<'_> {
    /// Copies `layout` to `out` with names, colours and a legend.
    pub(super) fn write(&self, layout: &[u8], out: &mut impl Write) -> Result<(), ExportError> {
        let mut reader = Reader::from_reader(layout);
        let mut writer = Writer::new(out);
        let mut frame: Option<Drawn> = None;
        let mut in_frames = false;
        let mut seen_background = false;
        loop {
            let event = reader.read_event()?;
            if in_frames {
                if let Event::End(end) = &event
                    && frame.is_none()
                {
                    debug_assert_eq!(end.name().as_ref(), b"svg");
                    in_frames = false;
                } else {
                    self.frame_event(&event, &mut frame, &mut writer)?;
                    continue;
                }
            }
            match event {
                Event::Eof => break,
                Event::Start(start) if has(&start, "id", "frames")? => {
                    in_frames = true;
                    self.legend(&mut writer)?;
                    let mut start = start.into_owned();
                    start.push_attribute(("y", legend::HEIGHT_PX.to_string().as_str()));
                    writer.write_event(Event::Start(start))?;
                }
                Event::Start(start) => writer.write_event(Event::Start(lowered(&start)?))?,
                Event::Empty(start) if start.name().as_ref() == b"rect" && !seen_background => {
                    seen_background = true;
                    writer.write_event(Event::Empty(taller(&start)?))?;
                }
                Event::CData(script) => {
                    let script = String::from_utf8_lossy(&script);
                    let script = script.replace(NARROWEST, NARROWEST_HERE);
                    writer.write_event(Event::CData(BytesCData::new(script)))?;
                }
                Event::End(end) if end.name().as_ref() == b"style" => {
                    writer.write_event(Event::Text(BytesText::from_escaped(STYLE)))?;
                    writer.write_event(Event::End(end))?;
                }
                other => writer.write_event(other)?,
            }
        }
        writer.into_inner().flush()?;
        Ok(())
    }

    fn legend(&self, writer: &mut Writer<impl Write>) -> Result<(), ExportError> {
        let svg = legend::svg(&self.legend, LEGEND_BASELINE_PX);
        writer.write_event(Event::Text(BytesText::from_escaped(svg)))?;
        Ok(())
    }

    /// Collects one group below `#frames`, and writes it when it ends.
    fn frame_event(
        &self,
        event: &Event<'_>,
        frame: &mut Option<Drawn>,
        writer: &mut Writer<impl Write>,
    ) -> Result<(), ExportError> {
        match (event, frame.as_mut()) {
            (Event::Start(start), None) if start.name().as_ref() == b"g" => {
                *frame = Some(Drawn::default());
            }
            (Event::Empty(start), Some(drawn)) if start.name().as_ref() == b"rect" => {
                drawn.rect = Some(start.to_owned());
            }
            (Event::Start(start), Some(drawn)) if start.name().as_ref() == b"text" => {
                drawn.text = Some(start.to_owned());
            }
            (Event::Text(text), Some(drawn)) if drawn.rect.is_none() => {
                drawn.title.push_str(&String::from_utf8_lossy(text));
            }
            (Event::End(end), Some(drawn)) if end.name().as_ref() == b"g" => {
                self.group(drawn, writer)?;
                *frame = None;
            }
            _ => {}
        }
        Ok(())
    }

    fn group(&self, drawn: &Drawn, writer: &mut Writer<impl Write>) -> Result<(), ExportError> {
        let (Some(rect), Some(text)) = (&drawn.rect, &drawn.text) else {
            return Ok(());
        };
        let width: u64 = number(rect, "fg:w")?.unwrap_or(0);
        let face = self.face(&drawn.title, width);
        let fit = {
            let px = width as f64 / self.total.max(1) as f64 * (self.width_px as f64 - 20.0);
            fitted(&face.name, px)
        };
        let rect = with(rect, |key, value| match key {
            "fill" => face.colour.clone(),
            _ => value,
        })?;
        writer
            .create_element("g")
            .write_inner_content::<_>(|writer| {
                writer
                    .create_element("title")
                    .write_text_content(BytesText::new(&face.title))?;
                writer.write_event(Event::Empty(rect))?;
                writer.write_event(Event::Start(text.borrow()))?;
                writer.write_event(Event::Text(BytesText::new(&fit)))?;
                writer.write_event(Event::End(text.to_end()))
            })?;
        Ok(())
    }

    /// Name, tooltip and colour of the frame whose rank a title starts with. The root
    /// has no rank.
    fn face(&self, title: &str, width: u64) -> Face {
        let rank = title.split(' ').next().and_then(|rank| rank.parse().ok());
        let frame = rank.and_then(|rank: usize| self.frames.get(rank));
        let name = frame.map_or_else(|| "all".to_owned(), |frame| drawn(&frame.name));
        let mut facts = Vec::new();
        if let Some(frame) = frame
            && frame.class != FrameClass::Group
        {
            facts.push(frame.class.as_str().to_owned());
            let place = frame
                .location()
                .or_else(|| Some(frame.object.as_deref()?.to_owned()));
            facts.extend(place.map(|place| drawn(&place).replace('(', "[").replace(')', "]")));
        }
        facts.push(match self.measure {
            Measure::Samples => format!("{} samples", thousands(width)),
            Measure::CpuNs => duration(width),
        });
        let percent = 100.0 * width as f64 / self.total.max(1) as f64;
        facts.push(format!("{percent:.2}%"));
        Face {
            title: format!("{name} ({})", facts.join(", ")),
            colour: frame.map_or_else(
                || palette::ALL.to_owned(),
                |frame| palette::frame_colour(frame.class, &frame.name),
            ),
            name,
        }
    }
}

struct Face {
    name: String,
    title: String,
    colour: String,
}

/// As much of a name as fits, by the same rule as the script's.
fn fitted(name: &str, px: f64) -> String {
    let fit = ((px - 3.0) / (FONT_PX as f64 * FONT_WIDTH)).max(0.0) as usize;
    let chars = name.chars().count();
    if fit < 4 {
        return String::new();
    }
    if chars <= fit {
        return name.to_owned();
    }
    name.chars().take(fit - 2).chain("..".chars()).collect()
}

/// Elements outside the frames: the picture is taller, what stands at its foot lower.
fn lowered(start: &BytesStart<'_>) -> Result<BytesStart<'static>, ExportError> {
    if start.name().as_ref() == b"svg" {
        return taller(start);
    }
    if has(start, "id", "details")? || has(start, "id", "matched")? {
        return with(start, |key, value| match (key, value.parse::<f64>()) {
            ("y", Ok(y)) => format!("{:.2}", y + legend::HEIGHT_PX as f64),
            _ => value,
        });
    }
    Ok(start.to_owned())
}

/// An element with room for the legend in its height and its view box.
fn taller(start: &BytesStart<'_>) -> Result<BytesStart<'static>, ExportError> {
    let grown = |height: &str| {
        let height: usize = height.parse().ok()?;
        Some((height + legend::HEIGHT_PX).to_string())
    };
    with(start, |key, value| match key {
        "height" => grown(&value).unwrap_or(value),
        "viewBox" => value
            .rsplit_once(' ')
            .and_then(|(rest, height)| Some(format!("{rest} {}", grown(height)?)))
            .unwrap_or(value),
        _ => value,
    })
}

/// A copy of an element with each value replaced by what `change` makes of it.
fn with(
    start: &BytesStart<'_>,
    change: impl Fn(&str, String) -> String,
) -> Result<BytesStart<'static>, ExportError> {
    let mut copy = start.to_owned();
    copy.clear_attributes();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(invalid)?;
        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        // Values here are inferno's own: numbers, ids, colours, addresses. None has
        // a character that is written differently in XML.
        let value = String::from_utf8_lossy(&attribute.value).into_owned();
        let value = change(&key, value);
        copy.push_attribute((key.as_bytes(), value.as_bytes()));
    }
    Ok(copy)
}

fn value(start: &BytesStart<'_>, key: &str) -> Result<Option<String>, ExportError> {
    let attribute = start.try_get_attribute(key).map_err(invalid)?;
    Ok(attribute.map(|attribute| String::from_utf8_lossy(&attribute.value).into_owned()))
}

fn number(start: &BytesStart<'_>, key: &str) -> Result<Option<u64>, ExportError> {
    Ok(value(start, key)?.and_then(|value| value.parse().ok()))
}

fn has(start: &BytesStart<'_>, key: &str, wanted: &str) -> Result<bool, ExportError> {
    Ok(value(start, key)?.as_deref() == Some(wanted))
}

fn invalid(error: AttrError) -> ExportError {
    ExportError::Xml(quick_xml::Error::InvalidAttr(error))
}
