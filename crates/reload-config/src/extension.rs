//! Elements and attributes of namespaces we do not know (section 11.1.1, `foreign-elements`): kept
//! as raw text that can stand alone, so that a configuration made from another one loses nothing.

use roxmltree::Node;

use crate::NS_BASE;

/// An element of another namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its namespace.
    pub namespace: String,
    /// Its local name.
    pub name: String,
    /// Its XML, with the declarations of all prefixes it uses. The default namespace it assumes is
    /// that of the base elements.
    pub xml: String,
}

/// An attribute of another namespace on a `configuration` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionAttribute {
    /// Its namespace.
    pub namespace: String,
    /// Its local name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Extension {
    pub(crate) fn from_node(node: Node<'_, '_>) -> Self {
        Self {
            namespace: node.tag_name().namespace().unwrap_or_default().to_owned(),
            name: node.tag_name().name().to_owned(),
            xml: standalone(node),
        }
    }
}

/// The text of the element with the declarations it inherits put into its tag.
fn standalone(node: Node<'_, '_>) -> String {
    let raw = &node.document().input_text()[node.range()];
    let (name, rest) = split_name(raw);
    let own = own_declarations(rest);
    let mut declarations = String::new();
    if !own.contains(&"xmlns") {
        match node.lookup_namespace_uri(None) {
            Some(NS_BASE) => {}
            uri => declare(&mut declarations, "xmlns", uri.unwrap_or_default()),
        }
    }
    for namespace in node.namespaces() {
        let Some(prefix) = namespace.name() else {
            continue;
        };
        let attribute = format!("xmlns:{prefix}");
        let used = raw.contains(&format!("{prefix}:"));
        if prefix != "xml" && used && !own.contains(&attribute.as_str()) {
            declare(&mut declarations, &attribute, namespace.uri());
        }
    }
    format!("{name}{declarations}{rest}")
}

fn declare(out: &mut String, attribute: &str, uri: &str) {
    out.push(' ');
    out.push_str(attribute);
    out.push_str("=\"");
    crate::write::escape_into(out, uri);
    out.push('"');
}

/// `<prefix:name` and what follows.
fn split_name(raw: &str) -> (&str, &str) {
    let end = raw.find(|c: char| c == '>' || c == '/' || crate::element::is_blank(c));
    raw.split_at(end.unwrap_or(raw.len()))
}

/// The `xmlns` and `xmlns:p` attributes of the tag of which `rest` is what follows its name.
fn own_declarations(mut rest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    loop {
        rest = rest.trim_start_matches(crate::element::is_blank);
        let Some((name, after)) = rest.split_once('=') else {
            return names;
        };
        if name.contains('>') {
            return names;
        }
        let name = crate::element::trim(name);
        if name == "xmlns" || name.starts_with("xmlns:") {
            names.push(name);
        }
        let value = after.trim_start_matches(crate::element::is_blank);
        let Some(quote) = value.chars().next() else {
            return names;
        };
        let Some((_, next)) = value[quote.len_utf8()..].split_once(quote) else {
            return names;
        };
        rest = next;
    }
}
