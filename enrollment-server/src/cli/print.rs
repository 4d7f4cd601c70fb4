//! What the commands print on standard output, as text or as JSON.

use std::io::{self, Write};

use anyhow::{Context, Result};
use reload_config::{Configuration, DomainPattern};
use reload_wire::KindId;
use serde_json::{Value, json};

use crate::document::Document;
use crate::{Account, IssuedCertificate, Revocation, clock};

/// Prints a line and flushes it, since a script may wait for it.
pub(super) fn line(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("cannot write to standard output")
}

fn value(value: &Value) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

pub(super) fn accounts(accounts: &[Account], as_json: bool) -> Result<()> {
    if as_json {
        let rows = accounts.iter().map(|account| {
            json!({
                "user": account.name,
                "disabled": account.disabled,
                "created": account.created.0,
                "devices": account.devices,
            })
        });
        return value(&rows.collect());
    }
    for account in accounts {
        let state = if account.disabled { "disabled" } else { "enabled" };
        let created = clock::text(account.created);
        line(&format!(
            "{}\t{state}\tdevices={}\tcreated={created}",
            account.name, account.devices
        ))?;
    }
    Ok(())
}

pub(super) fn certificates(certificates: &[IssuedCertificate], as_json: bool) -> Result<()> {
    if as_json {
        return value(&certificates.iter().map(certificate_json).collect());
    }
    for found in certificates {
        let node_ids: Vec<String> = found.node_ids.iter().map(ToString::to_string).collect();
        let state = match found.revoked {
            Some(time) => format!("revoked={}", clock::text(time)),
            None => format!("expires={}", clock::text(found.expires)),
        };
        let device = if found.device.is_empty() { "(default)" } else { &found.device };
        let node_ids = node_ids.join(",");
        let (serial, user) = (&found.serial, &found.user);
        line(&format!("{serial}\t{user}\tdevice={device}\tnode-ids={node_ids}\t{state}"))?;
    }
    Ok(())
}

fn certificate_json(found: &IssuedCertificate) -> Value {
    json!({
        "serial": found.serial,
        "user": found.user,
        "device": found.device,
        "node_ids": found.node_ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "issued": found.issued.0,
        "expires": found.expires.0,
        "revoked": found.revoked.map(|time| time.0),
    })
}

pub(super) fn revocation(revocation: &Revocation) -> Result<()> {
    let node_ids: Vec<String> = revocation.node_ids.iter().map(ToString::to_string).collect();
    let sequence = revocation.sequence;
    line(&format!("revoked node-ids={} in sequence {sequence}", node_ids.join(",")))
}

/// Whose AORs are taken (RFC 7904 section 3.4): any, own, or those of the patterns; none without SIP.
fn sip_domains(configuration: &Configuration) -> Option<Vec<&str>> {
    let kind = configuration.kind(KindId::SIP_REGISTRATION)?;
    Some(match &kind.domain_restriction {
        None => vec!["any"],
        Some(restriction) if !restriction.enable => vec!["own"],
        Some(restriction) => restriction.patterns.iter().map(DomainPattern::as_str).collect(),
    })
}

pub(super) fn document(document: &Document, as_json: bool) -> Result<()> {
    let configuration = document.configuration();
    let hex = |ids: &[reload_wire::NodeId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let kinds: Vec<u32> = configuration.kinds.iter().map(|kind| kind.definition.id.0).collect();
    let expires = configuration.expiration;
    let shown = json!({
        "overlay": configuration.instance_name,
        "sequence": configuration.sequence,
        "expires": expires.map(|time| time.0),
        "enrollment_servers": configuration.enrollment_servers,
        "bootstrap_nodes": configuration.bootstrap_nodes,
        "configuration_signers": hex(&configuration.configuration_signers),
        "bad_nodes": hex(&configuration.bad_nodes),
        "initial_ttl": configuration.initial_ttl,
        "max_message_size": configuration.max_message_size,
        "overlay_reliability_timer": configuration.overlay_reliability_timer.as_millis(),
        "chord_update_interval": configuration.chord.update_interval,
        "chord_ping_interval": configuration.chord.ping_interval,
        "kinds": kinds,
        "sip_domains": sip_domains(configuration),
        "bytes": document.size(),
    });
    if as_json {
        return value(&shown);
    }
    let Value::Object(mut fields) = shown else { return Ok(()) };
    let titles: Vec<String> = kinds.iter().map(|kind| format!("{kind:#x}")).collect();
    fields.insert("kinds".into(), json!(titles.join(", ")));
    fields.insert(
        "expires".into(),
        expires.map_or_else(|| json!("never"), |time| json!(clock::text(time))),
    );
    for (name, field) in fields {
        line(&format!(
            "{name}: {}",
            field.as_str().map_or_else(|| field.to_string(), str::to_owned)
        ))?;
    }
    Ok(())
}
