//! `tripline interfaces`: what can be watched, as a table.
//!
//! In: nothing. Out: name, state, link type, addresses and description of each interface.
//! Read next: `source/interfaces.rs`, which finds them; `watch.rs`.

use super::{Failure, Outcome, print, say};
use crate::{
    config::diagnostic::printable,
    source::interfaces::{self, Found},
};

/// Prints the table.
///
/// # Errors
/// The system does not say what there is, or standard output cannot be written to.
pub fn interfaces() -> Result<Outcome, Failure> {
    let found = interfaces::list().map_err(|why| anyhow::anyhow!("cannot list the interfaces: {why}"))?;
    let outcome = print(&table(&found))?;
    if found.iter().all(|interface| interface.link.is_err()) {
        say("tripline: none of them could be opened: capturing needs root or cap_net_raw, see docs/deploy.md\n");
    }
    Ok(outcome)
}

fn table(found: &[Found]) -> String {
    let head = ["NAME", "STATE", "LINK", "ADDRESSES", "DESCRIPTION"].map(str::to_owned);
    let row = |interface: &Found| {
        let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
        let link = interface.link.clone().unwrap_or_default();
        let description = interface.description.clone().unwrap_or_default();
        let shown = |text: String| if text.is_empty() { "-".to_owned() } else { printable(&text) };
        [interface.name.clone(), interface.state.to_owned(), link, addresses.join(" "), description].map(shown)
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(found.iter().map(row)).collect();
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_stand_in_columns() {
        let lo = Found {
            name: "lo".to_owned(),
            state: "up",
            link: Ok("EN10MB".to_owned()),
            addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            description: None,
        };
        let any = Found {
            name: "any".to_owned(),
            state: "up",
            link: Err("no permission".to_owned()),
            addresses: Vec::new(),
            description: Some("all\u{7} interfaces".to_owned()),
        };
        insta::assert_snapshot!(table(&[lo, any]), @r"
        NAME  STATE  LINK    ADDRESSES      DESCRIPTION
        lo    up     EN10MB  127.0.0.1 ::1  -
        any   up     -       -              all� interfaces
        ");
    }
}
