//! The forms that a user can be shown, and what may come back from them.
//!
//! Owns the restricted profile of elicitation: flat objects of texts, numbers, yes-or-no and choices, derived
//! from a Rust type or checked as given, and the validation of submitted content against it. Must never
//! send a form that a client need not understand: the fault is named here, by its field.
//!
//! Specified in 2026-07-28, client/elicitation, "Requested Schema".

use mcp_types::{
    BooleanSchema, ElicitAction, ElicitResult, EnumOption, Json, Map, NumberKind, NumberSchema,
    Object, PrimitiveSchemaDefinition as Field, RequestedSchema, StringFormat, StringSchema,
    TitledItems, TitledMultiSelectEnumSchema, TitledSingleSelectEnumSchema, UntitledItems,
    UntitledMultiSelectEnumSchema, UntitledSingleSelectEnumSchema, describe,
};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::formats::{is_date, is_date_time, is_email, is_uri};

type Members = serde_json::Map<String, Value>;

/// A value and its title.
type Choice = (String, Option<String>);

/// Keywords that say something for people or tools and constrain nothing.
const ANNOTATIONS: [&str; 6] = [
    "$comment",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "uniqueItems",
];

/// The form for a Rust struct.
///
/// # Errors
/// Names the field that no form can have, and why.
pub(crate) fn derive<T: JsonSchema>() -> Result<RequestedSchema, String> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    let root = schema
        .as_object()
        .filter(|root| root.get("type").is_some_and(|kind| kind == "object"));
    let root = root.ok_or("a form must be a struct with named fields")?;
    if let Some(keyword) = ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .find(|keyword| root.contains_key(*keyword))
    {
        return Err(format!(
            "a form must be a plain struct, not one with alternatives (`{keyword}`)"
        ));
    }
    let empty = Members::new();
    let properties = root
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let required: Vec<&str> = root
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut fields: Map<Field> = Map::new();
    // In the order of declaration.
    for (name, schema) in properties {
        fields.insert(
            name.clone(),
            field(schema).map_err(|problem| at(name, &problem))?,
        );
    }
    let mut form = RequestedSchema::new(fields);
    if !required.is_empty() {
        form.required = Some(required.into_iter().map(str::to_owned).collect());
    }
    check_form(&form)?;
    Ok(form)
}

fn at(name: &str, problem: &str) -> String {
    format!("field `{name}` of the form: {problem}")
}

/// One property, as `schemars` writes it.
fn field(schema: &Value) -> Result<Field, String> {
    let mut members = schema
        .as_object()
        .cloned()
        .ok_or("any value at all: give it a type")?;
    without_null(&mut members);
    for keyword in ANNOTATIONS {
        members.remove(keyword);
    }
    if let Some(options) = options(&mut members)? {
        let raw = choice(options, members);
        return decode(raw);
    }
    match members.get("type").and_then(Value::as_str) {
        Some("number" | "integer") => {
            // Rust's own: `int32`, `double`. The bounds say the same.
            members.remove("format");
        }
        Some("array") => {
            let items = members
                .get_mut("items")
                .and_then(Value::as_object_mut)
                .map(core::mem::take);
            let mut items = items.ok_or("a list of anything: a form has lists of choices only")?;
            let options =
                options(&mut items)?.ok_or("a list that is not one of choices: use an enum")?;
            let raw = choice(options, items);
            let inner = if raw.contains_key("oneOf") {
                "oneOf"
            } else {
                "enum"
            };
            let outer = if inner == "oneOf" { "anyOf" } else { "enum" };
            let mut list = Members::new();
            if outer == "enum" {
                list.insert("type".into(), "string".into());
            }
            list.insert(outer.into(), raw.get(inner).cloned().unwrap_or_default());
            members.insert("items".into(), list.into());
        }
        Some("object") => return Err("a nested object: a form is flat".into()),
        Some("string" | "boolean") => {}
        Some(other) => return Err(format!("of type `{other}`")),
        None if members.contains_key("$ref") => return Err("a type that refers to itself".into()),
        None => return Err("more than one type: give it exactly one".into()),
    }
    decode(members)
}

fn decode(members: Members) -> Result<Field, String> {
    serde_json::from_value(Value::Object(members)).map_err(|error| error.to_string())
}

/// An optional field may be left out of a form; it is never `null` in one.
fn without_null(members: &mut Members) {
    if members.get("default").is_some_and(Value::is_null) {
        members.remove("default");
    }
    if let Some(Value::Array(kinds)) = members.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            members.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = members.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(alternatives)) = members.get_mut("anyOf") {
        let null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
        alternatives.retain(|schema| !null(schema));
        if let [Value::Object(only)] = alternatives.as_slice() {
            let only = only.clone();
            members.remove("anyOf");
            for (key, value) in only {
                members.entry(key).or_insert(value);
            }
        }
    }
}

/// The options of a choice among texts, taken out of the schema: `enum`, `const`, or alternatives of those.
fn options(members: &mut Members) -> Result<Option<Vec<Choice>>, String> {
    let mut found = Vec::new();
    let alternatives = ["oneOf", "anyOf"]
        .into_iter()
        .find_map(|keyword| members.remove(keyword));
    let Some(alternatives) = alternatives else {
        return Ok(
            values(members)?.map(|values| values.into_iter().map(|value| (value, None)).collect())
        );
    };
    for alternative in alternatives.as_array().into_iter().flatten() {
        let mut alternative = alternative.as_object().cloned().unwrap_or_default();
        let values =
            values(&mut alternative)?.ok_or("an enum with data: a form has plain choices only")?;
        let text = |key| {
            alternative
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let title = text("title").or_else(|| text("description"));
        found.extend(values.into_iter().map(|value| (value, title.clone())));
    }
    Ok(Some(found))
}

fn values(members: &mut Members) -> Result<Option<Vec<String>>, String> {
    let values = match (members.remove("enum"), members.remove("const")) {
        (Some(Value::Array(values)), _) => values,
        (_, Some(value)) => vec![value],
        _ => return Ok(None),
    };
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        other => Err(format!(
            "a choice of {other}: only texts can be chosen from"
        )),
    };
    values
        .into_iter()
        .map(text)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn choice(options: Vec<Choice>, mut members: Members) -> Members {
    members.insert("type".into(), "string".into());
    if options.iter().any(|(_, title)| title.is_some()) {
        let titled = options.into_iter().map(|(value, title)| {
            let title = title.unwrap_or_else(|| value.clone());
            serde_json::json!({"const": value, "title": title})
        });
        members.insert("oneOf".into(), titled.collect());
    } else {
        members.insert(
            "enum".into(),
            options.into_iter().map(|(value, _)| value).collect(),
        );
    }
    members
}

/// Whether a form is within the profile.
///
/// # Errors
/// Names the field that is not, and why.
pub(crate) fn check_form(form: &RequestedSchema) -> Result<(), String> {
    if let Some((keyword, _)) = form.extra.iter().next() {
        return Err(format!("a form has no `{keyword}`"));
    }
    for name in form.required.iter().flatten() {
        if !form.properties.contains_key(name) {
            return Err(format!("`{name}` is required, but no field of the form"));
        }
    }
    form.properties
        .iter()
        .try_for_each(|(name, field)| check_field(field).map_err(|problem| at(name, &problem)))
}

fn check_field(field: &Field) -> Result<(), String> {
    let known = |extra: &Object| match extra.keys().next() {
        Some(keyword) => Err(format!(
            "`{keyword}` is not possible here; check it when the answer is there"
        )),
        None => Ok(()),
    };
    let choices = |count: usize| {
        if count == 0 {
            Err("nothing to choose from".to_owned())
        } else {
            Ok(())
        }
    };
    match field {
        Field::String(StringSchema {
            format: Some(StringFormat::Other(format)),
            ..
        }) => Err(format!(
            "the format `{format}` is not possible; there are email, uri, date and date-time"
        )),
        Field::String(schema) => known(&schema.extra),
        Field::Number(schema) => known(&schema.extra),
        Field::Boolean(BooleanSchema { extra, .. }) => known(extra),
        Field::UntitledSingleSelect(schema) => {
            known(&schema.extra).and_then(|()| choices(schema.values.len()))
        }
        Field::TitledSingleSelect(schema) => {
            known(&schema.extra).and_then(|()| choices(schema.options.len()))
        }
        Field::UntitledMultiSelect(schema) => {
            known(&schema.extra).and_then(|()| choices(schema.items.values.len()))
        }
        Field::TitledMultiSelect(schema) => {
            known(&schema.extra).and_then(|()| choices(schema.items.options.len()))
        }
        Field::LegacyTitledEnum(schema) => {
            known(&schema.extra).and_then(|()| choices(schema.values.len()))
        }
        _ => Err("only texts, numbers, yes-or-no and choices are possible".into()),
    }
}

/// What a user did with a form, read and checked.
///
/// # Errors
/// Says where the answer is wrong, what was expected and what came. Members that the form does not have are
/// ignored, as the specification asks.
pub(crate) fn read(form: &RequestedSchema, raw: &str) -> Result<(ElicitAction, Object), String> {
    let result = read_action(raw)?;
    let mut content = Object::new();
    if result.action != ElicitAction::Accept {
        return Ok((result.action, content));
    }
    let given = result.content.unwrap_or_default();
    for (name, field) in form.properties.iter() {
        let required = form
            .required
            .iter()
            .flatten()
            .any(|required| required == name);
        match given.get(name).filter(|value| !value.is_null()) {
            Some(value) => {
                let value = read_value(field, value)
                    .map_err(|problem| format!("content.{name}: {problem}"))?;
                content.insert(name.to_owned(), value);
            }
            None if required => return Err(format!("content.{name}: expected a value, got none")),
            None => {}
        }
    }
    Ok((result.action, content))
}

/// The action alone, for a URL.
pub(crate) fn read_action(raw: &str) -> Result<ElicitResult, String> {
    serde_json::from_str(raw).map_err(|error| {
        let problem = describe(&error);
        format!("expected the result of elicitation/create, an object with `action`: {problem}")
    })
}

/// The value in the form in which its Rust type reads it: an integer without a fraction.
fn read_value(field: &Field, raw: &Json) -> Result<Json, String> {
    let value: Value = raw.decode().map_err(|error| describe(&error))?;
    let text = || value.as_str().ok_or_else(|| expected("a text", &value));
    match field {
        Field::String(schema) => check_text(schema, text()?)?,
        Field::Number(schema) => return read_number(schema, &value, raw),
        Field::Boolean(_) if value.is_boolean() => {}
        Field::Boolean(_) => return Err(expected("true or false", &value)),
        Field::UntitledSingleSelect(UntitledSingleSelectEnumSchema { values, .. }) => {
            one_of(text()?, values.iter())?;
        }
        Field::LegacyTitledEnum(schema) => one_of(text()?, schema.values.iter())?,
        Field::TitledSingleSelect(TitledSingleSelectEnumSchema { options, .. }) => {
            one_of(text()?, titled(options))?;
        }
        Field::UntitledMultiSelect(UntitledMultiSelectEnumSchema {
            items: UntitledItems { values, .. },
            min_items,
            max_items,
            ..
        }) => some_of(&value, values.iter(), *min_items, *max_items)?,
        Field::TitledMultiSelect(TitledMultiSelectEnumSchema {
            items: TitledItems { options, .. },
            min_items,
            max_items,
            ..
        }) => some_of(&value, titled(options), *min_items, *max_items)?,
        _ => {}
    }
    Ok(raw.clone())
}

fn titled(options: &[EnumOption]) -> impl Iterator<Item = &String> + Clone {
    options.iter().map(|option| &option.value)
}

fn expected(what: &str, got: &Value) -> String {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("expected {what}, got {got}")
}

fn one_of<'a>(text: &str, values: impl Iterator<Item = &'a String> + Clone) -> Result<(), String> {
    if values.clone().any(|value| value == text) {
        return Ok(());
    }
    let known: Vec<String> = values.map(|value| format!("`{value}`")).collect();
    Err(format!(
        "expected one of {}, got another text",
        known.join(", ")
    ))
}

fn some_of<'a>(
    value: &Value,
    values: impl Iterator<Item = &'a String> + Clone,
    min: Option<u64>,
    max: Option<u64>,
) -> Result<(), String> {
    let list = value
        .as_array()
        .ok_or_else(|| expected("a list of choices", value))?;
    for item in list {
        one_of(
            item.as_str()
                .ok_or_else(|| expected("a list of texts", item))?,
            values.clone(),
        )?;
    }
    in_range("choices", list.len() as u64, min, max)
}

fn in_range(what: &str, count: u64, min: Option<u64>, max: Option<u64>) -> Result<(), String> {
    match (
        min.filter(|min| count < *min),
        max.filter(|max| count > *max),
    ) {
        (Some(min), _) => Err(format!("expected at least {min} {what}, got {count}")),
        (_, Some(max)) => Err(format!("expected at most {max} {what}, got {count}")),
        _ => Ok(()),
    }
}

fn read_number(schema: &NumberSchema, value: &Value, raw: &Json) -> Result<Json, String> {
    let integer = schema.kind == NumberKind::Integer;
    let what = if integer { "an integer" } else { "a number" };
    let number = value
        .as_f64()
        .filter(|number| number.is_finite())
        .ok_or_else(|| expected(what, value))?;
    if let Some(min) = schema.minimum.filter(|min| number < *min) {
        return Err(format!("expected at least {min}, got less"));
    }
    if let Some(max) = schema.maximum.filter(|max| number > *max) {
        return Err(format!("expected at most {max}, got more"));
    }
    if !integer || value.is_i64() || value.is_u64() {
        return Ok(raw.clone());
    }
    // `3.0` is an integer in JSON Schema, but not to serde. Beyond 2^53 a float does not tell integers apart.
    if number.fract() != 0.0 || number.abs() > 9_007_199_254_740_992.0 {
        return Err("expected an integer, got a fraction".into());
    }
    Ok(Json::from(number as i64))
}

fn check_text(schema: &StringSchema, text: &str) -> Result<(), String> {
    in_range(
        "characters",
        text.chars().count() as u64,
        schema.min_length,
        schema.max_length,
    )?;
    let (fits, what) = match &schema.format {
        Some(StringFormat::Email) => (is_email(text), "an e-mail address"),
        Some(StringFormat::Uri) => (is_uri(text), "a URI"),
        Some(StringFormat::Date) => (is_date(text), "a date such as 2026-07-28"),
        Some(StringFormat::DateTime) => (
            is_date_time(text),
            "a date and time such as 2026-07-28T12:00:00Z",
        ),
        _ => (true, ""),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("expected {what}, got another text"))
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
