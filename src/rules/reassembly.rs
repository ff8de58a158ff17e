//! `[reassembly]`: whose bytes count where fragments and segments overlap.
//!
//! In: the table, and the nets that have names. Out: [`Policies`], or all that is wrong with it.
//! Must not know what follows from a policy.
//! Source: `docs/rules.md`, "[reassembly]".
//! Read next: `defragment/overlap.rs`, which says what the policies mean.

use super::conditions::{self, Nets};
use crate::{
    config::{
        Diagnostics, Place,
        document::{Table, Value},
        nets::NetSet,
    },
    defragment::{Overlap, Policies},
};

/// The keys of `[reassembly]`.
pub const KEYS: [&str; 2] = ["overlap", "targets"];

/// The keys of `[[reassembly.targets]]`.
pub const TARGET_KEYS: [&str; 2] = ["nets", "overlap"];

/// Reads the part. A target that follows no policy of its own follows that of the part, which is
/// Linux's unless it says otherwise.
pub fn read(table: &Table<'_>, nets: &Nets, errors: &mut Diagnostics) -> Policies {
    table.only("[reassembly]", &KEYS, errors);
    let mut policies = Policies::all(read_overlap(table, errors).unwrap_or_default());
    let targets = table.get("targets").map(|targets| targets.list(errors).unwrap_or_default());
    let mut above: Vec<(NetSet, Place)> = Vec::new();
    for target in targets.iter().flatten() {
        let Some((nets, overlap)) = read_target(target, nets, errors) else { continue };
        if let Some((_, first)) = above.iter().find(|(earlier, _)| earlier.covers(&nets)) {
            let message = "no target can come here: an entry above has all of these nets";
            errors.push(target.place.error(message).hint(format!("move it above {first}, or take it out")));
        }
        above.push((nets.clone(), target.place.clone()));
        policies.add(nets, overlap);
    }
    policies
}

fn read_target(value: &Value<'_>, nets: &Nets, errors: &mut Diagnostics) -> Option<(NetSet, Overlap)> {
    let table = value.table(errors)?;
    table.only("[[reassembly.targets]]", &TARGET_KEYS, errors);
    let mut missing = |key: &str, example: &str| {
        if table.get(key).is_none() {
            errors.push(table.place.error(format!("a target says its {key}")).hint(format!("{key} = {example}")));
        }
    };
    missing("nets", "[\"10.0.0.0/8\"], or the name of a net");
    missing("overlap", "\"windows\", or another policy");
    let nets = table.get("nets").and_then(|value| conditions::read_nets(&value, nets, errors));
    let overlap = read_overlap(&table, errors);
    nets.zip(overlap)
}

fn read_overlap(table: &Table<'_>, errors: &mut Diagnostics) -> Option<Overlap> {
    table.get("overlap")?.parsed(str::parse, errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::samples;

    #[test]
    fn each_target_follows_the_policy_of_its_net() {
        let rules = samples::rules(
            r#"
[reassembly]
overlap = "bsd"
[[reassembly.targets]]
nets = "ours"
overlap = "solaris"
[[reassembly.targets]]
nets = ["home", "2001:db8::/32", "!10.7.0.0/16"]
overlap = "windows"
"#,
        );
        let of = |target: &str| rules.reassembly.of(target.parse().unwrap()).name();
        assert_eq!(["10.0.9.7", "10.1.1.1", "2001:db8::1"].map(of), ["solaris", "windows", "windows"]);
        assert_eq!(["10.7.0.1", "192.0.2.1"].map(of), ["bsd", "bsd"]);
        assert_eq!(samples::rules("").reassembly, Policies::all(Overlap::Linux));
    }

    #[test]
    fn everything_wrong_with_it_is_said_at_its_place() {
        let text = r#"version = 1
[reassembly]
overlp = "linux"
overlap = "linus"

[[reassembly.targets]]
nets = ["10.0.0.0/8", "servers", "10.0.0.300"]
overlap = "window"

[[reassembly.targets]]
nets = ["10.0.0.0/8"]
overlap = "bsd"

[[reassembly.targets]]
nets = ["10.1.0.0/16", "10.2.0.1"]
overlap = "solaris"

[[reassembly.targets]]
net = []

[nets]
server = ["10.0.1.0/24"]
"#;
        insta::assert_snapshot!(samples::read(&[("rules.toml", text)]).unwrap_err(), @r#"
        rules.toml:3:1: error: [reassembly] has no key `overlp`
           |
         3 | overlp = "linux"
           | ^^^^^^
           = did you mean `overlap`?

        rules.toml:4:11: error: no overlap policy is called `linus`
           |
         4 | overlap = "linus"
           |           ^^^^^^^
           = did you mean `linux`?

        rules.toml:7:23: error: no net is called `servers`
           |
         7 | nets = ["10.0.0.0/8", "servers", "10.0.0.300"]
           |                       ^^^^^^^^^
           = did you mean `server`?

        rules.toml:7:34: error: `10.0.0.300` is no address and no net
           |
         7 | nets = ["10.0.0.0/8", "servers", "10.0.0.300"]
           |                                  ^^^^^^^^^^^^
           = write 10.0.0.0/8, 192.0.2.7 or fc00::/7

        rules.toml:8:11: error: no overlap policy is called `window`
           |
         8 | overlap = "window"
           |           ^^^^^^^^
           = did you mean `windows`?

        rules.toml:14:1: error: no target can come here: an entry above has all of these nets
            |
         14 | [[reassembly.targets]]
            | ^^^^^^^^^^^^^^^^^^^^^^
            = move it above rules.toml:10:1, or take it out

        rules.toml:19:1: error: [[reassembly.targets]] has no key `net`
            |
         19 | net = []
            | ^^^
            = did you mean `nets`?

        rules.toml:18:1: error: a target says its nets
            |
         18 | [[reassembly.targets]]
            | ^^^^^^^^^^^^^^^^^^^^^^
            = nets = ["10.0.0.0/8"], or the name of a net

        rules.toml:18:1: error: a target says its overlap
            |
         18 | [[reassembly.targets]]
            | ^^^^^^^^^^^^^^^^^^^^^^
            = overlap = "windows", or another policy

        9 errors; nothing was started
        "#);
    }

    #[test]
    fn it_stands_in_one_file_only() {
        let text = "version = 1\n[reassembly]\noverlap = 'first'\n";
        let errors = samples::read(&[("a.toml", text), ("b.toml", text)]).unwrap_err().to_string();
        assert!(errors.contains("b.toml:2:2: error: [reassembly] stands in another file already"), "{errors}");
    }
}
