//! `cargo xtask layers`: the arrows between the crates go down only. A crate uses crates of lower
//! layers, siblings never use each other, and the core (layers 0 to 5) has no I/O. It looks at the
//! dependencies that the manifests declare, not at what the code does with them.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::run::{cargo, output};

/// Where a crate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// Uses crates of lower numbers.
    Level(u8),
    /// For development only: may use anything and is used by tests alone.
    Dev,
}

use Layer::{Dev, Level};

/// Every crate of the workspace.
const LAYERS: &[(&str, Layer)] = &[
    ("reload-wire", Level(0)),
    ("reload-config", Level(1)),
    ("reload-topology", Level(1)),
    ("reload-inspect", Level(1)),
    ("reload-identity", Level(2)),
    ("reload-link", Level(3)),
    ("reload-ice", Level(3)),
    ("reload-chord", Level(3)),
    ("reload-storage", Level(3)),
    ("reload-enroll", Level(3)),
    ("reload-node", Level(4)),
    ("reload-datagram", Level(5)),
    ("reload-usages", Level(5)),
    ("reload-net", Level(6)),
    ("reload-store", Level(6)),
    ("reload-sip-proxy", Level(6)),
    ("enrollment-server", Level(6)),
    ("reload-peer", Level(7)),
    ("reload-vectors", Dev),
    ("reload-sim", Dev),
    ("reload-fuzz", Dev),
    ("reload-e2e", Dev),
    ("reload-blackbox", Dev),
    ("fuzz", Dev),
    ("xtask", Dev),
];

/// The highest layer without I/O.
const CORE: u8 = 5;

/// What the core must not use: runtimes, sockets, servers, databases.
const IO: &[&str] = &[
    "axum",
    "axum-server",
    "hyper",
    "hyper-util",
    "mio",
    "redb",
    "socket2",
    "sqlx",
    "tokio",
    "tokio-rustls",
];

/// Crates that may use even less than their layer allows: a topology plug-in sees no link, no
/// signature and no stored value.
const NARROW: &[(&str, &[&str])] = &[("reload-chord", &["reload-topology", "reload-wire"])];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

impl Dependency {
    /// Of tests, benches and examples.
    fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// Checks the workspace.
pub(crate) fn run() -> Result<()> {
    let metadata = output(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Metadata =
        serde_json::from_slice(&metadata).context("cannot read the metadata of cargo")?;
    let wrong: Vec<_> = metadata.packages.iter().flat_map(violations).collect();
    if wrong.is_empty() {
        println!("layers: the arrows of {} crates go down only", metadata.packages.len());
        return Ok(());
    }
    bail!("wrong arrows:\n  {}", wrong.join("\n  "))
}

/// What is wrong with the dependencies of one crate.
fn violations(package: &Package) -> Vec<String> {
    let Some(layer) = layer(&package.name) else {
        return vec![format!("{} has no layer: add it to the table", package.name)];
    };
    let wrong = |dependency| violation(&package.name, layer, dependency);
    package.dependencies.iter().filter_map(wrong).collect()
}

fn violation(name: &str, layer: Layer, dependency: &Dependency) -> Option<String> {
    let Level(level) = layer else { return None };
    let other = &dependency.name;
    if dependency.path.is_none() {
        let does_io = level <= CORE && !dependency.is_dev() && IO.contains(&other.as_str());
        return does_io.then(|| format!("{name} is of the core and uses {other}, which does I/O"));
    }
    if !may_use(name, level, dependency) {
        return Some(format!("{name} ({layer:?}) uses {other} ({:?})", self::layer(other)));
    }
    None
}

fn may_use(name: &str, level: u8, dependency: &Dependency) -> bool {
    let narrow = NARROW.iter().find(|(narrow, _)| *narrow == name);
    if narrow.is_some_and(|(_, allowed)| !allowed.contains(&dependency.name.as_str())) {
        return false;
    }
    match layer(&dependency.name) {
        Some(Level(other)) => other < level,
        Some(Dev) => dependency.is_dev(),
        None => false,
    }
}

fn layer(name: &str) -> Option<Layer> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with `from` when it uses `to`, a crate of the workspace.
    fn arrow(from: &str, to: &str, kind: Option<&str>) -> Vec<String> {
        found(from, to, kind, Some("/somewhere"))
    }

    fn found(from: &str, to: &str, kind: Option<&str>, path: Option<&str>) -> Vec<String> {
        let dependency = Dependency {
            name: to.to_owned(),
            kind: kind.map(str::to_owned),
            path: path.map(str::to_owned),
        };
        violations(&Package { name: from.to_owned(), dependencies: vec![dependency] })
    }

    #[test]
    fn an_arrow_up_is_refused() {
        assert_eq!(
            arrow("reload-wire", "reload-node", None),
            ["reload-wire (Level(0)) uses reload-node (Some(Level(4)))"]
        );
        assert_eq!(arrow("reload-node", "reload-wire", None), [""; 0]);
    }

    #[test]
    fn an_arrow_to_a_sibling_is_refused() {
        assert!(!arrow("reload-storage", "reload-link", None).is_empty());
        assert!(!arrow("reload-net", "enrollment-server", None).is_empty());
    }

    #[test]
    fn tests_do_not_turn_arrows_around() {
        assert!(!arrow("reload-wire", "reload-node", Some("dev")).is_empty());
        assert!(!arrow("reload-wire", "reload-node", Some("build")).is_empty());
    }

    #[test]
    fn crates_for_development_are_used_by_tests_alone() {
        assert!(arrow("reload-wire", "reload-vectors", Some("dev")).is_empty());
        assert!(!arrow("reload-wire", "reload-vectors", None).is_empty());
        assert!(arrow("reload-sim", "reload-node", None).is_empty());
    }

    #[test]
    fn the_topology_plug_in_sees_no_signature() {
        assert!(!arrow("reload-chord", "reload-identity", None).is_empty());
        assert!(arrow("reload-chord", "reload-topology", None).is_empty());
    }

    #[test]
    fn the_core_has_no_io() {
        assert!(!found("reload-node", "tokio", None, None).is_empty());
        assert!(found("reload-node", "tokio", Some("dev"), None).is_empty());
        assert!(found("reload-net", "tokio", None, None).is_empty());
    }

    #[test]
    fn a_crate_without_a_layer_is_refused() {
        assert_eq!(
            arrow("reload-new", "reload-wire", None),
            ["reload-new has no layer: add it to the table"]
        );
        assert!(!arrow("reload-peer", "reload-new", None).is_empty());
    }

    #[test]
    fn the_workspace_holds_the_rules() {
        run().unwrap();
    }
}
