//! One stream processor that is on: its card, its options, and where its lines go.
//!
//! In: a table of keys (a `[processors.NAME]` section of a rules file) or a `--processor` text, and the cards there are.
//! Out: a [`ProcessorConfig`], or everything that is wrong with it. Nothing is opened or made.
//! Must not know TOML: whoever has line and column adds them to a [`ConfigError`].
//! Read next: `intake.rs` (who calls processors).

use std::path::PathBuf;

use tripline_plugin::{ConfigError, Options, ProcessorPlugin, Table, options::read_spec};

/// The keys of a processor that are the host's; all others are its own. Only processors that tell lines have any.
pub const HOST_KEYS: [&str; 1] = [PATH];

const PATH: &str = "path";

/// One processor, checked but not made.
#[derive(Clone, Debug)]
pub struct ProcessorConfig {
    /// Which.
    pub plugin: ProcessorPlugin,
    /// Its own options.
    pub options: Options,
    /// The file that gets its lines, if it tells any.
    pub path: Option<PathBuf>,
}

impl ProcessorConfig {
    /// Reads the keys of one processor.
    ///
    /// # Errors
    /// Everything that is wrong, each with its key; none of a name that nobody has.
    pub fn from_table(name: &str, mut table: Table, plugins: &[ProcessorPlugin]) -> Result<Self, Vec<ConfigError>> {
        let Some(plugin) = plugins.iter().find(|plugin| plugin.name == name).copied() else {
            let names: Vec<&str> = plugins.iter().map(|plugin| plugin.name).collect();
            let reason = format!("`{}` is no stream processor", name.escape_debug());
            let ConfigError { reason, hint, .. } = ConfigError::unknown("", reason, name, &names);
            return Err(vec![ConfigError { option: None, reason, hint }]);
        };
        let mut errors = Vec::new();
        let path = if plugin.lines { path(&mut table).map_err(|error| errors.push(error)).ok() } else { None };
        let own = plugin.options.iter().map(|spec| spec.name);
        let known: Vec<&str> = HOST_KEYS.into_iter().filter(|_| plugin.lines).chain(own).collect();
        table.retain(|key, _| {
            let is_known = known.contains(&key.as_str());
            if !is_known {
                errors.push(ConfigError::unknown(key, "no such option".into(), key, &known));
            }
            is_known
        });
        match Options::check(plugin.options, &table) {
            Ok(options) if errors.is_empty() => Ok(Self { plugin, options, path }),
            Ok(_) => Err(errors),
            Err(wrong) => Err(errors.into_iter().chain(wrong).collect()),
        }
    }

    /// Reads a `--processor` text: `name` or `name:key=value,key=value`.
    ///
    /// # Errors
    /// Everything that is wrong, each with its key where it has one.
    pub fn from_spec(spec: &str, plugins: &[ProcessorPlugin]) -> Result<Self, Vec<ConfigError>> {
        let (name, table, errors) = read_spec(spec);
        match Self::from_table(name, table, plugins) {
            Ok(config) if errors.is_empty() => Ok(config),
            Ok(_) => Err(errors),
            Err(wrong) => Err(errors.into_iter().chain(wrong).collect()),
        }
    }
}

fn path(table: &mut Table) -> Result<PathBuf, ConfigError> {
    let value = table.remove(PATH).ok_or_else(|| {
        ConfigError::about(PATH, "is missing").hint("the file that its lines are appended to; its folder must exist")
    })?;
    match value.as_str() {
        Some(path) if !path.is_empty() && !path.contains('\0') => Ok(path.into()),
        _ => Err(ConfigError::about(PATH, "is not a path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::builtin;

    fn spec(text: &str) -> Result<ProcessorConfig, Vec<String>> {
        ProcessorConfig::from_spec(text, &builtin()).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_processor_is_named_and_one_that_tells_lines_says_where() {
        assert_eq!(spec("probe-payload").unwrap().path, None);
        assert_eq!(spec("streams:path=/tmp/s.jsonl").unwrap().path, Some("/tmp/s.jsonl".into()));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_way_out() {
        let hint = "the file that its lines are appended to; its folder must exist";
        assert_eq!(spec("streams").unwrap_err(), [format!("path: is missing ({hint})")]);
        let errors = spec("streams:pth=/x,path=").unwrap_err();
        assert_eq!(errors, ["path: is not a path", "pth: no such option (did you mean `path`?)"]);
        assert_eq!(spec("probe-payload:path=/x").unwrap_err(), ["path: no such option (it has none)"]);
        let errors = spec("probe-paylod").unwrap_err();
        assert_eq!(errors, ["`probe-paylod` is no stream processor (did you mean `probe-payload`?)"]);
    }

    #[test]
    fn every_card_is_complete_and_its_own() {
        let mut names: Vec<&str> = builtin().iter().map(|plugin| plugin.name).collect();
        assert!(builtin().iter().all(|plugin| !plugin.summary.is_empty()));
        assert!(builtin().iter().all(|plugin| plugin.options.iter().all(|option| !HOST_KEYS.contains(&option.name))));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), builtin().len());
    }
}
