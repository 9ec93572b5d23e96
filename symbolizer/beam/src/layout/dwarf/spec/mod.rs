//! Which C declaration each value of a [`Layout`](super::super::Layout) comes from.
//!
//! One line a value. A place is a type, as C names it, and a path of members in it, through
//! structs, unions and those without a name: `struct process: u.initial`. Several places,
//! separated by `|`, are tried in order: releases move and rename members.

mod process;
mod relation;
mod term;
mod vm;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Offset of a member.
    Offset(&'static str),
    /// Offset of members that all have the same one: places with `&` between them.
    Common(&'static str),
    /// From one member to another one of the same type.
    Distance(&'static str, &'static str),
    /// Size of a type.
    Size(&'static str),
    /// How many elements an array has.
    Length(&'static str),
    /// Whether there is such a member.
    Has(&'static str),
    /// No declaration says it: `layouts/releases.toml` does, per release.
    Release,
}

/// The values of one section of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    /// Its name in the table.
    pub(super) name: &'static str,
    /// What it is about and which header declares it, below `erts/emulator/beam`.
    pub(super) about: &'static str,
    /// Its values by name.
    pub(super) values: &'static [(&'static str, Source)],
}

const fn at(place: &'static str) -> Source {
    Source::Offset(place)
}

const fn size_of(name: &'static str) -> Source {
    Source::Size(name)
}

const fn has(place: &'static str) -> Source {
    Source::Has(place)
}

const fn section(
    name: &'static str,
    about: &'static str,
    values: &'static [(&'static str, Source)],
) -> Section {
    Section {
        name,
        about,
        values,
    }
}

/// Every value of a layout but its head, in the order in which a table has them.
pub(super) fn sections() -> impl Iterator<Item = &'static Section> {
    let topics = [
        vm::SECTIONS,
        process::SECTIONS,
        relation::SECTIONS,
        term::SECTIONS,
    ];
    topics.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::sections;

    /// What a table has is what the specification has, so that neither is forgotten.
    #[test]
    fn every_value_of_a_table_has_one_source() {
        let tables = [
            include_str!("../../../../layouts/otp-25.toml"),
            include_str!("../../../../layouts/otp-26.2.4.toml"),
            include_str!("../../../../layouts/otp-29.toml"),
        ];
        let mut in_tables = BTreeSet::new();
        for text in tables {
            let table: toml::Table = text.parse().expect("a table");
            collect("", &table, &mut in_tables);
        }
        let head = ["otp", "erts_from", "arch", "status"].map(str::to_owned);
        let of_values = sections().flat_map(|section| {
            let values = section.values.iter();
            values.map(|(name, _)| format!("{}.{name}", section.name))
        });
        let specified: Vec<String> = head.into_iter().chain(of_values).collect();
        let unique: BTreeSet<String> = specified.iter().cloned().collect();
        assert_eq!(unique.len(), specified.len(), "one source each");
        assert_eq!(unique, in_tables);
    }

    fn collect(prefix: &str, table: &toml::Table, names: &mut BTreeSet<String>) {
        for (name, value) in table {
            match value {
                toml::Value::Table(inner) => collect(&format!("{prefix}{name}."), inner, names),
                _ => drop(names.insert(format!("{prefix}{name}"))),
            }
        }
    }
}
