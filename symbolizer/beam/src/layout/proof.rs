//! What the VM's own code says of its data: offsets in `process_main`, which every process goes
//! through (`emit_process_main` in `jit/x86/process_main.cpp`). The process is in r13.

use super::{Layout, ProcessLayout};

/// One instruction: its bytes before the displacement, how long that is, and which field it is.
struct Access {
    opcode: &'static [u8],
    short: bool,
    name: &'static str,
    field: fn(&ProcessLayout) -> u32,
}

const ACCESSES: [Access; 4] = [
    // mov rsp, [r13 + stop]
    Access {
        opcode: &[0x49, 0x8b, 0x65],
        short: true,
        name: "stop",
        field: |process| process.stop,
    },
    // mov r15, [r13 + htop]
    Access {
        opcode: &[0x4d, 0x8b, 0x7d],
        short: true,
        name: "htop",
        field: |process| process.htop,
    },
    // mov [r13 + i], rdx
    Access {
        opcode: &[0x49, 0x89, 0x95],
        short: false,
        name: "i",
        field: |process| process.i,
    },
    // mov edi, [r13 + state]
    Access {
        opcode: &[0x41, 0x8b, 0xbd],
        short: false,
        name: "state",
        field: |process| process.state,
    },
];

/// Compares a layout with the code of `process_main`. Returns the fields that the code confirms.
///
/// # Errors
/// What the code says instead.
pub(crate) fn by_code(code: &[u8], layout: &Layout) -> Result<Vec<&'static str>, String> {
    let mut confirmed = Vec::new();
    for access in &ACCESSES {
        let expected = (access.field)(&layout.process);
        let displacements: Vec<u32> = displacements(code, access).collect();
        if displacements.contains(&expected) {
            confirmed.push(access.name);
        } else if let Some(said) = displacements.first() {
            let name = access.name;
            return Err(format!(
                "its code has Process.{name} at {said}, the table at {expected}"
            ));
        }
    }
    Ok(confirmed)
}

fn displacements<'a>(code: &'a [u8], access: &'a Access) -> impl Iterator<Item = u32> + 'a {
    let length = access.opcode.len();
    code.windows(length + 4)
        .filter(move |window| window.starts_with(access.opcode))
        .filter_map(move |window| {
            let displacement = window.get(length..)?;
            Some(match access.short {
                true => u32::from(*displacement.first()?),
                false => u32::from_le_bytes(*displacement.first_chunk()?),
            })
        })
}

#[cfg(test)]
mod tests {
    use super::by_code;
    use crate::layout::table_for;

    /// As OTP 29 has it, with something in between.
    fn code() -> Vec<u8> {
        let mut code = vec![0x90, 0x49, 0x89, 0x95, 0xf8, 0, 0, 0];
        code.extend([0x41, 0x8b, 0xbd, 0x70, 0x02, 0, 0, 0x49, 0x8b, 0x65, 0x58]);
        code.extend([0x4d, 0x8b, 0x7d, 0x50, 0x90, 0x90, 0x90, 0x90]);
        code
    }

    #[test]
    fn the_code_confirms_a_table_or_contradicts_it() {
        let right = table_for("29").expect("a table");
        let confirmed = by_code(&code(), &right).expect("agreement");
        assert_eq!(confirmed, ["stop", "htop", "i", "state"]);
        let wrong = table_for("25").expect("a table");
        let said = by_code(&code(), &wrong).expect_err("another release");
        assert_eq!(said, "its code has Process.i at 248, the table at 256");
        // Code that does not show it says nothing.
        assert_eq!(by_code(&[0x90; 64], &right), Ok(Vec::new()));
        assert_eq!(by_code(&[], &right), Ok(Vec::new()));
    }
}
