//! One configured output: its plugin, options, format and phases.
//!
//! In: a table of keys (a `[outputs.NAME]` section of a rules file) or a `-o` text, and the
//! [`Setting`] they stand in. Out: an [`OutputConfig`], or everything that is wrong with it.
//! Nothing is opened: a configuration can be checked without touching a disk.
//! Must not know TOML: whoever has line and column adds them to a [`ConfigError`].
//!
//! Read next: `phases.rs`, `formats/mod.rs`, then `mod.rs` (what becomes of it).

use tripline_plugin::{ConfigError, Options, OutputPlugin, Table, options::read_spec};

use super::{
    builtin::builtin,
    formats::{Format, Look},
    phases::Phases,
    queue::Policy,
    retry::Patience,
};

/// The keys of an output that are the host's; all others are its plugin's.
pub const HOST_KEYS: [&str; 3] = ["plugin", "format", "phases"];

/// What holds for all outputs of a run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The plugins there are.
    pub plugins: Vec<OutputPlugin>,
    /// How texts for people look. Colours reach standard output only.
    pub look: Look,
    /// `watch`: a full queue drops. Otherwise, `read`: it waits.
    pub live: bool,
    /// Whether outputs that leave the machine are opened; always when live.
    pub deliver: bool,
}

impl Default for Setting {
    /// `read --deliver` with the built-in plugins, in UTC, without colours.
    fn default() -> Self {
        Self { plugins: builtin(), look: Look::default(), live: false, deliver: true }
    }
}

/// One output, checked but not opened.
#[derive(Clone, Debug)]
pub struct OutputConfig {
    /// What rules, the summary and messages call it.
    pub name: String,
    /// Who writes.
    pub plugin: OutputPlugin,
    /// The plugin's own options.
    pub options: Options,
    /// How events are told.
    pub format: Format,
    /// Which phases of a scan it gets.
    pub phases: Phases,
    /// What a full queue does.
    pub policy: Policy,
    /// How long a failing destination is tried again.
    pub patience: Patience,
}

impl OutputConfig {
    /// Reads the keys of one output: `plugin`, `format` and `phases`, which are the host's, and
    /// the plugin's own.
    ///
    /// # Errors
    /// Everything that is wrong, each with its key.
    pub fn from_table(name: &str, mut table: Table, setting: &Setting) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let plugin = plugin(&mut table, setting).map_err(|error| vec![error])?;
        let format = format(&mut table, &plugin, setting).map_err(|error| errors.push(error)).ok();
        let phases = phases(&mut table).map_err(|error| errors.push(error)).ok().flatten();
        // Here and not by `Options::check`, which does not know the host's keys to suggest them.
        let own = plugin.options.iter().map(|spec| spec.name);
        let known: Vec<&str> = HOST_KEYS.into_iter().chain(own).collect();
        table.retain(|key, _| {
            let is_known = known.contains(&key.as_str());
            if !is_known {
                errors.push(ConfigError::unknown(key, "no such option".into(), key, &known));
            }
            is_known
        });
        let options = Options::check(plugin.options, &table).map_err(|wrong| errors.extend(wrong)).ok();
        let format_name = format.as_ref().map(Format::name).unwrap_or_default();
        let options = options.map(|options| options.with_format(format_name));
        // What contradicts itself is said with all the rest, not first when the output is opened.
        errors.extend(options.as_ref().and_then(|options| (plugin.check)(options).err()));
        match (format, options) {
            (Some(format), Some(options)) if errors.is_empty() => Ok(Self {
                name: name.into(),
                plugin,
                options,
                phases: phases.unwrap_or_else(|| format.default_phases(setting.live)),
                format,
                policy: match () {
                    () if setting.live => Policy::DropLeast,
                    () if plugin.leaves && !setting.deliver => Policy::Withhold,
                    () => Policy::Wait,
                },
                patience: if setting.live { Patience::LIVE } else { Patience::READ },
            }),
            _ => Err(errors),
        }
    }

    /// Reads a `-o` text: `plugin` or `plugin:key=value,key=value`. It names the output, too.
    /// Several phases are written `phases=begin+end`.
    ///
    /// # Errors
    /// Everything that is wrong, each with its key where it has one.
    pub fn from_spec(spec: &str, setting: &Setting) -> Result<Self, Vec<ConfigError>> {
        let (plugin, mut table, mut errors) = read_spec(spec);
        if table.insert("plugin".to_owned(), plugin.into()).is_some() {
            errors.push(ConfigError::about("plugin", "is given twice"));
        }
        match Self::from_table(spec, table, setting) {
            Ok(config) if errors.is_empty() => Ok(config),
            Ok(_) => Err(errors),
            Err(wrong) => Err(errors.into_iter().chain(wrong).collect()),
        }
    }
}

fn plugin(table: &mut Table, setting: &Setting) -> Result<OutputPlugin, ConfigError> {
    let names: Vec<&str> = setting.plugins.iter().map(|plugin| plugin.name).collect();
    let known = || format!("known are: {}", names.join(", "));
    let Some(value) = table.remove("plugin") else {
        return Err(ConfigError::about("plugin", "is missing").hint(known()));
    };
    let Some(name) = value.as_str() else {
        return Err(ConfigError::about("plugin", "is not text").hint(known()));
    };
    setting.plugins.iter().find(|plugin| plugin.name == name).copied().ok_or_else(|| {
        let reason = format!("`{}` is no output plugin", name.escape_debug());
        ConfigError::unknown("plugin", reason, name, &names)
    })
}

fn format(table: &mut Table, plugin: &OutputPlugin, setting: &Setting) -> Result<Format, ConfigError> {
    // Colours are for the terminal, and only this plugin can have one behind it.
    let colour = setting.look.colour && plugin.name == tripline_stdout::PLUGIN.name;
    let look = Look { colour, ..setting.look.clone() };
    match table.remove("format") {
        None => Format::named(plugin.format, &look),
        Some(value) => match value.as_str() {
            Some(name) => Format::named(name, &look),
            None => Err(ConfigError::about("format", "is not text")),
        },
    }
}

/// `phases` as one text or a list of texts; `None` when the format's own hold.
fn phases(table: &mut Table) -> Result<Option<Phases>, ConfigError> {
    let Some(value) = table.remove("phases") else { return Ok(None) };
    let list = value.as_array().and_then(|names| names.iter().map(|name| name.as_str()).collect::<Option<Vec<_>>>());
    match (value.as_str(), list) {
        (Some(text), _) => Phases::parse(text).map(Some),
        (None, Some(names)) => Phases::named(names).map(Some),
        (None, None) => Err(ConfigError::about("phases", "is no list of begin, update and end")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn spec(text: &str) -> Result<OutputConfig, Vec<String>> {
        OutputConfig::from_spec(text, &Setting::default()).map_err(|errors| said(&errors))
    }

    fn said(errors: &[ConfigError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_plugin_alone_is_enough() {
        let config = spec("stdout").unwrap();
        assert!(matches!(config.format, Format::Human(_)));
        assert_eq!((config.phases, config.policy), (Phases::END, Policy::Wait));
    }

    #[test]
    fn keys_follow_the_colon() {
        let config = spec("file:path=/tmp/a:b=c.jsonl, format=scanlogd, phases=begin+end").unwrap();
        assert_eq!(config.options.path("path").unwrap(), Path::new("/tmp/a:b=c.jsonl"));
        assert!(matches!(config.format, Format::Scanlogd(_)));
        assert_eq!(config.phases, Phases::BEGIN.and(Phases::END));
    }

    #[test]
    fn each_format_brings_its_phases() {
        let live = Setting { live: true, ..Setting::default() };
        let phases = |text, setting| OutputConfig::from_spec(text, setting).unwrap().phases;
        assert_eq!(phases("file:path=/x", &live), Phases::ALL);
        assert_eq!(phases("stdout:format=scanlogd", &live), Phases::BEGIN);
        assert_eq!(phases("stdout", &live), Phases::BEGIN.and(Phases::END));
    }

    #[test]
    fn a_rules_file_writes_lists_and_numbers() {
        let table = |value| serde_json::from_value::<Table>(value).unwrap();
        let good = table(json!({"plugin": "file", "path": "/x", "phases": ["begin"]}));
        assert_eq!(OutputConfig::from_table("a", good, &Setting::default()).unwrap().phases, Phases::BEGIN);
        let bad = table(
            json!({"plugin": "file", "path": 7, "phases": [1], "format": true, "rotate": "dayly", "phase": "end"}),
        );
        let errors = OutputConfig::from_table("a", bad, &Setting::default()).unwrap_err();
        let expected = [
            "format: is not text",
            "phases: is no list of begin, update and end",
            "phase: no such option (did you mean `phases`?)",
            "path: `7` is not a path",
            "rotate: `dayly` is neither one of its words nor a size such as `64 MiB` (did you mean `daily`?)",
        ];
        assert_eq!(said(&errors), expected);
    }

    #[test]
    fn options_that_contradict_each_other_are_wrong_before_anything_is_opened() {
        for (text, error) in [
            ("file:path=/x,keep=3", "keep: means nothing without `rotate`"),
            ("file:path=/x,rotate=never,compress=zstd", "compress: means nothing without `rotate`"),
            ("file:path=/x,rotate=0", "rotate: a file cannot be put away at 0 bytes"),
            ("syslog:server=loghost", "server: means nothing with transport = \"local\""),
            ("syslog:transport=udp,server=loghost,path=/dev/log", "path: means nothing with transport = \"udp\""),
            ("syslog:transport=udp,server=loghost,framing=octet-counting", "framing: means nothing with transport"),
            ("syslog:transport=tcp", "server: is missing"),
            ("syslog:limit=10", "limit: 10 bytes is no length"),
        ] {
            let said = spec(text).unwrap_err();
            assert!(said.len() == 1 && said[0].starts_with(error), "{text}: {said:?}");
        }
        assert!(spec("file:path=/x,rotate=daily,keep=3,compress=gzip").is_ok());
    }

    #[test]
    fn what_leaves_the_machine_is_withheld_from_an_archive_unless_asked_for() {
        let policy = |text, live, deliver| {
            let setting = Setting { live, deliver, ..Setting::default() };
            OutputConfig::from_spec(text, &setting).unwrap().policy
        };
        assert_eq!(policy("syslog", false, false), Policy::Withhold);
        assert_eq!(policy("syslog", false, true), Policy::Wait);
        assert_eq!(policy("syslog", true, false), Policy::DropLeast);
        assert_eq!(policy("file:path=/x", false, false), Policy::Wait);
    }

    #[test]
    fn colours_reach_the_screen_alone() {
        let look = Look { colour: true, ..Look::default() };
        let setting = Setting { look, ..Setting::default() };
        let coloured = |text| match OutputConfig::from_spec(text, &setting).unwrap().format {
            Format::Human(look) => look.colour,
            _ => panic!("not human"),
        };
        assert!(coloured("stdout"));
        assert!(!coloured("file:path=/x,format=human"));
    }

    #[test]
    fn what_is_wrong_is_said_at_once_with_the_way_out() {
        assert_eq!(spec("sdout").unwrap_err(), ["plugin: `sdout` is no output plugin (did you mean `stdout`?)"]);
        let expected = [
            "`b` is not key=value (write name:key=value,key=value; a value with a comma needs a rules file)",
            "plugin: is given twice",
            "format: `jsn` is no format (known are: human, eve, eve-alert, scanlogd, template)",
        ];
        assert_eq!(spec("file:path=/a,b,plugin=x,format=jsn").unwrap_err(), expected);
        assert_eq!(spec("file").unwrap_err(), ["path: is missing (the file to append to; its folder must exist)"]);
    }
}
