//! What is wrong with rules that are each right by themselves.
//!
//! In: all rules, in order. Out: errors: names given twice, rules that can never be met
//! because one above takes all their events; and warnings: outputs that nothing is sent to.
//! Must not know how rules are written.
//! Read next: `matching.rs` for what it means that one condition covers another.

use std::collections::HashMap;

use super::{OutputSet, Rules, matching, rule::Rule};
use crate::config::{Diagnostic, Diagnostics};

/// Names are given once.
pub fn names(rules: &[Rule], errors: &mut Diagnostics) {
    let mut names = HashMap::new();
    for rule in rules {
        if let Some(first) = names.insert(&rule.name, &rule.place) {
            let message = format!("a rule is called `{}` already", rule.name);
            errors.push(rule.place.error(message).hint(format!("the first one stands at {first}")));
        }
    }
}

/// Every rule can be met. Asks for rules without errors: one whose conditions could not be
/// read would seem to take everything.
pub fn shadows(sound: &[&Rule], errors: &mut Diagnostics) {
    for (number, rule) in sound.iter().enumerate() {
        if let Some(shadow) = sound.iter().take(number).find(|earlier| takes_all(earlier, rule)) {
            let message = format!("no event can meet this rule: `{}` takes them all before", shadow.name);
            let hint = format!("move it above {}, or give that one `continue = true`", shadow.place);
            errors.push(rule.place.error(message).hint(hint));
        }
    }
}

/// Whether `earlier` takes whatever `later` could, for ever.
fn takes_all(earlier: &Rule, later: &Rule) -> bool {
    let ends = earlier.goes_on || earlier.silence.as_ref().is_some_and(|silence| silence.until.is_some());
    !ends && matching::all_cover(&earlier.conditions, earlier.reach(), &later.conditions, later.reach())
}

/// A warning for each output that neither a rule nor `[default]` sends anything to.
pub fn unused_outputs(rules: &Rules) -> Vec<Diagnostic> {
    let named = rules.rules.iter().filter_map(|rule| rule.outputs);
    let used = named.fold(rules.default, OutputSet::and);
    let idle = rules.outputs.iter().enumerate().filter(|(number, _)| !used.contains(*number));
    idle.map(|(_, output)| {
        let warning = output.place.warning(format!("nothing is sent to the output `{}`", output.name));
        warning.hint("name it in the `outputs` of a rule or of [default], or take it out")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use crate::rules::samples;

    fn rule(name: &str, rest: &str) -> String {
        format!("[[rules]]\nname = '{name}'\n{rest}\n")
    }

    fn shadowed(first: &str, second: &str) -> bool {
        let both = rule("first", first) + &rule("second", second);
        let text = format!("version = 1\n[nets]\nhome = ['10.0.0.0/8']\n[outputs.a]\nplugin = 'file'\n{both}");
        match samples::read(&[("rules.toml", &text)]) {
            Ok(_) => false,
            Err(errors) => {
                assert!(errors.to_string().contains("`first` takes them all before"), "{errors}");
                true
            }
        }
    }

    #[test]
    fn a_rule_that_nothing_can_reach_is_refused() {
        assert!(shadowed("", "if = { kind = 'block' }"));
        assert!(shadowed("if = { source = '10.0.0.0/8' }", "if = { source = '10.1.0.0/16', kind = 'block' }"));
        assert!(shadowed("if = { technique = ['udp', 'arp'] }", "if = { technique = 'udp' }\nseverity = 'high'"));
        assert!(shadowed("if = { counts.doors = '>= 10' }", "if = { counts.doors = '>= 60' }"));
        assert!(shadowed("if = { trust = '>= reacted' }", "if = { trust = 'confirmed' }"));
    }

    #[test]
    fn a_rule_that_something_can_reach_is_not() {
        assert!(!shadowed("if = { kind = 'block' }", ""));
        assert!(!shadowed("if = { source = '10.1.0.0/16' }", "if = { source = '10.0.0.0/8' }"));
        assert!(!shadowed("if = { source = 'home', kind = 'block' }", "if = { source = 'home' }"));
        assert!(!shadowed("if = { counts.doors = '>= 60' }", "if = { counts.packets = '>= 60' }"));
        assert!(!shadowed("continue = true", "if = { kind = 'block' }"));
        assert!(!shadowed("silence = true\nuntil = 2030-01-01", "if = { kind = 'block' }"));
    }

    #[test]
    fn what_escapes_a_silence_can_still_be_met() {
        let silence = "silence = true\nif = { target = 'home' }";
        assert!(!shadowed(silence, "if = { target = 'home' }"));
        assert!(shadowed(silence, "silence = true\nif = { target = '10.1.0.0/16' }"));
    }

    #[test]
    fn a_rule_that_could_not_be_read_shadows_nothing() {
        let shown = samples::errors(&(rule("first", "if = { sorce = '10.0.0.1' }") + &rule("second", "")));
        assert!(!shown.contains("takes them all"), "{shown}");
    }

    #[test]
    fn names_are_given_once() {
        let shown = samples::errors(&(rule("x", "if = { kind = 'block' }") + &rule("x", "")));
        assert!(shown.contains("a rule is called `x` already") && shown.contains("rules.toml:12:"), "{shown}");
    }

    #[test]
    fn an_output_that_nothing_is_sent_to_is_a_warning() {
        let shown = |rules: &str| samples::rules(rules).warnings.iter().map(ToString::to_string).collect::<String>();
        insta::assert_snapshot!(shown(""), @r"
        rules.toml:7:10: warning: nothing is sent to the output `b`
           |
         7 | [outputs.b]
           |          ^
           = name it in the `outputs` of a rule or of [default], or take it out
        ");
        assert_eq!(shown(&rule("x", "outputs = 'b'")), "");
    }
}
