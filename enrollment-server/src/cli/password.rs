//! Where a new password comes from: a file, standard input, or the terminal, asked for twice.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Reads a new password; the end of the line does not belong to it.
pub(super) fn new(file: Option<&Path>) -> Result<String> {
    let password = match file {
        Some(file) if file == Path::new("-") => first_line(&mut io::stdin().lock())?,
        Some(file) => {
            let content = std::fs::read(file)
                .with_context(|| format!("cannot read the password from {}", file.display()))?;
            first_line(&mut content.as_slice())?
        }
        None if !io::stdin().is_terminal() => {
            bail!("no terminal to ask for the password: use --password-file FILE")
        }
        None => ask()?,
    };
    if password.is_empty() {
        bail!("the password is empty");
    }
    Ok(password)
}

fn first_line(input: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    input.read_line(&mut line).context("cannot read the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask() -> Result<String> {
    let first = rpassword::prompt_password("Password: ").context("cannot ask for the password")?;
    let again = rpassword::prompt_password("Again: ").context("cannot ask for the password")?;
    if first != again {
        bail!("the two passwords differ");
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_line_is_no_part_of_the_password() {
        assert_eq!(first_line(&mut &b" a b \r\nrest"[..]).unwrap(), " a b ");
        assert_eq!(first_line(&mut &b"secret"[..]).unwrap(), "secret");
    }
}
