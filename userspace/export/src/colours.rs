//! Colours of what processes do, in charts over time.
//!
//! Hues are those of Okabe and Ito, "Color Universal Design" (2008), which people with
//! any kind of colour vision tell apart. Black text is readable on each.

use escope_model::LeftAs;

/// What a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A run that ended so.
    Left(LeftAs),
    /// A run whose end was not seen.
    Unseen,
    /// A garbage collection.
    Collection,
}

/// Red, green, blue.
#[derive(Debug, Clone, Copy)]
struct Rgb(u8, u8, u8);

impl Class {
    /// All, in the order of legends.
    pub(crate) const ALL: [Class; 7] = [
        Class::Left(LeftAs::Waiting),
        Class::Left(LeftAs::Runnable),
        Class::Left(LeftAs::Dirty),
        Class::Left(LeftAs::Suspended),
        Class::Left(LeftAs::Exiting),
        Class::Unseen,
        Class::Collection,
    ];

    /// Which of them.
    pub(crate) fn number(self) -> usize {
        match self {
            Class::Left(LeftAs::Waiting) => 0,
            Class::Left(LeftAs::Runnable) => 1,
            Class::Left(LeftAs::Dirty) => 2,
            Class::Left(LeftAs::Suspended) => 3,
            Class::Left(LeftAs::Exiting) => 4,
            Class::Unseen => 5,
            Class::Collection => 6,
        }
    }

    /// What a legend calls it.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Class::Left(LeftAs::Waiting) => "left waiting",
            Class::Left(LeftAs::Runnable) => "left runnable",
            Class::Left(LeftAs::Dirty) => "to or from a dirty scheduler",
            Class::Left(LeftAs::Suspended) => "left suspended",
            Class::Left(LeftAs::Exiting) => "left exiting",
            Class::Unseen => "end not seen",
            Class::Collection => "garbage collection",
        }
    }

    fn rgb(self) -> Rgb {
        match self {
            Class::Left(LeftAs::Waiting) => Rgb(86, 180, 233),
            Class::Left(LeftAs::Runnable) => Rgb(230, 159, 0),
            Class::Left(LeftAs::Dirty) => Rgb(0, 158, 115),
            Class::Left(LeftAs::Suspended) => Rgb(240, 228, 66),
            Class::Left(LeftAs::Exiting) => Rgb(204, 121, 167),
            Class::Unseen => Rgb(170, 170, 170),
            Class::Collection => Rgb(213, 94, 0),
        }
    }

    /// The colour of a bar.
    pub(crate) fn colour(self) -> String {
        hex(self.rgb())
    }

    /// The colour of a bar that stands for several: the busier, the darker.
    pub(crate) fn shade(self, level: u8) -> String {
        let part = f64::from(level.clamp(1, LEVELS)) / f64::from(LEVELS);
        let Rgb(r, g, b) = self.rgb();
        // From nearly white to the hue, darker than that of a single bar.
        let channel = |full: u8| {
            let (light, dark) = (246.0, f64::from(full) * 0.62);
            (light + (dark - light) * part.powf(0.65)) as u8
        };
        hex(Rgb(channel(r), channel(g), channel(b)))
    }
}

/// Shades of one hue.
pub(crate) const LEVELS: u8 = 6;

/// The shade of a share of the time.
pub(crate) fn level(part_ns: u64, whole_ns: u64) -> u8 {
    let share = part_ns as f64 / whole_ns.max(1) as f64;
    let level = (share * f64::from(LEVELS)).ceil() as u8;
    level.clamp(1, LEVELS)
}

fn hex(Rgb(r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Class, LEVELS, level};

    #[test]
    fn every_class_has_its_number_and_colour() {
        for (number, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.number(), number);
        }
        let colours: BTreeSet<String> = Class::ALL.map(Class::colour).into();
        assert_eq!(colours.len(), Class::ALL.len());
    }

    #[test]
    fn busier_is_darker() {
        assert_eq!((level(0, 100), level(1, 100), level(50, 100)), (1, 1, 3));
        assert_eq!((level(100, 100), level(500, 100)), (LEVELS, LEVELS));
        for class in Class::ALL {
            let light = |level| -> u32 {
                let hex = class.shade(level);
                (1..7)
                    .step_by(2)
                    .map(|at| u32::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
                    .sum()
            };
            assert!(
                (1..LEVELS).all(|level| light(level) > light(level + 1)),
                "{class:?}"
            );
        }
    }
}
