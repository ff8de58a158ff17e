//! `tripline plugins`: which outputs, stream processors and presets there are, and what each can be told.
//!
//! In: the program's plugins. Out: the lists, or one plugin's options, on standard output.
//! Read next: `plugins/README.md`, on writing one.

use std::fmt::Write;

use tripline_plugin::{Need, OptionKind, OptionSpec, OutputPlugin, ProcessorPlugin};

use super::{Failure, Outcome, Program, print};
use crate::{
    config::{Diagnostic, Diagnostics, Unreadable},
    presets,
};

/// Lists the plugins, or explains one.
///
/// # Errors
/// No plugin has that name.
pub fn plugins(name: Option<&str>, program: &Program) -> Result<Outcome, Failure> {
    let Program { outputs, processors } = program;
    let Some(name) = name else {
        return print(&list(program));
    };
    if let Some(plugin) = outputs.iter().find(|plugin| plugin.name == name) {
        return print(&explain(plugin));
    }
    if let Some(plugin) = processors.iter().find(|plugin| plugin.name == name) {
        return print(&explain_processor(plugin));
    }
    let names = outputs.iter().map(|plugin| plugin.name).chain(processors.iter().map(|plugin| plugin.name));
    let wrong = Unreadable::unknown("plugin", name, names);
    Err(Diagnostics::from(Diagnostic::new(wrong.message).hint(wrong.hint)).into())
}

fn list(Program { outputs, processors }: &Program) -> String {
    let row = |(name, summary): (&str, &str)| format!("{name:13} {summary}\n");
    let outputs: String = outputs.iter().map(|plugin| row((plugin.name, plugin.summary))).collect();
    let processors: String = processors.iter().map(|plugin| row((plugin.name, plugin.summary))).collect();
    let presets: String = presets::ALL.into_iter().map(row).collect();
    format!(
        "outputs (-o NAME, or `plugin` in rules)\n{outputs}\nstream processors (--processor NAME, or [processors.NAME] \
         in rules)\n{processors}\npresets (-p NAME,NAME, or `preset` in rules)\n{presets}"
    )
}

fn explain(plugin: &OutputPlugin) -> String {
    let OutputPlugin { name, summary, format, options, .. } = plugin;
    format!(
        "{name}: {summary}\n\n[outputs.NAME]\nplugin = \"{name}\"\nformat = \"{format}\"   # the default; also: phases = \
         [\"begin\", \"update\", \"end\"]\n{}",
        explain_options(options)
    )
}

fn explain_processor(plugin: &ProcessorPlugin) -> String {
    let ProcessorPlugin { name, summary, lines, options, .. } = plugin;
    let path = if *lines { "path = path   # required: the file that its lines are appended to\n" } else { "" };
    format!("{name}: {summary}\n\n[processors.{name}]\n{path}{}", explain_options(options))
}

fn explain_options(options: &[OptionSpec]) -> String {
    let mut text = String::new();
    for OptionSpec { name, kind, need, help } in options {
        let value = match kind {
            OptionKind::Text => "text".to_owned(),
            OptionKind::Path => "path".to_owned(),
            OptionKind::Bool => "true or false".to_owned(),
            OptionKind::Integer => "number".to_owned(),
            OptionKind::Size => "size".to_owned(),
            OptionKind::Choice(words) => words.join(" | "),
            OptionKind::ChoiceOrSize(words) => format!("{} | size", words.join(" | ")),
        };
        let need = match need {
            Need::Required => "required".to_owned(),
            Need::Optional => "optional".to_owned(),
            Need::Default(default) => format!("default {default}"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} = {value}   # {need}: {help}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::builtin;

    #[test]
    fn every_plugin_is_listed_and_every_option_explained() {
        let all = builtin();
        for plugin in &all.processors {
            assert!(list(&all).contains(plugin.name) && list(&all).contains(plugin.summary));
            assert_eq!(explain_processor(plugin).contains("\npath = "), plugin.lines);
        }
        for plugin in &all.outputs {
            assert!(list(&all).contains(plugin.name) && list(&all).contains(plugin.summary));
            let text = explain(plugin);
            for option in plugin.options {
                assert!(text.contains(&format!("\n{} = ", option.name)) && text.contains(option.help), "{text}");
            }
        }
    }

    #[test]
    fn every_preset_is_listed() {
        let text = list(&builtin());
        assert!(presets::names().into_iter().all(|name| text.contains(&format!("\n{name} "))), "{text}");
    }

    #[test]
    fn a_mistyped_plugin_is_refused_with_the_nearest() {
        let failure = plugins(Some("fiel"), &builtin()).unwrap_err().to_string();
        assert!(
            failure.contains("no plugin is called `fiel`") && failure.contains("did you mean `file`?"),
            "{failure}"
        );
    }
}
