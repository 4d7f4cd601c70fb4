//! The `reload-enroll` program: a thin shell over the library.
fn main() {}
