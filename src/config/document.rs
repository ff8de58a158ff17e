//! TOML with the place of every key and value, read so that all errors come at once.
//!
//! In: a [`Document`]. Out: [`Table`]s and [`Value`]s that say what was expected where
//! something else stands. A deserialiser would stop at the first error; this walk goes on.
//! Must not know which keys there are: who asks for them says so.
//! Source: TOML 1.1, read by the `toml` crate.
//! Read next: `rules/parse.rs`, the walk itself.

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::{Diagnostic, Diagnostics, Document, Place, Unreadable, did_you_mean};

/// A document, taken apart. Borrows the document's text.
#[derive(Debug)]
pub struct Parsed<'d> {
    root: DeTable<'d>,
    place: Place,
}

impl<'d> Parsed<'d> {
    /// Takes a document apart; or says all that is wrong with its syntax.
    pub fn new(document: &'d Arc<Document>) -> Result<Self, Diagnostics> {
        let (root, errors) = DeTable::parse_recoverable(&document.text);
        let mut diagnostics = Diagnostics::default();
        for error in errors {
            let place = Place::new(document, error.span().unwrap_or_default());
            diagnostics.push(place.error(format!("not TOML: {}", error.message())));
        }
        diagnostics.none_or(Self { root: root.into_inner(), place: Place::new(document, 0..0) })
    }

    /// The table that the document is.
    pub fn table(&self) -> Table<'_> {
        Table { entries: &self.root, place: self.place.clone() }
    }
}

/// Keys with values.
#[derive(Clone, Debug)]
pub struct Table<'d> {
    entries: &'d DeTable<'d>,
    /// Where it stands.
    pub place: Place,
}

/// A key, where it stands, and what belongs to it.
#[derive(Clone, Debug)]
pub struct Entry<'d> {
    /// The key.
    pub key: &'d str,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub value: Value<'d>,
}

impl<'d> Table<'d> {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<Value<'d>> {
        let value = self.entries.get(key)?;
        Some(Value { value: value.get_ref(), place: self.place.at(value.span()) })
    }

    /// All entries, as they stand in the file.
    pub fn entries(&self) -> Vec<Entry<'d>> {
        let entry = |(key, value): (&'d toml::Spanned<_>, &'d toml::Spanned<_>)| Entry {
            key: AsRef::<str>::as_ref(key.get_ref() as &std::borrow::Cow<'d, str>),
            place: self.place.at(key.span()),
            value: Value { value: value.get_ref(), place: self.place.at(value.span()) },
        };
        let mut entries: Vec<_> = self.entries.iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.place.start());
        entries
    }

    /// The entries on one line, values as they are written.
    pub fn written(&self) -> String {
        let entry = |entry: &Entry<'_>| match entry.value.value {
            DeValue::Table(entries) => {
                let inner = Table { entries, place: entry.place.clone() };
                format!("{} = {{ {} }}", entry.key, inner.written())
            }
            _ => format!("{} = {}", entry.key, entry.value.place.text()),
        };
        self.entries().iter().map(entry).collect::<Vec<_>>().join(", ")
    }

    /// Refuses every key but these; `whose` says what has no such key ("a rule", "[detect]").
    pub fn only(&self, whose: &str, known: &[&str], errors: &mut Diagnostics) {
        for entry in self.entries() {
            if !known.contains(&entry.key) {
                let message = format!("{whose} has no key `{}`", entry.key);
                errors.push(entry.place.error(message).hint(did_you_mean(entry.key, known.iter().copied())));
            }
        }
    }
}

/// A value of any type.
#[derive(Clone, Debug)]
pub struct Value<'d> {
    value: &'d DeValue<'d>,
    /// Where it stands.
    pub place: Place,
}

impl<'d> Value<'d> {
    /// Says that something else was expected.
    pub fn unexpected(&self, expected: &str) -> Diagnostic {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.place.error(format!("expected {expected}, found {found}"))
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&'d str> {
        self.value.as_str()
    }

    /// A string, else an error.
    pub fn string(&self, errors: &mut Diagnostics) -> Option<&'d str> {
        self.or_unexpected(self.as_str(), "a string", errors)
    }

    /// The value of a whole number from 0 up.
    pub fn as_count(&self) -> Option<u64> {
        let integer = self.value.as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// A whole number from 0 up, else an error.
    pub fn count(&self, errors: &mut Diagnostics) -> Option<u64> {
        self.or_unexpected(self.as_count(), "a whole number from 0 up", errors)
    }

    /// `true` or `false`, else an error.
    pub fn boolean(&self, errors: &mut Diagnostics) -> Option<bool> {
        self.or_unexpected(self.value.as_bool(), "true or false", errors)
    }

    /// A date or time as it is written.
    pub fn as_datetime(&self) -> Option<toml::value::Datetime> {
        self.value.as_datetime().copied()
    }

    /// The elements of a list.
    pub fn as_list(&self) -> Option<Vec<Value<'d>>> {
        let place = |span| self.place.at(span);
        let element = |value: &'d toml::Spanned<_>| Value { value: value.get_ref(), place: place(value.span()) };
        Some(self.value.as_array()?.iter().map(element).collect())
    }

    /// A list, else an error.
    pub fn list(&self, errors: &mut Diagnostics) -> Option<Vec<Value<'d>>> {
        self.or_unexpected(self.as_list(), "a list", errors)
    }

    /// A list, or one thing that stands for a list of it.
    pub fn one_or_many(&self) -> Vec<Value<'d>> {
        self.as_list().unwrap_or_else(|| vec![self.clone()])
    }

    /// A table, else an error.
    pub fn table(&self, errors: &mut Diagnostics) -> Option<Table<'d>> {
        let table = self.value.as_table().map(|entries| Table { entries, place: self.place.clone() });
        self.or_unexpected(table, "a table", errors)
    }

    /// What `read` makes of a string, else its error at this place.
    pub fn parsed<T>(&self, read: impl FnOnce(&str) -> Result<T, Unreadable>, errors: &mut Diagnostics) -> Option<T> {
        let text = self.string(errors)?;
        self.checked(read(text), errors)
    }

    /// What was read of it, else the error at this place.
    pub fn checked<T>(&self, read: Result<T, Unreadable>, errors: &mut Diagnostics) -> Option<T> {
        read.map_err(|Unreadable { message, hint }| errors.push(self.place.error(message).hint(hint))).ok()
    }

    /// The value without places, for who takes any; a date becomes its text.
    pub fn plain(&self, errors: &mut Diagnostics) -> serde_json::Value {
        match self.value {
            DeValue::String(text) => text.as_ref().into(),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                self.or_unexpected(number, "an integer of at most 64 bits", errors).into()
            }
            DeValue::Float(float) => float.as_str().parse::<f64>().unwrap_or(f64::NAN).into(),
            DeValue::Boolean(is) => (*is).into(),
            DeValue::Datetime(datetime) => datetime.to_string().into(),
            DeValue::Array(_) => {
                let elements = self.as_list().unwrap_or_default();
                elements.iter().map(|element| element.plain(errors)).collect()
            }
            DeValue::Table(entries) => {
                let entries = Table { entries, place: self.place.clone() }.entries();
                entries.into_iter().map(|entry| (entry.key.to_owned(), entry.value.plain(errors))).collect()
            }
        }
    }

    fn or_unexpected<T>(&self, value: Option<T>, expected: &str, errors: &mut Diagnostics) -> Option<T> {
        if value.is_none() {
            errors.push(self.unexpected(expected));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Arc<Document> {
        Arc::new(Document { name: "x.toml".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn all_syntax_errors_come_at_once() {
        let errors = Parsed::new(&document("a = \nb = 1\nc = [1,\nd == 2\n")).unwrap_err();
        assert!(errors.len() > 1, "{errors}");
        assert!(errors.to_string().contains("x.toml:1:"), "{errors}");
    }

    #[test]
    fn a_table_refuses_keys_that_nobody_asked_for() {
        let document = document("source = 1\ntarget = 2\nsorce = 3\nzebra = 4\n");
        let parsed = Parsed::new(&document).unwrap();
        let mut errors = Diagnostics::default();
        parsed.table().only("a rule", &["source", "target"], &mut errors);
        let shown = errors.to_string();
        assert!(shown.contains("x.toml:3:1: error: a rule has no key `sorce`"), "{shown}");
        assert!(shown.contains("did you mean `source`?") && shown.contains("known: source, target"), "{shown}");
    }

    #[test]
    fn a_value_of_another_type_is_said_where_it_stands() {
        let document = document("a = 1\nb = \"x\"\nc = -5\n");
        let parsed = Parsed::new(&document).unwrap();
        let mut errors = Diagnostics::default();
        let value = |key: &str| parsed.table().get(key).unwrap();
        assert_eq!(value("a").string(&mut errors), None);
        assert_eq!(value("b").boolean(&mut errors), None);
        assert_eq!(value("c").count(&mut errors), None);
        let shown = errors.to_string();
        assert!(shown.contains("x.toml:1:5: error: expected a string, found an integer"), "{shown}");
        assert!(shown.contains("x.toml:2:5: error: expected true or false, found a string"), "{shown}");
        assert!(shown.contains("x.toml:3:5: error: expected a whole number from 0 up, found an integer"), "{shown}");
    }

    #[test]
    fn entries_come_in_the_order_of_the_file() {
        let document = document("b = 1\na = 2\n");
        let parsed = Parsed::new(&document).unwrap();
        let keys: Vec<&str> = parsed.table().entries().iter().map(|entry| entry.key).collect();
        assert_eq!(keys, ["b", "a"]);
    }
}
