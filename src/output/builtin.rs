//! THE list of built-in output plugins. A plugin joins by its line here and in `Cargo.toml`.
//!
//! In: nothing. Out: the cards, in the order of help texts. Explicit on purpose: what is not
//! written here is not in the program.
//!
//! Read next: `plugins/README.md` (how to write one).

use tripline_plugin::OutputPlugin;

/// Every plugin that comes with the program.
pub fn builtin() -> Vec<OutputPlugin> {
    vec![tripline_stdout::PLUGIN, tripline_file::PLUGIN, tripline_syslog::PLUGIN]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use tripline_plugin::{Table, testkit};

    use super::*;
    use crate::output::{OutputConfig, Setting};

    #[test]
    fn every_card_is_complete_and_its_own() {
        let plugins = builtin();
        plugins.iter().for_each(testkit::check_card);
        let names: BTreeSet<_> = plugins.iter().map(|plugin| plugin.name).collect();
        assert_eq!(names.len(), plugins.len());
    }

    #[test]
    fn the_sample_of_every_plugin_is_a_right_configuration() {
        let samples = [
            include_str!("../../plugins/stdout/sample.toml"),
            include_str!("../../plugins/file/sample.toml"),
            include_str!("../../plugins/syslog/sample.toml"),
        ];
        assert_eq!(samples.len(), builtin().len(), "a sample.toml for each plugin");
        for (sample, plugin) in samples.iter().zip(builtin()) {
            let file: BTreeMap<String, BTreeMap<String, Table>> = toml::from_str(sample).unwrap();
            let (name, table) = file["outputs"].first_key_value().unwrap();
            let config = OutputConfig::from_table(name, table.clone(), &Setting::default()).unwrap();
            assert_eq!(config.plugin.name, plugin.name);
        }
    }
}
