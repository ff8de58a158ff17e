//! Writes each target's seeds where libFuzzer looks for them: `cargo run -p tripline-fuzz --example seeds -- FOLDER`
//! makes `FOLDER/NAME/…`, and for a language also `FOLDER/NAME.words`, a dictionary. `scripts/fuzz` calls it.

use std::{env, fmt::Write, fs, io, path::PathBuf};

use tripline_fuzz::TARGETS;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "target/fuzz".into()));
    for target in TARGETS {
        let seeds = (target.seeds)();
        fs::create_dir_all(folder.join(target.name))?;
        for (n, input) in seeds.inputs.iter().enumerate() {
            fs::write(folder.join(target.name).join(format!("seed-{n}")), input)?;
        }
        if !seeds.words.is_empty() {
            let mut words = String::new();
            for word in &seeds.words {
                let bytes = word.bytes().fold(String::new(), |mut text, byte| {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "\\x{byte:02x}");
                    text
                });
                let _ = writeln!(words, "\"{bytes}\"");
            }
            fs::write(folder.join(format!("{}.words", target.name)), words)?;
        }
    }
    Ok(())
}
