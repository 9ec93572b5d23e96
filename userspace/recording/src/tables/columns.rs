//! Typed access to the columns of a batch of unknown origin.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, ListArray, PrimitiveArray, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field};
use escope_model::SchedulerId;

/// A column without nulls.
pub(super) fn required(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

/// A column with nulls.
pub(super) fn optional(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
}

/// An array from plain values.
pub(super) fn numbers<T: ArrowPrimitiveType>(values: impl Iterator<Item = T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter_values(values))
}

/// An array from values that may be missing.
pub(super) fn maybe_numbers<T: ArrowPrimitiveType>(
    values: impl Iterator<Item = Option<T::Native>>,
) -> ArrayRef {
    Arc::new(values.collect::<PrimitiveArray<T>>())
}

/// A text array.
pub(super) fn texts<S: AsRef<str>>(values: impl Iterator<Item = S>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// A text array with nulls.
pub(super) fn maybe_texts<S: AsRef<str>>(values: impl Iterator<Item = Option<S>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// A text array of schedulers' names, each of which is printed once.
pub(super) fn schedulers(ids: impl Iterator<Item = Option<SchedulerId>>) -> ArrayRef {
    let mut names: HashMap<SchedulerId, Rc<str>> = HashMap::new();
    let texts: Vec<Option<Rc<str>>> = ids
        .map(|id| {
            id.map(|id| {
                names
                    .entry(id)
                    .or_insert_with(|| id.to_string().into())
                    .clone()
            })
        })
        .collect();
    maybe_texts(texts.iter().map(|name| name.as_deref()))
}

/// Finds columns by name and checks their types.
pub(super) struct Columns<'a>(pub(super) &'a RecordBatch);

impl<'a> Columns<'a> {
    /// Text without nulls.
    pub(super) fn text(&self, name: &str) -> Result<&'a StringArray, String> {
        without_nulls(name, self.maybe_text(name)?)
    }

    /// Text.
    pub(super) fn maybe_text(&self, name: &str) -> Result<&'a StringArray, String> {
        let column = self.column(name)?;
        column
            .as_string_opt::<i32>()
            .ok_or_else(|| wrong(name, column, "text"))
    }

    /// Bytes.
    pub(super) fn maybe_bytes(&self, name: &str) -> Result<&'a BinaryArray, String> {
        let column = self.column(name)?;
        column
            .as_binary_opt::<i32>()
            .ok_or_else(|| wrong(name, column, "bytes"))
    }

    /// Unsigned 32-bit numbers without nulls.
    pub(super) fn u32(&self, name: &str) -> Result<&'a PrimitiveArray<UInt32Type>, String> {
        without_nulls(name, self.maybe_u32(name)?)
    }

    /// Unsigned 32-bit numbers.
    pub(super) fn maybe_u32(&self, name: &str) -> Result<&'a PrimitiveArray<UInt32Type>, String> {
        self.primitive(name)
    }

    /// Unsigned 32-bit numbers, if there is such a column: recordings of earlier versions have
    /// not.
    pub(super) fn added_u32(
        &self,
        name: &str,
    ) -> Result<Option<&'a PrimitiveArray<UInt32Type>>, String> {
        match self.0.column_by_name(name) {
            Some(_) => self.maybe_u32(name).map(Some),
            None => Ok(None),
        }
    }

    /// Text, if there is such a column: recordings of earlier versions have not.
    pub(super) fn added_text(&self, name: &str) -> Result<Option<&'a StringArray>, String> {
        match self.0.column_by_name(name) {
            Some(_) => self.maybe_text(name).map(Some),
            None => Ok(None),
        }
    }

    /// Unsigned 64-bit numbers without nulls.
    pub(super) fn u64(&self, name: &str) -> Result<&'a PrimitiveArray<UInt64Type>, String> {
        without_nulls(name, self.maybe_u64(name)?)
    }

    /// Unsigned 64-bit numbers.
    pub(super) fn maybe_u64(&self, name: &str) -> Result<&'a PrimitiveArray<UInt64Type>, String> {
        self.primitive(name)
    }

    /// Signed 64-bit numbers without nulls.
    pub(super) fn i64(&self, name: &str) -> Result<&'a PrimitiveArray<Int64Type>, String> {
        without_nulls(name, self.maybe_i64(name)?)
    }

    /// Signed 64-bit numbers.
    pub(super) fn maybe_i64(&self, name: &str) -> Result<&'a PrimitiveArray<Int64Type>, String> {
        self.primitive(name)
    }

    /// Floating point numbers without nulls.
    pub(super) fn f64(&self, name: &str) -> Result<&'a PrimitiveArray<Float64Type>, String> {
        without_nulls(name, self.primitive(name)?)
    }

    /// Lists without nulls.
    pub(super) fn list(&self, name: &str) -> Result<&'a ListArray, String> {
        let column = self.column(name)?;
        let list = column
            .as_list_opt::<i32>()
            .ok_or_else(|| wrong(name, column, "a list"))?;
        without_nulls(name, list)
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        name: &str,
    ) -> Result<&'a PrimitiveArray<T>, String> {
        let column = self.column(name)?;
        column
            .as_primitive_opt::<T>()
            .ok_or_else(|| wrong(name, column, &T::DATA_TYPE.to_string()))
    }

    fn column(&self, name: &str) -> Result<&'a ArrayRef, String> {
        self.0
            .column_by_name(name)
            .ok_or_else(|| format!("it has no column {name}"))
    }
}

fn without_nulls<'a, A: Array>(name: &str, array: &'a A) -> Result<&'a A, String> {
    match array.null_count() {
        0 => Ok(array),
        count => Err(format!("{count} values of column {name} are missing")),
    }
}

fn wrong(name: &str, column: &ArrayRef, wanted: &str) -> String {
    format!("column {name} is {} and not {wanted}", column.data_type())
}

/// The value at a row of a column with nulls.
pub(super) fn number_at<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    row: usize,
) -> Option<T::Native> {
    array.is_valid(row).then(|| array.value(row))
}

/// The text at a row of a column with nulls.
pub(super) fn text_at(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

/// Understands the few words of a column, remembering the last one: equal words
/// come in runs.
pub(super) struct Words<T> {
    column: &'static str,
    parse: fn(&str) -> Option<T>,
    last: Option<(Box<str>, T)>,
}

impl<T: Copy> Words<T> {
    /// Words of a column.
    pub(super) fn new(column: &'static str, parse: fn(&str) -> Option<T>) -> Words<T> {
        Words {
            column,
            parse,
            last: None,
        }
    }

    /// What a word stands for.
    pub(super) fn get(&mut self, word: &str) -> Result<T, String> {
        if let Some((last, value)) = &self.last
            && **last == *word
        {
            return Ok(*value);
        }
        let value = (self.parse)(word)
            .ok_or_else(|| format!("column {} holds the unknown word {word:?}", self.column))?;
        self.last = Some((word.into(), value));
        Ok(value)
    }

    /// What a word stands for, if there is one.
    pub(super) fn maybe(&mut self, word: Option<&str>) -> Result<Option<T>, String> {
        word.map(|word| self.get(word)).transpose()
    }
}
