//! Work items: histories whose revisions interleave, as people work on many items at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde_json::{Map, Value, json};

use super::{HISTORY, text};
use crate::organization::Organization;
use crate::random::Random;
use crate::time::{self, DAY, Ticks};

const TYPES: [&str; 4] = ["Bug", "Task", "User Story", "Feature"];
const STATES: [&str; 4] = ["New", "Active", "Resolved", "Closed"];
/// Work items show milliseconds.
const MILLISECOND: Ticks = 10_000;

struct Plan {
    id: i64,
    project: String,
    moves_to: Option<String>,
    revisions: usize,
    deleted: bool,
    fields: Map<String, Value>,
}

pub fn make(organization: &mut Organization, count: usize, now: Ticks, random: &mut Random) {
    let formed = |slot: &usize| organization.projects.at(*slot).state == "wellFormed";
    let slots: Vec<usize> = (0..organization.projects.len()).filter(formed).collect();
    if slots.is_empty() {
        return;
    }
    let people: Vec<String> = organization.people.iter().map(|p| p.mail_form()).collect();
    let name = |slot: usize| organization.projects.at(slot).name.clone();
    let mut plans = Vec::with_capacity(count);
    let mut due = BinaryHeap::new();
    for at in 0..count {
        let project = name(*random.pick(&slots));
        let other = name(*random.pick(&slots));
        let created = now - HISTORY + (HISTORY - DAY) / (count as i64) * at as i64;
        due.push(Reverse((created + random.between(0, DAY), at)));
        plans.push(Plan {
            id: at as i64 + 1,
            moves_to: (other != project && random.percent(6)).then_some(other),
            project,
            revisions: 1 + random.below(6),
            deleted: random.percent(4),
            fields: Map::new(),
        });
    }
    let mut watermark = 0;
    while let Some(Reverse((at, which))) = due.pop() {
        // Gaps: the service counts other changes too.
        watermark += random.between(2, 6);
        let plan = &mut plans[which];
        let at = at.min(now) / MILLISECOND * MILLISECOND;
        // Migration tools write dates of their own.
        let changed = if random.percent(4) { at - random.between(30 * DAY, 400 * DAY) } else { at };
        plan.write(changed / MILLISECOND * MILLISECOND, &people, random);
        organization.revisions.push(watermark, plan.id, plan.fields.clone());
        plan.revisions -= 1;
        if plan.revisions > 0 {
            let pause = random.between(MILLISECOND, HISTORY / 8);
            due.push(Reverse((at + pause, which)));
        }
    }
}

impl Plan {
    /// Moves the work item on to its next revision.
    fn write(&mut self, changed: Ticks, people: &[String], random: &mut Random) {
        let (date, person) = (json!(time::format(changed)), json!(random.pick(people)));
        if self.fields.is_empty() {
            self.fields = first_fields(self.id, &self.project, &date, &person, random);
        } else {
            self.change(&date, &person, people, random);
        }
        let last = self.revisions == 1;
        let fields = &mut self.fields;
        let count = fields["System.CommentCount"].as_i64().unwrap_or(0);
        fields.shift_remove("System.History");
        if random.percent(25) {
            fields["System.CommentCount"] = json!(count + 1);
            let words = text::paragraphs(random, 300);
            fields.insert("System.History".into(), json!(format!("<div>{words}</div>")));
        }
        if last && self.deleted {
            fields.insert("System.IsDeleted".into(), json!(true));
        }
        if let Some(project) = self.moves_to.take_if(|_| last) {
            for name in ["System.TeamProject", "System.AreaPath", "System.IterationPath"] {
                fields.insert(name.into(), json!(project));
            }
        }
        for name in ["System.ChangedDate", "System.AuthorizedDate"] {
            fields.insert(name.into(), date.clone());
        }
        for name in ["System.ChangedBy", "System.AuthorizedAs"] {
            fields.insert(name.into(), person.clone());
        }
    }

    fn change(&mut self, date: &Value, person: &Value, people: &[String], random: &mut Random) {
        let fields = &mut self.fields;
        let state = fields["System.State"].as_str().unwrap_or_default();
        let next = STATES.iter().position(|s| *s == state).map_or(0, |at| (at + 1) % STATES.len());
        if random.percent(60) {
            let who = ["", "Activated", "Resolved", "Closed"][next];
            let state = STATES[next];
            fields.insert("System.State".into(), json!(state));
            fields.insert("System.Reason".into(), json!(format!("Moved to state {state}")));
            fields.insert("Microsoft.VSTS.Common.StateChangeDate".into(), date.clone());
            if !who.is_empty() {
                fields.insert(format!("Microsoft.VSTS.Common.{who}Date"), date.clone());
                fields.insert(format!("Microsoft.VSTS.Common.{who}By"), person.clone());
            }
        }
        if random.percent(40) {
            fields.insert("System.AssignedTo".into(), json!(random.pick(people)));
        }
        if random.percent(20) {
            fields.insert("System.Title".into(), json!(text::title(random)));
        }
        if random.percent(10) {
            fields.shift_remove("System.AssignedTo");
        }
    }
}

fn first_fields(
    id: i64,
    project: &str,
    date: &Value,
    person: &Value,
    random: &mut Random,
) -> Map<String, Value> {
    let kind = *random.pick(&TYPES);
    let area = if random.percent(50) { format!("{project}\\Größe") } else { project.to_string() };
    let all = json!({
        "System.Id": id, "System.Rev": 0,
        "System.AreaId": 40 + id % 5, "System.AreaPath": area,
        "System.TeamProject": project, "System.NodeName": project,
        "System.IterationId": 60 + id % 3,
        "System.IterationPath": format!("{project}\\Iteration {}", id % 3 + 1),
        "System.WorkItemType": kind,
        "System.State": "New", "System.Reason": "New",
        "System.CreatedDate": date, "System.CreatedBy": person,
        "System.CommentCount": 0, "System.Title": text::title(random),
        "Microsoft.VSTS.Common.Priority": 1 + id % 4,
        "Microsoft.VSTS.Common.StateChangeDate": date,
    });
    let Value::Object(mut fields) = all else { return Map::new() };
    let mut put = |name: &str, value: Value| {
        fields.insert(name.into(), value);
    };
    match kind {
        "Bug" => {
            let steps = text::paragraphs(random, 500);
            put("Microsoft.VSTS.TCM.ReproSteps", json!(format!("<div>{steps}</div>")));
            put(
                "Custom.Severity",
                json!(["1 - Critical", "2 - High", "3 - Medium"][id as usize % 3]),
            );
        }
        "Task" => put("Microsoft.VSTS.Scheduling.RemainingWork", json!(0.5 * (id % 9) as f64)),
        "User Story" => {
            put("Microsoft.VSTS.Scheduling.StoryPoints", json!((id % 13) as f64));
            let criteria = text::paragraphs(random, 200);
            put("Microsoft.VSTS.Common.AcceptanceCriteria", json!(criteria));
        }
        _ => put("Microsoft.VSTS.Common.BusinessValue", json!(id % 100)),
    }
    if random.percent(60) {
        let words = text::paragraphs(random, 700);
        put("System.Description", json!(format!("<div>{words}</div>")));
    }
    match random.below(4) {
        0 => put("System.Tags", json!("blocked; größe; v2.0")),
        1 => put("System.Tags", json!("customer")),
        _ => {}
    }
    put("WEF_6CB513B6E70E43499D9FC94E5BBFB784_Kanban.Column", json!("Backlog"));
    fields
}
