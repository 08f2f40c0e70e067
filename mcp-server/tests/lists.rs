//! The four lists: order, pages, cursors, caching, and changes while the server runs.

use std::sync::Arc;
use std::task::{Context as TaskContext, Waker};

use mcp_server::proto::config::CacheHint;
use mcp_server::proto::server::{Change, Filter};
use mcp_server::types::{CacheScope, ListToolsResult};
use mcp_server::{
    BuildError, Principal, Problem, Prompt, Resource, Server, Tool, ToolRunner, Warning,
};
use serde_json::Value;

fn tool(name: impl Into<String>) -> Tool {
    Tool::builder(name)
        .description("A tool.")
        .input_schema(r#"{"type":"object"}"#)
        .call(|_: Value, _ctx| Ok("done"))
}

fn names(list: &ListToolsResult) -> Vec<&str> {
    list.tools.iter().map(|tool| tool.name.as_str()).collect()
}

fn numbered(count: usize, page_size: usize) -> ToolRunner {
    let server = Server::new("test", "1.0.0")
        .tools((0..count).map(|n| tool(format!("tool_{n}"))))
        .page_size(page_size);
    ToolRunner::new(server.build().unwrap())
}

#[test]
fn pages_follow_the_order_of_registration_and_end() {
    for (count, size, pages) in [(5, 2, 3), (4, 2, 2), (1, 1, 1), (3, 1000, 1)] {
        let runner = numbered(count, size);
        let mut cursor: Option<String> = None;
        let mut seen = Vec::new();
        let mut turned = 0;
        loop {
            let page = runner.list_tools(cursor.as_deref()).wait().unwrap();
            turned += 1;
            assert!(page.tools.len() <= size && !page.tools.is_empty());
            seen.extend(names(&page).into_iter().map(str::to_owned));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let expected: Vec<String> = (0..count).map(|n| format!("tool_{n}")).collect();
        assert_eq!((seen, turned), (expected, pages), "{count} by {size}");
    }
}

#[test]
fn a_server_that_offers_nothing_yet_lists_nothing() {
    let runner = ToolRunner::new(Server::new("test", "1.0.0").dynamic(true).build().unwrap());
    let list = runner.list_tools(None).wait().unwrap();
    assert!(list.tools.is_empty() && list.next_cursor.is_none());
    assert!(runner.list_prompts(None).wait().unwrap().prompts.is_empty());
}

#[test]
fn a_cursor_that_does_not_fit_is_refused() {
    let runner = numbered(5, 2);
    let cursor = runner.list_tools(None).wait().unwrap().next_cursor.unwrap();
    assert!(runner.list_tools(Some(&cursor)).wait().is_ok());
    let mut tampered = cursor.clone();
    tampered.replace_range(3..4, if &cursor[3..4] == "A" { "B" } else { "A" });
    for wrong in ["", "x", &cursor[1..], &format!("{cursor}A"), &tampered] {
        assert_eq!(
            runner.list_tools(Some(wrong)).wait().unwrap_err().code,
            -32602,
            "{wrong:?}"
        );
    }
    // Of another list, and of the same list after a change.
    assert_eq!(
        runner.list_prompts(Some(&cursor)).wait().unwrap_err().code,
        -32602
    );
    assert_eq!(
        numbered(6, 2)
            .list_tools(Some(&cursor))
            .wait()
            .unwrap_err()
            .code,
        -32602
    );
    // Another process with the same tools takes it.
    assert!(numbered(5, 2).list_tools(Some(&cursor)).wait().is_ok());
}

#[test]
fn a_cursor_of_a_filtered_list_belongs_to_its_caller() {
    let server = Server::new("test", "1.0.0")
        .tools((0..6).map(|n| {
            let builder = Tool::builder(format!("tool_{n}")).input_schema(r#"{"type":"object"}"#);
            let builder = if n % 2 == 1 {
                builder.scopes(["odd"])
            } else {
                builder
            };
            builder.call(|_: Value, _ctx| Ok("done"))
        }))
        .page_size(2);
    let service = server.build().unwrap();
    let caller = |id: &str, scopes: &[&str]| {
        ToolRunner::new(service.clone())
            .with_principal(Principal::new(id).with_scopes(scopes.iter().copied()))
    };
    let (ada, bob) = (caller("ada", &["odd"]), caller("bob", &[]));
    let first = ada.list_tools(None).wait().unwrap();
    assert_eq!(
        (names(&first), first.cache_scope),
        (vec!["tool_0", "tool_1"], Some(CacheScope::Private))
    );
    let second = bob.list_tools(None).wait().unwrap();
    assert_eq!(names(&second), ["tool_0", "tool_2"]);
    let cursor = second.next_cursor.unwrap();
    assert_eq!(
        names(&bob.list_tools(Some(&cursor)).wait().unwrap()),
        ["tool_4"]
    );
    assert_eq!(
        ada.list_tools(Some(&cursor)).wait().unwrap_err().code,
        -32602
    );
    assert_eq!(
        caller("eve", &[])
            .list_tools(Some(&cursor))
            .wait()
            .unwrap_err()
            .code,
        -32602
    );
}

#[test]
fn caching_hints_have_defaults_and_can_be_set() {
    let hint = |runner: &ToolRunner| {
        let list = runner.list_tools(None).wait().unwrap();
        (list.ttl_ms, list.cache_scope)
    };
    assert_eq!(
        hint(&numbered(1, 1)),
        (Some(300_000), Some(CacheScope::Public))
    );
    let authenticated = numbered(1, 1).with_principal(Principal::new("ada"));
    assert_eq!(
        hint(&authenticated),
        (Some(300_000), Some(CacheScope::Private))
    );
    let server = Server::new("test", "1.0.0")
        .tool(tool("a"))
        .list_cache(CacheHint::NONE);
    assert_eq!(
        hint(&ToolRunner::new(server.build().unwrap())),
        (Some(0), Some(CacheScope::Private))
    );
}

#[test]
fn lists_change_while_the_server_runs_and_listeners_hear_of_it() {
    let service = Server::new("test", "1.0.0")
        .tool(tool("first"))
        .dynamic(true)
        .build()
        .unwrap();
    let runner = ToolRunner::new(service.clone());
    let mut listener = service.hub().register();
    listener.listen(
        None,
        &Filter {
            tools: true,
            prompts: true,
            resources: true,
            ..Filter::default()
        },
    );
    let mut heard = || {
        let mut changes = Vec::new();
        listener.take(&mut TaskContext::from_waker(Waker::noop()), |change| {
            changes.push(match change {
                Change::Tools => "tools",
                Change::Prompts => "prompts",
                Change::Resources => "resources",
                _ => "something else",
            });
        });
        changes
    };
    service.tools().add(tool("second")).unwrap();
    assert_eq!(
        names(&runner.list_tools(None).wait().unwrap()),
        ["first", "second"]
    );
    assert_eq!(heard(), ["tools"]);
    let taken = service.tools().add(tool("second")).unwrap_err();
    assert!(matches!(taken.problems[..], [Problem::Duplicate { .. }]));
    assert_eq!(heard(), Vec::<&str>::new(), "nothing has changed");
    assert!(service.tools().remove("first") && !service.tools().remove("first"));
    assert_eq!(service.tools().names(), ["second"]);
    assert_eq!(runner.call("first", "{}").wait().unwrap_err().code, -32602);
    service
        .prompts()
        .add(Prompt::builder("p").get(|_, _| Ok("x")))
        .unwrap();
    service
        .resources()
        .add(Resource::builder("x://y").read(|_, _| Ok("x")))
        .unwrap();
    service
        .resources()
        .add(Resource::template("x://{y}").read(|_, _| Ok("x")))
        .unwrap();
    assert_eq!((service.prompts().len(), service.resources().len()), (1, 2));
    assert!(service.resources().remove("x://{y}") && service.resources().remove("x://y"));
    assert!(
        service.prompts().remove("p")
            && service.prompts().is_empty()
            && service.resources().is_empty()
    );
    assert_eq!(heard().len(), 3);
    assert!(service.tools().add(tool("bad name")).is_err());
}

#[test]
fn a_call_in_flight_keeps_the_tool_that_it_began_with() {
    let service = Server::new("test", "1.0.0").dynamic(true).build().unwrap();
    let gate = Arc::new(std::sync::Barrier::new(2));
    let inside = Arc::clone(&gate);
    let removed = Tool::builder("removed")
        .input_schema(r#"{"type":"object"}"#)
        .call(move |_: Value, _ctx| {
            inside.wait();
            inside.wait();
            Ok("finished all the same")
        });
    service.tools().add(removed).unwrap();
    let runner = ToolRunner::new(service.clone());
    let call = std::thread::spawn(move || runner.call("removed", "{}").wait());
    gate.wait();
    assert!(service.tools().remove("removed"));
    gate.wait();
    let result = call.join().unwrap().unwrap();
    assert_eq!(result.content[0].as_text(), Some("finished all the same"));
}

fn problems(server: Server) -> Vec<Problem> {
    server
        .build()
        .map(|_| Vec::new())
        .unwrap_or_else(|BuildError { problems, .. }| problems)
}

#[test]
fn names_follow_the_rules_and_narrow_clients_are_warned_about() {
    for name in [
        "a",
        "getUser",
        "DATA_EXPORT_v2",
        "admin.tools.list",
        "a-b",
        &"x".repeat(128),
    ] {
        assert_eq!(
            problems(Server::new("test", "1").tool(tool(name))),
            [],
            "{name}"
        );
    }
    for name in [
        "",
        "a b",
        "a,b",
        "a/b",
        "a:b",
        "añb",
        "а",
        "a\n",
        &"x".repeat(129),
    ] {
        assert_eq!(
            problems(Server::new("test", "1").tool(tool(name))),
            [Problem::ToolName(name.to_owned())],
            "{name:?}"
        );
    }
    let long = "x".repeat(65);
    let service = Server::new("test", "1")
        .tool(tool(&long))
        .tool(tool("a.b"))
        .tool(tool("fine"))
        .build()
        .unwrap();
    assert_eq!(
        service.warnings(),
        [
            Warning::NarrowName(long),
            Warning::NarrowName("a.b".to_owned())
        ]
    );
    let silent = Tool::builder("silent")
        .input_schema(r#"{"type":"object"}"#)
        .call(|_: Value, _ctx| Ok(""));
    let service = Server::new("test", "1").tool(silent).build().unwrap();
    assert_eq!(
        service.warnings(),
        [Warning::NoDescription("silent".to_owned())]
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let server = Server::new("test", "1")
        .tool(tool("twice"))
        .tool(tool("twice"))
        .tool(tool("no good"))
        .tool(
            Tool::builder("schema")
                .input_schema("{")
                .call(|_: Value, _ctx| Ok("")),
        )
        .tool(
            Tool::builder("shape")
                .input_schema(r#"{"type":"array"}"#)
                .call(|_: Value, _ctx| Ok("")),
        )
        .tool(Tool::builder("list").call(|_: Vec<u8>, _ctx| Ok("")))
        .prompt(Prompt::builder("p").get(|_, _| Ok("")))
        .prompt(Prompt::builder("p").get(|_, _| Ok("")))
        .resource(Resource::builder("nowhere").read(|_, _| Ok("")))
        .page_size(0);
    let told: Vec<String> = problems(server).iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 8, "{told:#?}");
    for part in [
        "two tools called `twice`",
        "two prompts called `p`",
        "`no good`",
        "page size",
        "must be an object",
    ] {
        assert!(
            told.iter().any(|problem| problem.contains(part)),
            "{part}: {told:#?}"
        );
    }
}
