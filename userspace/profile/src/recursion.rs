//! Stacks of recursive functions, made readable.

/// How many functions a recursion that is folded may go through.
const CYCLE_MAX: usize = 4;

/// Leaves one of each run of equal cycles: `a b c b c b c d` becomes `a b c d`.
pub(crate) fn fold_recursion(path: &mut Vec<u32>) {
    let mut kept = 0;
    for at in 0..path.len() {
        path[kept] = path[at];
        kept += 1;
        let again = (1..=CYCLE_MAX.min(kept / 2))
            .find(|&cycle| path[kept - cycle..kept] == path[kept - 2 * cycle..kept - cycle]);
        if let Some(cycle) = again {
            kept -= cycle;
        }
    }
    path.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::fold_recursion;

    #[test]
    fn cycles_are_left_once() {
        let folded = |path: &[u32]| {
            let mut path = path.to_vec();
            fold_recursion(&mut path);
            path
        };
        assert_eq!(folded(&[1, 2, 2, 2, 3]), [1, 2, 3]);
        assert_eq!(folded(&[1, 2, 3, 2, 3, 2, 3, 4]), [1, 2, 3, 4]);
        assert_eq!(folded(&[1, 2, 3, 2, 4]), [1, 2, 3, 2, 4]);
        assert_eq!(folded(&[5, 1, 2, 3, 4, 1, 2, 3, 4]), [5, 1, 2, 3, 4]);
        assert!(folded(&[]).is_empty());
    }
}
