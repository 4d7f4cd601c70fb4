//! A damaged store is moved aside, as it is, for whoever wants to look at it.

use std::io;
use std::path::{Path, PathBuf};

/// Renames `directory` to `<directory>.damaged-N` with the first free N; its new name.
pub(crate) fn move_aside(directory: &Path) -> io::Result<PathBuf> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut number: u32 = 1;
    loop {
        let aside = directory.with_file_name(format!("{name}.damaged-{number}"));
        if !aside.exists() {
            std::fs::rename(directory, &aside)?;
            return Ok(aside);
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_damaged_store_gets_a_name_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store");
        for number in 1..=3 {
            std::fs::create_dir(&store).unwrap();
            std::fs::write(store.join("values.redb"), [number]).unwrap();
            let aside = move_aside(&store).unwrap();
            assert_eq!(aside, home.path().join(format!("store.damaged-{number}")));
            assert_eq!(std::fs::read(aside.join("values.redb")).unwrap(), [number]);
            assert!(!store.exists());
        }
    }
}
