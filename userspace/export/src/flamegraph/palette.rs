//! A colour for each class of frame.
//!
//! Light enough for black text. The hue says the class; within it, each name gets its
//! own shade, always the same, so neighbours can be told apart and two pictures
//! compared.

use std::hash::{Hash, Hasher};

use escope_profile::FrameClass;
use rustc_hash::FxHasher;

/// Hue in degrees, saturation and lightness in percent.
#[derive(Debug, Clone, Copy)]
struct Hsl(f64, f64, f64);

fn base(class: FrameClass) -> Hsl {
    match class {
        FrameClass::Group => Hsl(222.0, 20.0, 80.0),
        FrameClass::Erlang => Hsl(28.0, 92.0, 68.0),
        FrameClass::Elixir => Hsl(272.0, 62.0, 79.0),
        FrameClass::Bif => Hsl(112.0, 46.0, 66.0),
        FrameClass::Nif => Hsl(172.0, 52.0, 62.0),
        FrameClass::Gc => Hsl(351.0, 78.0, 74.0),
        FrameClass::Helper => Hsl(53.0, 84.0, 68.0),
        FrameClass::Native => Hsl(209.0, 66.0, 74.0),
        FrameClass::Kernel => Hsl(32.0, 24.0, 64.0),
        FrameClass::Marker => Hsl(0.0, 0.0, 93.0),
    }
}

/// The colour that legends show for a class.
pub(super) fn class_colour(class: FrameClass) -> String {
    let Hsl(hue, saturation, lightness) = base(class);
    rgb(hue, saturation, lightness)
}

/// The colour of the frame that holds all others.
pub(super) const ALL: &str = "rgb(232,234,238)";

/// The colour of a frame.
pub(super) fn frame_colour(class: FrameClass, name: &str) -> String {
    let mut hasher = FxHasher::default();
    name.hash(&mut hasher);
    let hash = hasher.finish();
    // Two values in -1..=1 from independent bits.
    let spread = |shift: u32| ((hash >> shift) & 0xff) as f64 / 127.5 - 1.0;
    let Hsl(hue, saturation, lightness) = base(class);
    match class {
        FrameClass::Group | FrameClass::Marker => rgb(hue, saturation, lightness),
        FrameClass::Kernel => rgb(hue, saturation, lightness + 4.0 * spread(40)),
        _ => rgb(
            hue + 5.0 * spread(32),
            saturation,
            lightness + 4.5 * spread(40),
        ),
    }
}

fn rgb(hue: f64, saturation: f64, lightness: f64) -> String {
    let (s, l) = (saturation / 100.0, lightness / 100.0);
    let chroma = s * l.min(1.0 - l);
    let channel = |n: f64| {
        let k = (n + hue.rem_euclid(360.0) / 30.0) % 12.0;
        let value = l - chroma * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (255.0 * value).round() as u8
    };
    format!("rgb({},{},{})", channel(0.0), channel(8.0), channel(4.0))
}

#[cfg(test)]
mod tests {
    use super::{class_colour, frame_colour, rgb};
    use escope_profile::FrameClass;
    use std::collections::BTreeSet;

    #[test]
    fn conversion_is_right() {
        assert_eq!(rgb(0.0, 100.0, 50.0), "rgb(255,0,0)");
        assert_eq!(rgb(120.0, 100.0, 25.0), "rgb(0,128,0)");
        assert_eq!(rgb(-120.0, 100.0, 50.0), "rgb(0,0,255)");
        assert_eq!(rgb(77.0, 0.0, 100.0), "rgb(255,255,255)");
    }

    #[test]
    fn classes_differ_and_names_keep_their_shade() {
        let colours: BTreeSet<String> = FrameClass::ALL
            .iter()
            .map(|&class| class_colour(class))
            .collect();
        assert_eq!(colours.len(), FrameClass::ALL.len());
        let shade = |name| frame_colour(FrameClass::Erlang, name);
        assert_eq!(shade("lists:map/2"), shade("lists:map/2"));
        assert_ne!(shade("lists:map/2"), shade("lists:foldl/3"));
    }
}
