//! One revision as JSON: ready-made bytes for the usual shapes, rebuilt for the others.

use serde_json::{Map, Value, json};

use super::Options;
use crate::generate::people::Person;
use crate::organization::Organization;
use crate::organization::revision::{Body, LONG_FIELDS, Revision};

/// Fields that name a person.
const IDENTITY_FIELDS: [&str; 7] = [
    "System.AssignedTo",
    "System.CreatedBy",
    "System.ChangedBy",
    "System.AuthorizedAs",
    "Microsoft.VSTS.Common.ActivatedBy",
    "Microsoft.VSTS.Common.ResolvedBy",
    "Microsoft.VSTS.Common.ClosedBy",
];

pub fn render(
    organization: &Organization,
    options: &Options,
    revision: &Revision,
    out: &mut Vec<u8>,
) {
    let (short, long) = match &revision.body {
        Body::Raw(text) => return out.extend_from_slice(text.as_bytes()),
        Body::Fields { short, long } => (short, long),
    };
    let (id, rev) = (revision.id, revision.rev);
    out.extend_from_slice(format!("{{\"id\":{id},\"rev\":{rev},\"fields\":{{").as_bytes());
    let identities = options.include_identity_ref || organization.traps.identity_refs;
    if options.fields.is_some() || identities || options.include_tag_ref {
        let fields = chosen(organization, options, revision, identities);
        let text = Value::Object(fields).to_string();
        out.extend_from_slice(&text.as_bytes()[1..]);
    } else {
        out.extend_from_slice(short.as_bytes());
        if options.long_fields && !long.is_empty() {
            out.push(b',');
            out.extend_from_slice(long.as_bytes());
        }
        out.push(b'}');
    }
    out.push(b'}');
}

fn chosen(
    organization: &Organization,
    options: &Options,
    revision: &Revision,
    identities: bool,
) -> Map<String, Value> {
    let mut fields = revision.fields();
    match &options.fields {
        Some(wanted) => fields.retain(|name, _| wanted.contains(&name.to_lowercase())),
        None if !options.long_fields => fields.retain(|n, _| !LONG_FIELDS.contains(&n.as_str())),
        None => {}
    }
    for name in IDENTITY_FIELDS.iter().filter(|_| identities) {
        if let Some(value @ Value::String(_)) = fields.get_mut(*name) {
            *value = identity(organization, value.as_str().unwrap_or_default());
        }
    }
    if options.include_tag_ref
        && let Some(value @ Value::String(_)) = fields.get_mut("System.Tags")
    {
        let names = value.as_str().unwrap_or_default().split(';').map(str::trim);
        *value = names.map(|name| json!({ "name": name, "active": true })).collect();
    }
    fields
}

fn identity(organization: &Organization, text: &str) -> Value {
    let person = organization.people.iter().find(|p| p.mail_form() == text);
    person.map_or_else(|| json!({ "displayName": text, "uniqueName": text }), Person::reference)
}
