//! `tripline plugins`: which outputs and presets there are, and what each output can be told.
//!
//! In: the program's plugins. Out: the lists, or one plugin's options, on standard output.
//! Read next: `plugins/README.md`, on writing one.

use std::fmt::Write;

use tripline_plugin::{Need, OptionKind, OptionSpec, OutputPlugin};

use super::{Failure, Outcome, print};
use crate::{
    config::{Diagnostic, Diagnostics, Unreadable},
    presets,
};

/// Lists the plugins, or explains one.
///
/// # Errors
/// No plugin has that name.
pub fn plugins(name: Option<&str>, plugins: &[OutputPlugin]) -> Result<Outcome, Failure> {
    let Some(name) = name else {
        return print(&list(plugins));
    };
    let Some(plugin) = plugins.iter().find(|plugin| plugin.name == name) else {
        let wrong = Unreadable::unknown("plugin", name, plugins.iter().map(|plugin| plugin.name));
        return Err(Diagnostics::from(Diagnostic::new(wrong.message).hint(wrong.hint)).into());
    };
    print(&explain(plugin))
}

fn list(plugins: &[OutputPlugin]) -> String {
    let row = |(name, summary): (&str, &str)| format!("{name:12} {summary}\n");
    let outputs: String = plugins.iter().map(|plugin| row((plugin.name, plugin.summary))).collect();
    let presets: String = presets::ALL.into_iter().map(row).collect();
    format!(
        "outputs (-o NAME, or `plugin` in rules)\n{outputs}\npresets (-p NAME,NAME, or `preset` in rules)\n{presets}"
    )
}

fn explain(plugin: &OutputPlugin) -> String {
    let OutputPlugin { name, summary, format, options, .. } = plugin;
    let mut text = format!("{name}: {summary}\n\n[outputs.NAME]\nplugin = \"{name}\"\n");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "format = \"{format}\"   # the default; also: phases = [\"begin\", \"update\", \"end\"]");
    for OptionSpec { name, kind, need, help } in *options {
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
        let _ = writeln!(text, "{name} = {value}   # {need}: {help}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::builtin;

    #[test]
    fn every_plugin_is_listed_and_every_option_explained() {
        let all = builtin();
        for plugin in &all {
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
