//! Prompts and their completions as callers meet them, through the in-process runner.

use mcp_server::types::{GetPromptResult, PromptMessage, Role};
use mcp_server::{Arguments, FromArgument, HandlerError, Prompt, Server, ToolRunner, prompt};
use serde_json::json;

fn only(prompt: impl mcp_server::IntoPrompt) -> ToolRunner {
    let server = Server::new("test", "1.0.0").prompt(prompt);
    ToolRunner::new(server.build().expect("the server is well formed"))
}

fn texts(result: &GetPromptResult) -> Vec<(Role, &str)> {
    let text = |message: &PromptMessage| message.content.as_text().unwrap_or_default().len();
    assert!(result.messages.iter().all(|message| text(message) > 0));
    result
        .messages
        .iter()
        .map(|message| (message.role, message.content.as_text().unwrap_or_default()))
        .collect()
}

#[derive(Debug)]
enum Tone {
    Formal,
    Casual,
}

impl FromArgument for Tone {
    const EXPECTED: &'static str = "formal or casual";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "formal" => Some(Self::Formal),
            "casual" => Some(Self::Casual),
            _ => None,
        }
    }
}

const TONES: &[&str] = &["formal", "casual"];

/// Writes a letter.
#[prompt(title = "Letter")]
fn letter(
    /// Who gets it
    to: &str,
    #[mcp(title = "Tone", complete_with = TONES)] tone: Option<Tone>,
    #[mcp(default = 2, name = "pageCount")] pages: u8,
) -> String {
    format!("{to} {tone:?} {pages}")
}

#[test]
fn a_function_becomes_a_definition() {
    let listed = only(letter)
        .list_prompts(None)
        .wait()
        .unwrap()
        .prompts
        .remove(0);
    assert_eq!(
        (listed.name.as_str(), listed.title.as_deref()),
        ("letter", Some("Letter"))
    );
    assert_eq!(listed.description.as_deref(), Some("Writes a letter."));
    let arguments = listed.arguments.unwrap();
    let told: Vec<_> = arguments
        .iter()
        .map(|argument| {
            (
                argument.name.as_str(),
                argument.required,
                argument.title.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("to", Some(true), None),
            ("tone", Some(false), Some("Tone")),
            ("pageCount", Some(false), None)
        ]
    );
    assert_eq!(arguments[0].description.as_deref(), Some("Who gets it"));
}

#[test]
fn arguments_are_text_with_a_type() {
    let runner = only(letter);
    let result = runner
        .get(
            "letter",
            json!({"to": "Ada", "tone": "casual", "pageCount": "3"}),
        )
        .wait()
        .unwrap();
    assert_eq!(texts(&result), [(Role::User, "Ada Some(Casual) 3")]);
    assert_eq!(result.description.as_deref(), Some("Writes a letter."));
    let result = runner.get("letter", json!({"to": "Ada"})).wait().unwrap();
    assert_eq!(texts(&result), [(Role::User, "Ada None 2")]);
}

#[test]
fn what_is_wrong_with_a_request_is_an_error_that_names_it() {
    let runner = only(letter);
    for (arguments, expected) in [
        (
            json!({}),
            "Invalid arguments for prompt `letter`: `to`: expected a string, got nothing",
        ),
        (
            json!({"to": "x", "tune": "formal"}),
            "Invalid arguments for prompt `letter`: `tune`: expected one of `to`, `tone`, `pageCount`, got an unknown \
             argument; did you mean `tone`?",
        ),
        (
            json!({"to": "x", "tone": "rude"}),
            "`tone`: expected formal or casual, got other text",
        ),
        (
            json!({"to": 3}),
            "argument `to` must be a string, got the number 3",
        ),
        (
            json!([]),
            "`arguments` must be an object, got an empty array",
        ),
    ] {
        let error = runner.get("letter", arguments).wait().unwrap_err();
        assert_eq!((error.code, &*error.message), (-32602, expected));
    }
    let error = runner.get("lettre", "{}").wait().unwrap_err();
    assert_eq!(
        (error.code, &*error.message),
        (-32602, "Unknown prompt: lettre; did you mean `letter`?")
    );
}

#[prompt]
async fn conversation() -> Result<Vec<PromptMessage>, std::io::Error> {
    Ok(vec![
        PromptMessage::user("hello"),
        PromptMessage::assistant("hi"),
    ])
}

#[test]
fn messages_come_in_many_shapes() {
    let result = only(conversation).get("conversation", "{}").wait().unwrap();
    assert_eq!(
        texts(&result),
        [(Role::User, "hello"), (Role::Assistant, "hi")]
    );
    let built = Prompt::builder("built").get(|arguments: Arguments, _ctx| {
        assert_eq!(arguments.get("nothing"), None);
        Ok(GetPromptResult::new([PromptMessage::user("x")]).with_description("own"))
    });
    assert_eq!(
        only(built)
            .get("built", "{}")
            .wait()
            .unwrap()
            .description
            .as_deref(),
        Some("own")
    );
    let failing = Prompt::builder("failing").get(|_, _| Err::<String, _>(HandlerError::new("no")));
    let error = only(failing).get("failing", "{}").wait().unwrap_err();
    assert_eq!((error.code, &*error.message), (-32603, "no"));
}

#[test]
fn arguments_complete() {
    let runner = only(letter);
    let values = |argument: &str, typed: &str| {
        runner
            .complete_prompt("letter", argument, typed)
            .wait()
            .map(|result| result.completion.values)
    };
    assert_eq!(values("tone", "f").unwrap(), ["formal"]);
    assert_eq!(values("tone", "").unwrap(), ["formal", "casual"]);
    assert_eq!(
        values("to", "A").unwrap(),
        Vec::<String>::new(),
        "known, but nothing to suggest"
    );
    assert_eq!(values("nobody", "").unwrap_err().code, -32602);
    assert_eq!(
        runner
            .complete_prompt("lettr", "to", "")
            .wait()
            .unwrap_err()
            .code,
        -32602
    );
}
