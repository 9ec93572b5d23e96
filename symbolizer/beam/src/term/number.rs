//! Numbers as Erlang prints them.

use num_bigint::BigUint;

/// The decimal digits of an absolute value, least significant word first.
pub(super) fn decimal(digits: &[u64]) -> String {
    let halves = digits
        .iter()
        .flat_map(|&word| [word as u32, (word >> 32) as u32]);
    BigUint::new(halves.collect()).to_string()
}

/// A float with the fewest digits that read back as the same one, as `float_to_list(F, [short])`
/// has them (`to_chars` in `erts/emulator/ryu/d2s.c`).
pub(super) fn float(bits: u64) -> String {
    let value = f64::from_bits(bits);
    if !value.is_finite() {
        return format!("{value}");
    }
    if value == 0.0 {
        return if value.is_sign_negative() {
            "-0.0"
        } else {
            "0.0"
        }
        .to_owned();
    }
    let (digits, power) = shortest(value.abs());
    let scientific = power + digits.len() as i32 - 1;
    let sign = if value < 0.0 { "-" } else { "" };
    let number = if is_fixed(&digits, power, scientific) {
        fixed(&digits, power)
    } else {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        format!("{first}.{rest}e{scientific}")
    };
    format!("{sign}{number}")
}

/// The fewest digits, and the power of ten that they count. Of two that are equally short and
/// equally near the even one, as the VM has it; Rust's own formatting takes the upper one.
fn shortest(value: f64) -> (String, i32) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = format!("{whole}{fraction}");
    let power = exponent - fraction.len() as i32;
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    (kept.to_owned(), power + (digits.len() - kept.len()) as i32)
}

/// Whether it is printed without an exponent: where that is not longer, and no integer beyond
/// 2^53, whose digits would not be exact.
fn is_fixed(digits: &str, power: i32, scientific: i32) -> bool {
    let length = digits.len() as i32;
    let (lower, upper) = match length {
        1 => (-4, 2),
        _ if scientific >= 10 => (-(length + 2), 2),
        _ => (-(length + 2), 1),
    };
    if !(lower..=upper).contains(&power) {
        return false;
    }
    let output: u64 = digits.parse().unwrap_or(u64::MAX);
    let beyond = match power {
        0 => output >= 1 << 53,
        1 => output > (1 << 52) / 5,
        2 => output > (1 << 51) / 25,
        _ => false,
    };
    !beyond
}

fn fixed(digits: &str, power: i32) -> String {
    let whole = digits.len() as i32 + power;
    match usize::try_from(whole) {
        _ if power >= 0 => format!("{digits}{}.0", "0".repeat(power as usize)),
        Ok(whole) if whole > 0 => {
            let (before, after) = digits.split_at(whole);
            format!("{before}.{after}")
        }
        _ => format!("0.{}{digits}", "0".repeat(whole.unsigned_abs() as usize)),
    }
}
