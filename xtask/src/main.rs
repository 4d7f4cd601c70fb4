//! Automation of the RELOAD workspace.
fn main() {}
