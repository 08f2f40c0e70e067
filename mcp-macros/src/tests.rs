//! Every mistake that the attributes find, with the message and the place that the author sees.

use std::str::FromStr;

use proc_macro2::TokenStream;
use syn::Result;

type Expand = fn(TokenStream, TokenStream) -> Result<TokenStream>;

/// Expands, and gives the message and the piece of source that it points at.
fn refused(expand: Expand, options: &str, item: &str) -> (String, String) {
    let tokens = |text: &str| TokenStream::from_str(text).expect("it can be split into tokens");
    let error = expand(tokens(options), tokens(item)).expect_err("it is a mistake");
    (
        error.to_string(),
        error.span().source_text().unwrap_or_default(),
    )
}

#[track_caller]
fn check(expand: Expand, rows: &[(&str, &str, &str, &str)]) {
    for (options, item, message, place) in rows {
        let (told, at) = refused(expand, options, item);
        assert_eq!(
            (told.as_str(), at.as_str()),
            (*message, *place),
            "#[…({options})] {item}"
        );
    }
}

#[test]
fn functions_that_are_no_handlers() {
    check(
        crate::tool::expand,
        &[
            ("", "struct S;", "#[tool] goes on a function", "struct"),
            (
                "",
                "fn f(&self) {}",
                "a #[tool] function has no `self`: take a `State<T>` argument, or build it from a closure with \
                 `Tool::builder`",
                "&self",
            ),
            (
                "",
                "fn f<T>(a: T) {}",
                "a #[tool] function has no generics: its schema must be known",
                "<T>",
            ),
            (
                "",
                "fn f<'a>(a: &'a str) {}",
                "a #[tool] function has no generics: its schema must be known",
                "<'a>",
            ),
            (
                "",
                "unsafe fn f() {}",
                "a #[tool] function is safe: anybody may call it",
                "fn",
            ),
            (
                "",
                "extern \"C\" fn f() {}",
                "a #[tool] function is an ordinary Rust function",
                "extern \"C\"",
            ),
            (
                "blocking",
                "async fn f() {}",
                "`blocking` is for a plain `fn`: an `async fn` must not block",
                "fn",
            ),
            (
                "spawn",
                "fn f() {}",
                "`spawn` is for an `async fn`; a plain `fn` that takes long is `blocking`",
                "fn",
            ),
            (
                "",
                "fn f(r: ReadRequest) {}",
                "a `ReadRequest` is for resources",
                "ReadRequest",
            ),
        ],
    );
}

#[test]
fn arguments_that_cannot_be_sent() {
    check(
        crate::tool::expand,
        &[
            (
                "",
                "fn f(_: u8) {}",
                "an argument needs a name: clients send it by that name",
                "_",
            ),
            (
                "",
                "fn f((a, b): (u8, u8)) {}",
                "an argument is a plain name: take the value apart inside of the function",
                "(a, b)",
            ),
            (
                "",
                "fn f(a: impl Copy) {}",
                "an argument has a concrete type: its schema must be known",
                "impl Copy",
            ),
            (
                "",
                "fn f(a: &mut u8) {}",
                "an argument is not borrowed mutably: take it by value",
                "mut",
            ),
            (
                "",
                "fn f(a: &'static str) {}",
                "an argument lives only as long as the call: drop the lifetime",
                "'static",
            ),
            (
                "",
                "fn f(a: Option<&u8>) {}",
                "of references, an `Option` may hold only `&str`",
                "&u8",
            ),
            (
                "",
                "fn f(a: Vec<&str>) {}",
                "nothing inside of an argument borrows: write `Vec<String>`, not `Vec<&str>`",
                "&",
            ),
            (
                "",
                "fn f(a: &[(u8, &str)]) {}",
                "nothing inside of an argument borrows: write `Vec<String>`, not `Vec<&str>`",
                "&",
            ),
            (
                "",
                "fn f(kept: Cow<'static, str>, a: Cow<'_, str>) {}",
                "nothing inside of an argument borrows: write `Vec<String>`, not `Vec<&str>`",
                "'",
            ),
            (
                "",
                "fn f(a: u8, #[mcp(name = \"a\")] b: u8) {}",
                "there are two arguments called `a`",
                "b",
            ),
            (
                "",
                "fn f(#[mcp(header = \"a\")] ctx: Context) {}",
                "`Context` comes from the framework and takes no attributes",
                "#[mcp(header = \"a\")]",
            ),
            (
                "",
                "fn f(#[foo] a: u8) {}",
                "an argument takes only doc comments, `#[mcp(…)]`, `#[serde(…)]` and `#[schemars(…)]`",
                "#[foo]",
            ),
        ],
    );
}

#[test]
fn options_that_do_not_exist_or_have_another_form() {
    check(
        crate::tool::expand,
        &[
            (
                "readonly",
                "fn f() {}",
                "unknown option `readonly`; the options here are `name`, `title`, `description`, `icon`, `read_only`, \
                 `destructive`, `idempotent`, `open_world`, `scopes`, `blocking`, `spawn`",
                "readonly",
            ),
            (
                "read_only, read_only",
                "fn f() {}",
                "`read_only` is given twice",
                "read_only",
            ),
            (
                "read_only = 1",
                "fn f() {}",
                "write `read_only`, `read_only = true` or `read_only = false`",
                "read_only",
            ),
            (
                "read_only(\"x\")",
                "fn f() {}",
                "`read_only` takes no list",
                "read_only",
            ),
            (
                "title = 3",
                "fn f() {}",
                "`title` is a string literal",
                "title",
            ),
            ("title", "fn f() {}", "write `title = \"…\"`", "title"),
            (
                "scopes = \"a\"",
                "fn f() {}",
                "write `scopes(\"…\", \"…\")`",
                "scopes",
            ),
            (
                "\"x\"",
                "fn f() {}",
                "a text needs a name here, such as `title = \"…\"`",
                "\"x\"",
            ),
            (
                "name = \"a b\"",
                "fn f() {}",
                "a tool name has 1 to 128 of the characters A-Z a-z 0-9 _ - .",
                "\"a b\"",
            ),
            ("name = \"\"", "fn f() {}", "a name is not empty", "\"\""),
            (
                "",
                "fn f(#[mcp(heder = \"a\")] a: u8) {}",
                "unknown option `heder`; the options here are `name`, `description`, `default`, `header`",
                "heder",
            ),
            (
                "",
                "fn f(#[mcp(header = \"a b\")] a: u8) {}",
                "a header name has at least one of the characters A-Z a-z 0-9 ! # $ % & ' * + - . ^ _ ` | ~ and no others",
                "\"a b\"",
            ),
        ],
    );
}

#[test]
fn resources_and_their_variables() {
    check(
        crate::resource::expand,
        &[
            (
                "",
                "fn f() {}",
                "a #[resource] needs a URI: #[resource(\"docs://readme\")] or #[resource(template = \"users://{id}\")]",
                "f",
            ),
            (
                "\"a://b\", uri = \"a://c\"",
                "fn f() {}",
                "a #[resource] has either one URI or one template",
                "\"a://c\"",
            ),
            (
                "uri = \"a://{b}\"",
                "fn f() {}",
                "a URI has no `{variables}`; write `template = \"…\"`",
                "\"a://{b}\"",
            ),
            (
                "template = \"a://b\"",
                "fn f() {}",
                "a template has at least one `{variable}`; without one it is a `uri`",
                "\"a://b\"",
            ),
            (
                "\"readme\"",
                "fn f() {}",
                "a resource URI starts with a scheme, such as `docs://readme`",
                "\"readme\"",
            ),
            (
                "\"a://{id}\"",
                "fn f() {}",
                "the variable `{id}` is not an argument of the function",
                "\"a://{id}\"",
            ),
            (
                "\"a://{id}\"",
                "fn f(id: u8, name: u8) {}",
                "`name` is no variable of the template `a://{id}`",
                "name",
            ),
            (
                "\"a://b\"",
                "fn f(id: u8) {}",
                "a resource with one URI has no arguments; write `template = \"…{id}…\"`",
                "id",
            ),
        ],
    );
}

#[test]
fn prompts_and_their_completers() {
    check(
        crate::prompt::expand,
        &[
            (
                "",
                "fn f(#[serde(default)] a: u8) {}",
                "an argument takes only doc comments and `#[mcp(…)]`",
                "#[serde(default)]",
            ),
            (
                "",
                "fn f(#[mcp(complete = x, complete_with = Y)] a: u8) {}",
                "an argument has one completer",
                "a",
            ),
            (
                "read_only",
                "fn f() {}",
                "unknown option `read_only`; the options here are `name`, `title`, `description`, `icon`, `scopes`, `blocking`, `spawn`",
                "read_only",
            ),
        ],
    );
}

#[test]
fn documentation_keeps_its_markdown() {
    let item = "/// One.\n///\n/// - a\n///   - b\nfn f() {}";
    let expanded =
        crate::tool::expand(TokenStream::new(), TokenStream::from_str(item).unwrap()).unwrap();
    assert!(
        expanded
            .to_string()
            .contains(r#"description ("One.\n\n- a\n  - b")"#),
        "{expanded}"
    );
    let block = "/** One.\n  * Two. */\nfn f() {}";
    let expanded =
        crate::tool::expand(TokenStream::new(), TokenStream::from_str(block).unwrap()).unwrap();
    assert!(
        expanded
            .to_string()
            .contains(r#"description ("One.\nTwo.")"#),
        "{expanded}"
    );
}

#[test]
fn conditional_compilation_reaches_everything_that_is_made() {
    let item = "#[cfg(unix)] pub fn f() {}";
    let expanded = crate::tool::expand(TokenStream::new(), TokenStream::from_str(item).unwrap())
        .unwrap()
        .to_string();
    assert!(expanded.starts_with("# [cfg (unix)]"), "{expanded}");
    assert!(
        expanded.contains("pub fn f () -> :: mcp_server :: Tool"),
        "{expanded}"
    );
}
