//! The people of an organisation.

use serde_json::{Value, json};

use crate::random::Random;

#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    pub name: String,
    pub mail: String,
    pub descriptor: String,
}

const NAMES: [(&str, &str); 16] = [
    ("Ada Byron", "ada.byron"),
    ("Björn Åkesson", "bjorn.akesson"),
    ("Chidi Okafor", "chidi.okafor"),
    ("Dana O'Neill", "dana.oneill"),
    ("Émile Zülow", "emile.zulow"),
    ("Fatima al-Rashid", "fatima"),
    ("Grace Kim", "grace.kim"),
    ("Hiroshi 田中", "hiroshi.tanaka"),
    ("Ingrid Sørensen", "ingrid"),
    ("João Pereira", "joao.pereira"),
    ("Katarzyna Wójcik", "kasia"),
    ("Liu Wei 刘伟", "wei.liu"),
    ("Mateo García", "mateo"),
    ("Nadia Petrova", "nadia.petrova"),
    ("Olu \"Ray\" Adeyemi", "olu"),
    ("Project Collection Build Service (demo)", "build.service"),
];

pub fn make(random: &mut Random) -> Vec<Person> {
    let person = |(name, mail): &(&str, &str)| {
        let id = random.guid();
        let descriptor = format!("aad.{}", id.replace('-', ""));
        Person { id, name: name.to_string(), mail: format!("{mail}@example.com"), descriptor }
    };
    NAMES.iter().map(person).collect()
}

impl Person {
    /// The identity reference in builds, pull requests and (when asked for) revisions.
    pub fn reference(&self) -> Value {
        let avatar =
            format!("https://dev.azure.com/_apis/GraphProfile/MemberAvatars/{}", self.descriptor);
        json!({
            "displayName": self.name,
            "url": format!("https://spsprodweu1.vssps.visualstudio.com/_apis/Identities/{}", self.id),
            "_links": { "avatar": { "href": avatar } },
            "id": self.id,
            "uniqueName": self.mail,
            "imageUrl": format!("https://dev.azure.com/_api/_common/identityImage?id={}", self.id),
            "descriptor": self.descriptor,
        })
    }

    /// The form in revisions: `Name <mail>`.
    pub fn mail_form(&self) -> String {
        format!("{} <{}>", self.name, self.mail)
    }
}
