//! `config show`: what a document says, in words.

use reload_config::{Configuration, KindDefinition};
use serde_json::json;

use super::{choose, read_document};
use crate::cli::DocumentArgs;
use crate::operations::kind_title;
use crate::print;
use crate::table::Table;
use crate::units::date;

pub(super) fn show(arguments: &DocumentArgs, json: bool) -> anyhow::Result<()> {
    let document = read_document(&arguments.file)?;
    if arguments.overlay.is_none() && document.configurations().len() > 1 && !json {
        for configuration in document.configurations() {
            print::text(&page(configuration))?;
            print::text("\n")?;
        }
        return Ok(());
    }
    let configuration = choose(&document, arguments.overlay.as_deref())?;
    if json { print::json(&object(configuration)) } else { print::text(&page(configuration)) }
}

fn page(configuration: &Configuration) -> String {
    let mut table = Table::new(&["overlay", &overlay(configuration)]);
    table.row(["sequence", &configuration.sequence.to_string()]);
    let expiration = configuration.expiration.map_or_else(|| "never".to_owned(), date);
    table.row(["expires", &expiration]);
    table.row(["signed", if configuration.signature.is_some() { "yes" } else { "no" }]);
    table.row(["topology", &configuration.topology_plugin]);
    table.row(["root certificates", &configuration.root_certs.len().to_string()]);
    let self_signed = configuration.self_signed.map_or("not permitted", |digest| digest.name());
    table.row(["self-signed", self_signed]);
    table.row(["enrollment", &list(configuration.enrollment_servers.iter())]);
    table.row(["bootstrap", &list(configuration.bootstrap_nodes.iter())]);
    table.row(["links", &configuration.overlay_link_protocols.join(" ")]);
    table.row(["no-ice", if configuration.no_ice { "yes" } else { "no" }]);
    table.row([
        "clients",
        if configuration.clients_permitted { "permitted" } else { "not permitted" },
    ]);
    table.row(["message size", &format!("{} bytes", configuration.max_message_size)]);
    table.row(["initial ttl", &configuration.initial_ttl.to_string()]);
    table.row(["signers", &list(configuration.configuration_signers.iter())]);
    table.row(["kind signers", &list(configuration.kind_signers.iter())]);
    table.row(["bad nodes", &list(configuration.bad_nodes.iter())]);
    format!("{}\n{}", table.render(0), kinds(configuration))
}

fn overlay(configuration: &Configuration) -> String {
    format!("{} (0x{:08x})", configuration.instance_name, configuration.overlay_hash())
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(" ") }
}

fn kinds(configuration: &Configuration) -> String {
    let mut table =
        Table::new(&["kind", ">number", "model", "who may write", ">values", ">bytes each"]);
    for kind in definitions(configuration) {
        table.row([
            kind_title(kind),
            format!("{:#x}", kind.id.0),
            format!("{:?}", kind.model).to_lowercase(),
            kind.access.name().to_owned(),
            kind.max_count.to_string(),
            kind.max_size.to_string(),
        ]);
    }
    table.render(0)
}

fn definitions(configuration: &Configuration) -> impl Iterator<Item = &KindDefinition> {
    configuration.kinds.iter().map(|block| &block.definition)
}

fn object(configuration: &Configuration) -> serde_json::Value {
    let text = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>();
    let kinds: Vec<_> = definitions(configuration)
        .map(|kind| {
            json!({
                "id": kind.id.0,
                "name": kind.name,
                "model": format!("{:?}", kind.model).to_lowercase(),
                "access": kind.access.name(),
                "max_count": kind.max_count,
                "max_size": kind.max_size,
            })
        })
        .collect();
    json!({
        "overlay": configuration.instance_name,
        "overlay_hash": format!("{:08x}", configuration.overlay_hash()),
        "sequence": configuration.sequence,
        "expiration": configuration.expiration.map(date),
        "signed": configuration.signature.is_some(),
        "topology": configuration.topology_plugin,
        "node_id_length": configuration.node_id_length.get(),
        "root_certificates": configuration.root_certs.len(),
        "self_signed": configuration.self_signed.map(|digest| digest.name()),
        "enrollment_servers": configuration.enrollment_servers,
        "bootstrap_nodes": text(&mut configuration.bootstrap_nodes.iter().map(ToString::to_string)),
        "link_protocols": configuration.overlay_link_protocols,
        "no_ice": configuration.no_ice,
        "clients_permitted": configuration.clients_permitted,
        "turn_density": configuration.turn_density,
        "max_message_size": configuration.max_message_size,
        "initial_ttl": configuration.initial_ttl,
        "configuration_signers": text(&mut configuration.configuration_signers.iter().map(ToString::to_string)),
        "kind_signers": text(&mut configuration.kind_signers.iter().map(ToString::to_string)),
        "bad_nodes": text(&mut configuration.bad_nodes.iter().map(ToString::to_string)),
        "mandatory_extensions": configuration.mandatory_extensions,
        "kinds": kinds,
    })
}
