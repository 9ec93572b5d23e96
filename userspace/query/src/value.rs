//! One cell of a result.

use std::borrow::Cow;

use polars::prelude::AnyValue;

/// One cell of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Unknown, or it does not apply.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number that is never negative, such as an address.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// Text; also dates, times, durations and decimals, as they are written.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// A cell of the types that [`crate::table`] lets through; anything else is null.
    pub(crate) fn new(cell: AnyValue<'a>) -> Value<'a> {
        match cell {
            AnyValue::Boolean(value) => Value::Boolean(value),
            AnyValue::Int8(value) => Value::Integer(value.into()),
            AnyValue::Int16(value) => Value::Integer(value.into()),
            AnyValue::Int32(value) => Value::Integer(value.into()),
            AnyValue::Int64(value) => Value::Integer(value),
            AnyValue::UInt8(value) => Value::Unsigned(value.into()),
            AnyValue::UInt16(value) => Value::Unsigned(value.into()),
            AnyValue::UInt32(value) => Value::Unsigned(value.into()),
            AnyValue::UInt64(value) => Value::Unsigned(value),
            AnyValue::Float32(value) => Value::Float(value.into()),
            AnyValue::Float64(value) => Value::Float(value),
            AnyValue::String(text) => Value::Text(Cow::Borrowed(text)),
            AnyValue::StringOwned(text) => Value::Text(Cow::Owned(text.to_string())),
            AnyValue::List(items) => Value::List(
                (0..items.len())
                    .map(|n| match items.get(n) {
                        Ok(item) => Value::new(item).into_owned(),
                        Err(_) => Value::Null,
                    })
                    .collect(),
            ),
            _ => Value::Null,
        }
    }

    /// The same value without borrowed text.
    #[must_use]
    pub fn into_owned<'b>(self) -> Value<'b> {
        match self {
            Value::Null => Value::Null,
            Value::Boolean(value) => Value::Boolean(value),
            Value::Integer(value) => Value::Integer(value),
            Value::Unsigned(value) => Value::Unsigned(value),
            Value::Float(value) => Value::Float(value),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
        }
    }
}
