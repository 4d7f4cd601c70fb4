//! Feature parameters of a Contact header field as a predicate (RFC 3840 sections 5 and 9), the other way
//! round from how a phone makes them.

/// The tags that stand bare in a Contact header field. All but `language` and `type` are of the SIP tree.
const BASE_TAGS: [&str; 20] = [
    "audio",
    "automata",
    "class",
    "duplex",
    "data",
    "control",
    "mobility",
    "description",
    "events",
    "priority",
    "methods",
    "schemes",
    "application",
    "video",
    "language",
    "type",
    "isfocus",
    "actor",
    "text",
    "extensions",
];

/// What gives a predicate its structure: never part of a tag, a token or a number.
const SYNTAX: [char; 8] = ['(', ')', '"', ';', '&', '|', '[', ']'];

/// The predicate of these parameters, empty if they have no feature; none if one is damaged.
pub(super) fn predicate<'a>(
    parameters: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> Option<String> {
    let (mut terms, mut quality) = (Vec::new(), String::new());
    for (name, value) in parameters {
        if let Some(tag) = tag(name) {
            if tag.contains(SYNTAX) {
                return None;
            }
            terms.push(term(&tag, value)?);
        } else if name.eq_ignore_ascii_case("q") {
            quality = format!(";q={}", value?);
        }
    }
    match &terms[..] {
        // a quality is one of a filter, and this one is always true
        [] if quality.is_empty() => Some(String::new()),
        [] => Some(format!("(|(sip.audio=TRUE)(!(sip.audio=TRUE))){quality}")),
        [only] => Some(format!("{only}{quality}")),
        terms => Some(format!("(&{}){quality}", terms.concat())),
    }
}

/// The feature tag of a parameter, if it is one of a feature.
fn tag(name: &str) -> Option<String> {
    if let Some(name) = name.strip_prefix('+') {
        return Some(name.replace('\'', "/").replace('!', ":"));
    }
    let base = BASE_TAGS.iter().find(|tag| tag.eq_ignore_ascii_case(name))?;
    Some(if ["language", "type"].contains(base) {
        (*base).to_owned()
    } else {
        format!("sip.{base}")
    })
}

/// One term of the conjunction: a parameter without a value is true, a list means any of it.
fn term(tag: &str, value: Option<&str>) -> Option<String> {
    let Some(value) = value else { return Some(format!("({tag}=TRUE)")) };
    let parts = if value.starts_with('<') { vec![value] } else { value.split(',').collect() };
    if !value.starts_with('<') && value.contains(SYNTAX) {
        return None;
    }
    let filters: Vec<_> = parts.into_iter().map(|part| filter(tag, part)).collect::<Option<_>>()?;
    Some(if let [only] = &filters[..] { only.clone() } else { format!("(|{})", filters.concat()) })
}

fn filter(tag: &str, value: &str) -> Option<String> {
    if let Some(negated) = value.strip_prefix('!') {
        return (!negated.starts_with('!'))
            .then(|| filter(tag, negated))?
            .map(|it| format!("(!{it})"));
    }
    if let Some(text) = value.strip_prefix('<') {
        let text = text.strip_suffix('>').filter(|text| !text.contains('"'))?;
        return Some(format!("({tag}=\"{text}\")"));
    }
    let Some(number) = value.strip_prefix('#') else { return Some(format!("({tag}={value})")) };
    if number.starts_with(['=', '<', '>']) {
        return Some(format!("({tag}{number})"));
    }
    let (low, high) = number.split_once(':')?;
    Some(format!("({tag}={low}..{high})"))
}
