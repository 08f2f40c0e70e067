//! The revision tables, the declarations beside the fields, the encoder, and the published schemas say the same.

#![allow(
    clippy::disallowed_types,
    reason = "schemas and samples are value trees"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mcp_types::revisions::{Differences, Members, differences, has_method};
use mcp_types::wire::{Field, Record};
use mcp_types::{Revision, Wire, to_string};
use serde_json::{Map, Value, json};
use support::{Schema, spec_dir, validate};

/// A type of the model, to be handled without knowing which.
struct Entry {
    /// Its name in the schema, and the path of the inline object where it has no name of its own.
    schema: (&'static str, &'static str),
    fields: &'static [Field],
    recode: fn(&Value, Revision) -> Result<Value, String>,
}

fn recode<T: Wire + serde::de::DeserializeOwned>(
    value: &Value,
    revision: Revision,
) -> Result<Value, String> {
    let decoded: T = serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())?;
    Ok(serde_json::from_str(&to_string(&decoded, revision)).expect("the encoder writes JSON"))
}

macro_rules! entries {
    ($($ty:ident $(= $name:literal $(. $path:literal)?)?),* $(,)?) => {
        [$(Entry {
            schema: entries!(@name $ty $($name $($path)?)?),
            fields: <mcp_types::$ty as Record>::FIELDS,
            recode: recode::<mcp_types::$ty>,
        }),*]
    };
    (@name $ty:ident) => { (<mcp_types::$ty as Record>::NAME, "") };
    (@name $ty:ident $name:literal) => { ($name, "") };
    (@name $ty:ident $name:literal $path:literal) => { ($name, $path) };
}

fn entries() -> Vec<Entry> {
    Vec::from(entries![
        Annotations,
        AudioContent,
        BlobResourceContents,
        BooleanSchema,
        CallToolRequestParams,
        CallToolResult,
        CancelledNotificationParams,
        ClientCapabilities,
        ClientTaskRequests = "ClientCapabilities"."tasks.requests.",
        ClientTasksCapability = "ClientCapabilities"."tasks.",
        CompleteRequestParams,
        CompleteResult,
        Completion = "CompleteResult"."completion.",
        CompletionArgument = "CompleteRequestParams"."argument.",
        CompletionContext = "CompleteRequestParams"."context.",
        CreateMessageRequestParams,
        CreateMessageResult,
        DiscoverResult,
        ElicitRequestFormParams,
        ElicitRequestUrlParams = "ElicitRequestURLParams",
        ElicitResult,
        ElicitationCapability = "ClientCapabilities"."elicitation.",
        ElicitationCompleteNotificationParams,
        ElicitationTaskRequests = "ClientCapabilities"."tasks.requests.elicitation.",
        EmbeddedResource,
        GetPromptRequestParams,
        GetPromptResult,
        Icon,
        ImageContent,
        Implementation,
        InitializeRequestParams,
        InitializeResult,
        InputRequiredResult,
        LegacyTitledEnumSchema,
        ListPromptsResult,
        ListResourceTemplatesResult,
        ListResourcesResult,
        ListRootsResult,
        ListTasksResult,
        ListToolsResult,
        LoggingMessageNotificationParams,
        ModelHint,
        ModelPreferences,
        NotificationParams,
        NumberSchema,
        PaginatedRequestParams,
        ProgressNotificationParams,
        Prompt,
        PromptArgument,
        PromptMessage,
        PromptReference,
        PromptsCapability = "ServerCapabilities"."prompts.",
        ReadResourceRequestParams,
        ReadResourceResult,
        RelatedTaskMetadata,
        RequestParams,
        RequestedSchema = "ElicitRequestFormParams"."requestedSchema.",
        Resource,
        ResourceLink,
        ResourceRequestParams,
        ResourceTemplate,
        ResourceTemplateReference,
        ResourceUpdatedNotificationParams,
        ResourcesCapability = "ServerCapabilities"."resources.",
        Root,
        RootsCapability = "ClientCapabilities"."roots.",
        SamplingCapability = "ClientCapabilities"."sampling.",
        SamplingMessage,
        SamplingTaskRequests = "ClientCapabilities"."tasks.requests.sampling.",
        ServerCapabilities,
        ServerTaskRequests = "ServerCapabilities"."tasks.requests.",
        ServerTasksCapability = "ServerCapabilities"."tasks.",
        SetLevelRequestParams,
        StringSchema,
        SubscribeRequestParams = "SubscribeRequestParams",
        SubscriptionFilter,
        SubscriptionsAcknowledgedNotificationParams,
        SubscriptionsListenRequestParams,
        SubscriptionsListenResult,
        Task,
        TaskMetadata,
        TaskRequestParams = "GetTaskRequestParams",
        TextContent,
        TextResourceContents,
        TitledItems = "TitledMultiSelectEnumSchema"."items.",
        TitledMultiSelectEnumSchema,
        TitledSingleSelectEnumSchema,
        Tool,
        ToolAnnotations,
        ToolChoice,
        ToolExecution,
        ToolResultContent,
        ToolTaskRequests = "ServerCapabilities"."tasks.requests.tools.",
        ToolUseContent,
        ToolsCapability = "ServerCapabilities"."tools.",
        UnsubscribeRequestParams = "UnsubscribeRequestParams",
        UntitledItems = "UntitledMultiSelectEnumSchema"."items.",
        UntitledMultiSelectEnumSchema,
        UntitledSingleSelectEnumSchema,
    ])
}

/// Types of a schema that the model covers without an entry of their own, and by what.
const COVERED: &[(&str, &str)] = &[
    ("CancelTaskRequestParams", "TaskRequestParams"),
    ("CreateTaskResult", "CreateTaskResult, which has two shapes"),
    ("GetTaskPayloadRequestParams", "TaskRequestParams"),
    ("GetTaskPayloadResult", "any result"),
    ("LoggingLevel", "LoggingLevel"),
    ("Role", "Role"),
    ("TaskStatus", "TaskStatus"),
];

/// Where the encoder differs from a schema on purpose.
fn is_deliberate(name: &str, member: &str, revision: Revision) -> bool {
    match (name, member) {
        // Sent in every revision: older peers ignore them, and extensions run on them.
        ("ClientCapabilities" | "ServerCapabilities", "extensions") => revision.is_legacy(),
        // From the tasks extension, whose schema is separate.
        ("SubscriptionFilter", "taskIds") => true,
        ("Task", "inputRequests" | "result" | "error" | "resultType" | "_meta") => true,
        // The schema of 2025-11-25 forgets what every notification and request has.
        ("GetTaskRequestParams" | "ElicitationCompleteNotificationParams", "_meta") => true,
        _ => false,
    }
}

/// The name of a type at an older revision.
fn name_at(revision: Revision, name: &str) -> String {
    let mut name = name;
    for older in Revision::ALL
        .into_iter()
        .rev()
        .filter(|&older| older >= revision)
    {
        if let Some((here, _)) = differences(older)
            .renames
            .iter()
            .find(|(_, newer)| *newer == name)
        {
            name = here;
        }
    }
    name.to_owned()
}

fn table(entries: BTreeMap<String, Vec<String>>) -> String {
    let lines: Vec<String> = entries
        .iter()
        .map(|(name, members)| format!("({name:?}, &{members:?})"))
        .collect();
    format!("&[{}]", lines.join(", "))
}

fn listed(members: &[Members]) -> BTreeMap<String, Vec<String>> {
    members
        .iter()
        .map(|(name, members)| {
            (
                (*name).to_owned(),
                members.iter().map(|&member| member.to_owned()).collect(),
            )
        })
        .collect()
}

type Types = BTreeMap<String, BTreeMap<String, bool>>;

/// What the table of a revision has to say, computed from its schema and that of the next newer one.
fn derive(
    table: &Differences,
    here: &Schema,
    newer: &Schema,
) -> Vec<(&'static str, String, String)> {
    let difference =
        |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    let (methods, newer_methods) = (here.methods(), newer.methods());
    let mut types: Types = here.types();
    for (old, new) in table.renames {
        let members = types
            .remove(*old)
            .unwrap_or_else(|| panic!("{} has no {old}", table.revision));
        types.insert((*new).to_owned(), members);
    }
    let newer_types = newer.types();
    let names: BTreeSet<String> = types.keys().cloned().collect();
    let newer_names: BTreeSet<String> = newer_types.keys().cloned().collect();

    let mut lacks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut keeps = lacks.clone();
    let mut requires = lacks.clone();
    let mut relaxes = lacks.clone();
    for name in names.intersection(&newer_names) {
        let (members, newer_members) = (&types[name], &newer_types[name]);
        let note = |list: &mut BTreeMap<String, Vec<String>>, member: &String| {
            // Members of an inline object that is listed itself go without saying.
            let noted = list.entry(name.clone()).or_default();
            if !noted
                .iter()
                .any(|outer| member.starts_with(&format!("{outer}.")))
            {
                noted.push(member.clone());
            }
        };
        for (member, newer_required) in newer_members {
            match members.get(member) {
                None => note(&mut lacks, member),
                Some(false) if *newer_required => note(&mut relaxes, member),
                Some(true) if !*newer_required => note(&mut requires, member),
                Some(_) => {}
            }
        }
        for (member, required) in members {
            if !newer_members.contains_key(member) {
                note(&mut keeps, member);
                if *required && !member.contains('.') {
                    note(&mut requires, member);
                }
            }
        }
    }
    let names_of = |list: &[&str]| format!("{list:?}");
    let found = |list: Vec<String>| format!("{list:?}");
    let members_of = |list: &[Members]| self::table(listed(list));
    vec![
        (
            "lacks_methods",
            names_of(table.lacks_methods),
            found(difference(&newer_methods, &methods)),
        ),
        (
            "lacks_types",
            names_of(table.lacks_types),
            found(difference(&newer_names, &names)),
        ),
        (
            "lacks_members",
            members_of(table.lacks_members),
            self::table(lacks),
        ),
        (
            "keeps_methods",
            names_of(table.keeps_methods),
            found(difference(&methods, &newer_methods)),
        ),
        (
            "keeps_types",
            names_of(table.keeps_types),
            found(difference(&names, &newer_names)),
        ),
        (
            "keeps_members",
            members_of(table.keeps_members),
            self::table(keeps),
        ),
        (
            "requires",
            members_of(table.requires),
            self::table(requires),
        ),
        ("relaxes", members_of(table.relaxes), self::table(relaxes)),
    ]
}

#[test]
fn the_tables_are_what_the_published_schemas_differ_in() {
    let Some(dir) = spec_dir("revision tables against the schemas") else {
        return;
    };
    let mut wrong = Vec::new();
    for revision in Revision::ALL {
        let Some(newer) = revision.newer() else {
            assert_eq!(
                *differences(revision),
                Differences {
                    revision,
                    ..*differences(Revision::LATEST)
                }
            );
            continue;
        };
        let table = differences(revision);
        assert_eq!(table.revision, revision);
        for (what, listed, derived) in
            derive(table, &Schema::at(&dir, revision), &Schema::at(&dir, newer))
        {
            if listed != derived {
                wrong.push(format!(
                    "{revision} {what}\n   listed {listed}\n  derived {derived}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn methods_exist_where_the_schemas_have_them() {
    let Some(dir) = spec_dir("methods against the schemas") else {
        return;
    };
    let schemas = Revision::ALL.map(|revision| (revision, Schema::at(&dir, revision).methods()));
    let all: BTreeSet<&String> = schemas.iter().flat_map(|(_, methods)| methods).collect();
    for (revision, methods) in &schemas {
        for method in &all {
            assert_eq!(
                has_method(*revision, method),
                methods.contains(*method),
                "{method} at {revision}"
            );
        }
    }
    assert!(!has_method(Revision::LATEST, "no/such/method"));
}

#[test]
fn every_type_of_every_schema_is_modelled() {
    let Some(dir) = spec_dir("the model against the schemas") else {
        return;
    };
    let entries = entries();
    for revision in Revision::ALL {
        for name in Schema::at(&dir, revision).types().keys() {
            let modelled = entries
                .iter()
                .any(|entry| name_at(revision, entry.schema.0) == *name)
                || COVERED.iter().any(|(covered, _)| covered == name);
            assert!(modelled, "{name} of {revision}");
        }
    }
}

#[test]
fn every_field_is_declared_for_exactly_the_revisions_that_have_it() {
    let Some(dir) = spec_dir("field declarations against the schemas") else {
        return;
    };
    let mut wrong = Vec::new();
    for revision in Revision::ALL {
        let types = Schema::at(&dir, revision).types();
        for Entry {
            schema: (name, path),
            fields,
            ..
        } in entries()
        {
            let Some(members) = types.get(&name_at(revision, name)) else {
                continue;
            };
            let published: BTreeSet<&str> = members
                .keys()
                .filter_map(|member| member.strip_prefix(path))
                .filter(|member| !member.contains('.'))
                .collect();
            if published.is_empty() && !path.is_empty() {
                continue;
            }
            let declared: BTreeSet<&str> = fields
                .iter()
                .filter_map(|field| field.name_at(revision))
                .collect();
            for member in published.symmetric_difference(&declared) {
                if !is_deliberate(name, member, revision) {
                    let who = if published.contains(member) {
                        "only the schema"
                    } else {
                        "only the model"
                    };
                    wrong.push(format!("{name} {path}{member} at {revision}: {who}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A value with every member that a schema allows; `turn` chooses among alternatives.
fn sample(schema: &Schema, rule: &Value, turn: usize, depth: usize) -> Value {
    let rule = schema.resolve(rule);
    if let Some(constant) = rule.get("const") {
        return constant.clone();
    }
    if let Some(Value::Array(allowed)) = rule.get("enum") {
        return allowed[turn % allowed.len()].clone();
    }
    if let Some(Value::Array(options)) = rule.get("anyOf") {
        // The last alternative is never a recursive one.
        let choice = if depth < 6 {
            turn % options.len()
        } else {
            options.len() - 1
        };
        return sample(schema, &options[choice], turn, depth + 1);
    }
    let kind = match rule.get("type") {
        Some(Value::Array(kinds)) => kinds[turn % kinds.len()].as_str(),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("string") => json!(if rule["format"] == "byte" {
            "aGk="
        } else {
            "x"
        }),
        Some("integer") => json!(7),
        Some("number") => json!(0.5),
        Some("boolean") => json!(turn.is_multiple_of(2)),
        Some("null") => Value::Null,
        Some("array") => {
            let rules = schema.resolve(&rule["items"]);
            let alternatives = rules["anyOf"].as_array().map_or(1, Vec::len);
            // Every kind once, in an order that depends on the turn.
            // Deep down two will do; not one, which sampled content writes as an object.
            let alternatives = if depth < 6 {
                alternatives
            } else {
                alternatives.min(2)
            };
            let turns = (0..alternatives).map(|at| at + turn);
            turns
                .map(|turn| sample(schema, rules, turn, depth + 1))
                .collect()
        }
        Some("object") | None => {
            let mut members = Map::new();
            for (name, rule) in rule["properties"].as_object().into_iter().flatten() {
                let mut value = sample(schema, rule, turn, depth + 1);
                if name == "_meta" {
                    // The reserved keys come and go; a foreign one stays.
                    value["com.example/key"] = json!("x");
                }
                members.insert(name.clone(), value);
            }
            if let Some(rule) = rule
                .get("additionalProperties")
                .filter(|rule| rule.is_object() && depth > 0)
            {
                members.insert("anything".to_owned(), sample(schema, rule, turn, depth + 1));
            }
            Value::Object(members)
        }
        Some(other) => panic!("unknown type {other}"),
    }
}

/// Adds the members of a newer sample; `deep` also within objects.
fn merge(into: &mut Value, from: Value, deep: bool) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                match into.get_mut(&name) {
                    Some(there) if deep => merge(there, value, true),
                    _ => drop(into.insert(name, value)),
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// A value with every member that any revision has. Members of different revisions meet in one value, as they do in the
/// neutral model.
fn fullest(schemas: &[(Revision, Schema)], name: &str, turn: usize) -> Option<Value> {
    let mut fullest = None;
    for (revision, schema) in schemas {
        if let Some(rule) = schema.defs.get(&name_at(*revision, name)) {
            let sample = sample(schema, rule, turn, 0);
            match &mut fullest {
                Some(there) => merge(there, sample, name.ends_with("Capabilities")),
                None => fullest = Some(sample),
            }
        }
    }
    fullest
}

fn load(dir: &Path) -> Vec<(Revision, Schema)> {
    Revision::ALL
        .map(|revision| (revision, Schema::at(dir, revision)))
        .into()
}

#[test]
fn the_encoder_emits_what_each_schema_has_and_nothing_else() {
    let Some(dir) = spec_dir("the encoder against the schemas") else {
        return;
    };
    let schemas = load(&dir);
    let mut wrong = BTreeSet::new();
    let mut checked = 0;
    for Entry {
        schema: (name, path),
        fields,
        recode,
    } in entries()
        .into_iter()
        .filter(|entry| entry.schema.1.is_empty())
    {
        assert!(path.is_empty());
        for turn in 0..12 {
            let Some(value) = fullest(&schemas, name, turn) else {
                panic!("no schema has {name}")
            };
            for (revision, schema) in &schemas {
                let Some(rule) = schema.defs.get(&name_at(*revision, name)) else {
                    continue;
                };
                let emitted = match recode(&value, *revision) {
                    Ok(emitted) => emitted,
                    Err(error) => {
                        wrong.insert(format!("{name}: {error} in {value}"));
                        continue;
                    }
                };
                checked += 1;
                if let Err(error) = validate(schema, rule, &emitted, name) {
                    wrong.insert(format!("at {revision} {error}"));
                }
                let emitted: BTreeSet<&str> = emitted
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(member, _)| member.as_str())
                    .collect();
                for field in fields.iter().filter_map(|field| field.name_at(*revision)) {
                    if !emitted.contains(field) && !is_withheld(name, field, &value, *revision) {
                        wrong.insert(format!("{name}.{field} is not emitted at {revision}"));
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.into_iter().collect::<Vec<_>>().join("\n")
    );
    assert!(checked > 2000, "only {checked} values were checked");
}

/// What is not emitted although the revision has the member, because the value does not fit it.
fn is_withheld(name: &str, field: &str, value: &Value, revision: Revision) -> bool {
    match (name, field) {
        ("CallToolResult" | "ToolResultContent", "structuredContent") => {
            revision.is_legacy() && !value[field].is_object()
        }
        ("Tool", "outputSchema") => revision.is_legacy() && value[field]["type"] != "object",
        // Not in the samples: the extension's, and what the schema of 2025-11-25 forgets.
        _ => is_deliberate(name, field, revision) || value.get(field).is_none(),
    }
}

#[test]
fn tasks_of_the_extension_and_of_2025_11_25_keep_their_shapes() {
    let Some(dir) = spec_dir("tasks against their schemas") else {
        return;
    };
    let extension = Schema::load(&dir, "ext-tasks");
    let latest = Revision::LATEST;
    for name in [
        "WorkingTask",
        "InputRequiredTask",
        "CompletedTask",
        "FailedTask",
        "CancelledTask",
    ] {
        for turn in 0..3 {
            let task = sample(&extension, &extension.defs[name], turn, 1);
            let emitted = recode::<mcp_types::Task>(&task, latest).expect("a task");
            validate(&extension, &extension.defs[name], &emitted, name).expect("valid");
            assert_eq!(emitted, task);
            // The answer to `tasks/get` is the task with a result type.
            let mut result = task.clone();
            result["resultType"] = json!("complete");
            assert_eq!(
                recode::<mcp_types::GetTaskResult>(&result, latest).expect("a task"),
                result
            );
        }
    }
    let mut created = sample(&extension, &extension.defs["Task"], 0, 1);
    created["resultType"] = json!("task");
    created["_meta"] = json!({"com.example/key": 1});
    assert_eq!(
        recode::<mcp_types::CreateTaskResult>(&created, latest).expect("a new task"),
        created
    );

    let update = extension.defs["UpdateTaskRequest"]["allOf"][1]
        .pointer("/properties/params")
        .expect("parameters");
    let update = sample(&extension, update, 2, 1);
    assert_eq!(
        recode::<mcp_types::UpdateTaskRequestParams>(&update, latest).expect("an update"),
        update
    );

    let legacy = Schema::at(&dir, Revision::V2025_11_25);
    let mut wrapped = sample(&legacy, &legacy.defs["CreateTaskResult"], 0, 0);
    wrapped["_meta"] = json!({"io.modelcontextprotocol/related-task": {"taskId": "x"}});
    let emitted =
        recode::<mcp_types::CreateTaskResult>(&wrapped, Revision::V2025_11_25).expect("a new task");
    validate(
        &legacy,
        &legacy.defs["CreateTaskResult"],
        &emitted,
        "CreateTaskResult",
    )
    .expect("valid");
    assert_eq!(emitted, wrapped);

    // The same new task, told to a modern peer and to a legacy one.
    let told =
        recode::<mcp_types::CreateTaskResult>(&created, Revision::V2025_11_25).expect("a new task");
    validate(
        &legacy,
        &legacy.defs["CreateTaskResult"],
        &told,
        "CreateTaskResult",
    )
    .expect("valid");
}

#[test]
fn error_data_has_the_shape_of_the_schemas() {
    let Some(dir) = spec_dir("error data against the schemas") else {
        return;
    };
    fn data<T: Wire + serde::de::DeserializeOwned>(dir: &Path, revision: Revision, name: &str) {
        let schema = Schema::at(dir, revision);
        let error = schema.defs[name]
            .pointer("/properties/error/allOf/1/properties/data")
            .expect("data");
        let value = sample(&schema, error, 1, 1);
        let emitted = recode::<T>(&value, revision).expect("decodes");
        validate(&schema, error, &emitted, name).expect("valid");
        assert_eq!(emitted, value);
    }
    data::<mcp_types::UnsupportedProtocolVersionData>(
        &dir,
        Revision::LATEST,
        "UnsupportedProtocolVersionError",
    );
    data::<mcp_types::MissingRequiredClientCapabilityData>(
        &dir,
        Revision::LATEST,
        "MissingRequiredClientCapabilityError",
    );
    data::<mcp_types::UrlElicitationRequiredData>(
        &dir,
        Revision::V2025_11_25,
        "URLElicitationRequiredError",
    );
}

#[test]
fn the_reserved_keys_of_metadata_are_those_of_the_schema() {
    let Some(dir) = spec_dir("metadata keys against the schema") else {
        return;
    };
    let schema = Schema::at(&dir, Revision::LATEST);
    let mut keys = BTreeSet::new();
    for (_, def) in schema
        .defs
        .iter()
        .filter(|(name, _)| name.ends_with("MetaObject"))
    {
        keys.extend(
            def["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.clone()),
        );
    }
    let meta: Map<String, Value> = keys.iter().map(|key| (key.clone(), json!("x"))).collect();
    let written = |revision| {
        let meta: mcp_types::Meta =
            serde_json::from_value(Value::Object(meta.clone())).expect("metadata");
        let text = to_string(&meta, revision);
        serde_json::from_str::<Map<String, Value>>(&text)
            .expect("JSON")
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        written(Revision::LATEST),
        keys.into_iter().collect::<Vec<_>>()
    );
    assert_eq!(written(Revision::LATEST_LEGACY), ["progressToken"]);
}
