//! What a request for revisions wants: from the query, or for POST from the body.

use serde::Deserialize;

use crate::api::failure::{Failure, bad_request};
use crate::api::query::Query;
use crate::organization::Organization;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// Lower-case names; none: all reportable fields.
    pub fields: Option<Vec<String>>,
    pub types: Option<Vec<String>>,
    pub include_deleted: bool,
    pub include_identity_ref: bool,
    #[serde(rename = "includeLatestOnly")]
    pub latest_only: bool,
    pub include_tag_ref: bool,
    #[serde(skip)]
    pub discussion_only: bool,
    #[serde(skip)]
    pub long_fields: bool,
}

const EXPAND: [(&str, u32); 2] = [("none", 0), ("fields", 1)];

impl Options {
    pub fn of_query(query: &Query) -> Result<Self, Failure> {
        Ok(Self {
            fields: query.list("fields"),
            types: query.list("types"),
            include_deleted: query.flag("includeDeleted")?,
            include_identity_ref: query.flag("includeIdentityRef")?,
            latest_only: query.flag("includeLatestOnly")?,
            include_tag_ref: query.flag("includeTagRef")?,
            discussion_only: query.flag("includeDiscussionChangesOnly")?,
            long_fields: query.choice("$expand", &EXPAND)? == Some(1),
        }
        .normalized())
    }

    /// POST takes `$expand` from the query and everything else from the body.
    pub fn of_body(query: &Query, body: &[u8]) -> Result<Self, Failure> {
        let mut options: Self = match body {
            b"" => Self::default(),
            body => serde_json::from_slice(body)
                .map_err(|error| bad_request(&format!("The body is not a filter: {error}")))?,
        };
        options.long_fields = query.choice("$expand", &EXPAND)? == Some(1);
        Ok(options.normalized())
    }

    fn normalized(mut self) -> Self {
        let present = |list: &Vec<String>| !list.is_empty();
        self.fields = self.fields.filter(present);
        self.types = self.types.filter(present);
        for name in self.fields.iter_mut().flatten() {
            *name = name.to_lowercase();
        }
        self
    }

    pub fn check(&self, organization: &Organization) -> Result<(), Failure> {
        let Some(fields) = &self.fields else { return Ok(()) };
        if self.long_fields {
            let message = "The expand parameter can not be used with the fields parameter.";
            return Err(Failure::new(400, "ConflictingParametersException", message));
        }
        let unknown = fields.iter().find(|name| !organization.revisions.knows_field(name));
        match unknown {
            None => Ok(()),
            Some(name) => {
                let message = format!("TF51535: Cannot find field {name}.");
                let key = "WorkItemTrackingFieldDefinitionNotFoundException";
                Err(Failure::new(400, key, message))
            }
        }
    }

    pub fn has_type(&self, kind: &str) -> bool {
        let same = |wanted: &String| wanted.to_lowercase() == kind.to_lowercase();
        self.types.as_ref().is_none_or(|types| types.iter().any(same))
    }
}
