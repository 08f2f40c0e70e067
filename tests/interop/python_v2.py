"""The official Python SDK 2.x against `mcp demo`.

Prints one line per row, `ok ROW`, `FAIL ROW: why` or `skip ROW: why`, and ends with 1 when a row failed.

    python python_v2.py --stdio PATH_TO_MCP
    python python_v2.py --http URL [--binary PATH_TO_MCP]
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
from mcp import Client, MCPDeprecationWarning, MCPError, StdioServerParameters
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from rows import CITY, ROW_LIMIT, answer_form, exit_code, expect, fail, row, skip, until

# Legacy features are under test on purpose.
warnings.simplefilter("ignore", MCPDeprecationWarning)
logging.disable(logging.CRITICAL)

# (name, `mode` of the client, whether it ends up in the modern era)
ERAS = [("legacy", "legacy", False), ("probed", "auto", True), ("pinned", "2026-07-28", True)]

def text_of(result: types.CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, types.TextContent))


class Peer:
    """What the server asked of, and told, one client."""

    def __init__(self) -> None:
        self.forms: list[str] = []
        self.urls: list[str] = []
        self.prompts: list[str] = []
        self.root_requests = 0
        self.logs: list[types.LoggingMessageNotificationParams] = []
        self.notifications: list[object] = []
        self.action = "accept"

    async def elicit(self, _context: object, params: object) -> types.ElicitResult:
        if isinstance(params, types.ElicitRequestURLParams):
            self.urls.append(params.url)
            return types.ElicitResult(action=self.action)
        assert isinstance(params, types.ElicitRequestFormParams)
        self.forms.append(params.message)
        if self.action != "accept":
            return types.ElicitResult(action=self.action)
        schema = params.requested_schema
        raw = schema if isinstance(schema, dict) else schema.model_dump(by_alias=True, exclude_none=True)
        return types.ElicitResult(action="accept", content=answer_form(raw))

    async def sample(self, _context: object, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        block = params.messages[-1].content
        block = block[0] if isinstance(block, list) else block
        self.prompts.append(getattr(block, "text", ""))
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="forty-two"), model="canary", stop_reason="endTurn"
        )

    async def roots(self, _context: object) -> types.ListRootsResult:
        self.root_requests += 1
        return types.ListRootsResult(roots=[types.Root(uri="file:///canary", name="canary")])

    async def log(self, params: types.LoggingMessageNotificationParams) -> None:
        self.logs.append(params)

    async def notified(self, message: object) -> None:
        self.notifications.append(message)

    def saw(self, method: str) -> bool:
        return any(getattr(message, "method", None) == method for message in self.notifications)


class Target:
    """Where the server is."""

    def __init__(self, stdio: str | None, http: str | None, binary: str | None) -> None:
        self.binary = stdio or binary
        self.http = http
        self.stdio = stdio

    def open(self, peer: Peer, mode: str, log_level: types.LoggingLevel | None = None) -> Client:
        server: Any = self.http
        if self.stdio is not None:
            server = StdioServerParameters(command=self.stdio, args=["demo", "--stdio"])
        return Client(
            server,
            mode=mode,
            read_timeout_seconds=ROW_LIMIT,
            elicitation_callback=peer.elicit,
            sampling_callback=peer.sample,
            list_roots_callback=peer.roots,
            logging_callback=peer.log,
            message_handler=peer.notified,
            log_level=log_level,
        )


async def all_pages(fetch: Callable[..., Awaitable[Any]], items: str) -> tuple[list[Any], int]:
    found: list[Any] = []
    cursor: str | None = None
    pages = 0
    while True:
        page = await fetch(cursor=cursor)
        found += getattr(page, items)
        pages += 1
        cursor = page.next_cursor
        if cursor is None:
            return found, pages


async def era(target: Target, transport: str, name: str, mode: str, modern: bool) -> None:
    def row_name(what: str) -> str:
        return f"{transport}/{name}/{what}"

    peer = Peer()
    opened = time.monotonic()
    entered = False
    try:
        async with target.open(peer, mode) as client:
            entered = True
            await rows(target, client, peer, row_name, mode, modern)
            opened = time.monotonic()
    except Exception as error:  # noqa: BLE001
        what = "end" if entered else "connect"
        fail(row_name(what), repr(error))
        return

    async def ended() -> None:
        # The SDK waits 2 s after closing stdin before it kills a server.
        took = time.monotonic() - opened
        expect(took < 1.5, f"closing took {took:.1f} s")

    await row(row_name("graceful end"), ended)


async def rows(target: Target, client: Client, peer: Peer, row_name: Callable[[str], str], mode: str, modern: bool) -> None:
    async def connect() -> None:
        expect((client.protocol_version == "2026-07-28") == modern, client.protocol_version)
        if mode == "2026-07-28":
            return  # A pinned client asks nothing first, so it knows nothing about the server.
        expect(client.server_info is not None and client.server_info.name, client.server_info)
        expect(client.server_capabilities.tools is not None, client.server_capabilities)

    await row(row_name("connect"), connect)

    tools: dict[str, types.Tool] = {}

    async def list_tools() -> None:
        found, pages = await all_pages(client.list_tools, "tools")
        tools.update({tool.name: tool for tool in found})
        expect(len(tools) == len(found), "a tool listed twice")
        expect(pages > 1, f"{pages} page of {len(found)} tools")
        expect({"get_weather", "add", "test_simple_text"} <= tools.keys(), sorted(tools))

    await row(row_name("list tools with pagination"), list_tools)

    async def list_resources() -> None:
        found, pages = await all_pages(client.list_resources, "resources")
        uris = [resource.uri for resource in found]
        expect(len(set(map(str, uris))) == len(uris) and pages >= 1, "a resource listed twice")
        expect("test://static-text" in map(str, uris), uris)

    await row(row_name("list resources"), list_resources)

    async def list_prompts() -> None:
        found, _ = await all_pages(client.list_prompts, "prompts")
        expect("test_simple_prompt" in [prompt.name for prompt in found], found)

    await row(row_name("list prompts"), list_prompts)

    async def call() -> None:
        result = await client.call_tool("get_weather", {"city": CITY})
        expect(not result.is_error and json.loads(text_of(result))["city"] == CITY, result)

    await row(row_name("call"), call)

    async def call_error() -> None:
        result = await client.call_tool("test_error_handling", {})
        expect(result.is_error, result)

    await row(row_name("call that fails"), call_error)

    async def bad_arguments() -> None:
        result = await client.call_tool("add", {"a": "one", "b": 2})
        expect(result.is_error and "a" in text_of(result), result)

    await row(row_name("arguments that break the schema"), bad_arguments)

    async def unknown_tool() -> None:
        try:
            await client.call_tool("no_such_tool", {})
        except MCPError as error:
            expect(error.error.code == -32602, error.error)
        else:
            raise AssertionError("no error")

    await row(row_name("unknown tool"), unknown_tool)

    async def structured() -> None:
        result = await client.call_tool("add", {"a": 2, "b": 40})
        expect(isinstance(result.structured_content, dict), result)
        expect(42 in result.structured_content.values(), result.structured_content)
        expect(tools["add"].output_schema is not None and "42" in text_of(result), result)

    await row(row_name("structured output"), structured)

    async def contents() -> None:
        image = await client.call_tool("test_image_content", {})
        audio = await client.call_tool("test_audio_content", {})
        embedded = await client.call_tool("test_embedded_resource", {})
        kinds = [result.content[0].type for result in (image, audio, embedded)]
        expect(kinds == ["image", "audio", "resource"], kinds)

    await row(row_name("image, audio, embedded resource"), contents)

    async def progress() -> None:
        seen: list[float] = []

        async def on_progress(value: float, _total: float | None, _message: str | None) -> None:
            seen.append(value)

        await client.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)
        expect(len(seen) >= 2 and seen == sorted(set(seen)), seen)

    await row(row_name("progress"), progress)

    async def cancellation() -> None:
        start = time.monotonic()
        with anyio.move_on_after(0.5) as scope:
            await client.call_tool("count_down", {"steps": 150})
        expect(scope.cancelled_caught, "the call was not cancelled")
        result = await client.call_tool("add", {"a": 1, "b": 1})
        expect("2" in text_of(result), result)
        expect(time.monotonic() - start < 5, f"{time.monotonic() - start:.1f} s")

    await row(row_name("cancellation"), cancellation)

    async def concurrent() -> None:
        start = time.monotonic()
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "count_down", {"steps": 30})
            await anyio.sleep(0.1)
            await client.call_tool("add", {"a": 1, "b": 1})
            beside = time.monotonic() - start
            group.cancel_scope.cancel()
        expect(beside < 1.5, f"a call beside a slow one took {beside:.1f} s")

    await row(row_name("a slow call delays nobody"), concurrent)

    async def elicit_form() -> None:
        peer.forms.clear()
        result = await client.call_tool("plan_trip", {})
        expect(not result.is_error and len(peer.forms) == 2, (peer.forms, result))

    await row(row_name("elicitation form, two rounds"), elicit_form)

    async def elicit_declined() -> None:
        peer.action = "decline"
        try:
            await client.call_tool("plan_trip", {})
        finally:
            peer.action = "accept"

    await row(row_name("elicitation declined"), elicit_declined)

    async def elicit_url() -> None:
        peer.urls.clear()
        result = await client.call_tool("connect_account", {})
        expect(not result.is_error and peer.urls and peer.urls[0].startswith("http"), (peer.urls, result))

    await row(row_name("elicitation URL"), elicit_url)

    async def sampling() -> None:
        peer.prompts.clear()
        result = await client.call_tool("write_haiku", {"topic": "tides"})
        expect("tides" in " ".join(peer.prompts), peer.prompts)
        expect("forty-two" in text_of(result), result)

    await row(row_name("sampling"), sampling)

    async def roots() -> None:
        peer.root_requests = 0
        result = await client.call_tool("list_roots", {})
        expect(peer.root_requests == 1 and "file:///canary" in text_of(result), result)

    await row(row_name("roots"), roots)

    async def completion() -> None:
        prompt = types.PromptReference(type="ref/prompt", name="explain")
        result = await client.complete(prompt, {"name": "topic", "value": "g"})
        expect(result.completion.values == ["gravity", "geology"], result)

    await row(row_name("completion"), completion)

    async def templates() -> None:
        found, _ = await all_pages(client.list_resource_templates, "resource_templates")
        expect("test://template/{id}/data" in [template.uri_template for template in found], found)
        result = await client.read_resource("test://template/123/data")
        expect("123" in result.contents[0].model_dump_json(), result)

    await row(row_name("resource templates"), templates)

    async def read() -> None:
        text = await client.read_resource("test://static-text")
        blob = await client.read_resource("test://static-binary")
        expect(isinstance(text.contents[0], types.TextResourceContents), text)
        expect(isinstance(blob.contents[0], types.BlobResourceContents), blob)

    await row(row_name("read text and binary"), read)

    async def unknown_resource() -> None:
        try:
            await client.read_resource("test://no-such-thing")
        except MCPError as error:
            expect(error.error.code == (-32602 if modern else -32002), error.error)
        else:
            raise AssertionError("no error")

    await row(row_name("unknown resource"), unknown_resource)

    async def prompt() -> None:
        result = await client.get_prompt("test_prompt_with_arguments", {"arg1": "one", "arg2": "two"})
        expect("one" in result.messages[0].content.model_dump_json(), result)

    await row(row_name("prompt"), prompt)

    if modern:
        await modern_rows(target, client, row_name)
    else:
        await legacy_rows(client, peer, row_name)


async def modern_rows(target: Target, client: Client, row_name: Callable[[str], str]) -> None:
    async def list_changed() -> None:
        async with client.listen(tools_list_changed=True) as events:
            await client.call_tool("test_trigger_tool_change", {})
            event = await anext(events)
            expect(isinstance(event, ToolsListChanged), event)
            await client.call_tool("test_trigger_tool_change", {})

    await row(row_name("list_changed"), list_changed)

    async def subscribed() -> None:
        uri = "test://watched-resource"
        async with client.listen(resource_subscriptions=[uri]) as events:
            await client.call_tool("touch_watched_resource", {})
            event = await anext(events)
            expect(isinstance(event, ResourceUpdated) and event.uri == uri, event)

    await row(row_name("subscriptions/listen"), subscribed)

    async def logging() -> None:
        peer = Peer()
        async with target.open(peer, "2026-07-28", log_level="debug") as talkative:
            await talkative.call_tool("test_tool_with_logging", {})
            await until(lambda: peer.logs)
        quiet = Peer()
        async with target.open(quiet, "2026-07-28") as silent:
            await silent.call_tool("test_tool_with_logging", {})
            await anyio.sleep(0.1)
            expect(not quiet.logs, quiet.logs)

    await row(row_name("logging"), logging)

    if target.http is None:
        return
    if target.binary is None:
        skip(row_name("graceful end of a listen stream"), "needs --binary")
        return

    async def listen_ends() -> None:
        async with own_server(target.binary) as (url, process):
            async with Client(url, mode="2026-07-28") as other:
                async with other.listen(tools_list_changed=True) as events:
                    process.send_signal(signal.SIGTERM)
                    # An abrupt end raises SubscriptionLost here.
                    expect([event async for event in events] == [], "events")

    await row(row_name("graceful end of a listen stream"), listen_ends)


@asynccontextmanager
async def own_server(binary: str) -> AsyncIterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [binary, "demo", "--listen", f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
                break
            except OSError:
                await anyio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp", process
    finally:
        process.kill()
        process.wait()


async def legacy_rows(client: Client, peer: Peer, row_name: Callable[[str], str]) -> None:
    async def ping() -> None:
        await client.send_ping()

    await row(row_name("ping"), ping)

    async def logging() -> None:
        peer.logs.clear()
        await client.set_logging_level("debug")
        await client.call_tool("test_tool_with_logging", {})
        await until(lambda: len(peer.logs) >= 3)
        peer.logs.clear()
        await client.set_logging_level("emergency")
        await client.call_tool("test_tool_with_logging", {})
        await anyio.sleep(0.1)
        expect(not peer.logs, peer.logs)

    await row(row_name("logging"), logging)

    async def list_changed() -> None:
        peer.notifications.clear()
        await client.call_tool("test_trigger_tool_change", {})
        await until(lambda: peer.saw("notifications/tools/list_changed"))
        await client.call_tool("test_trigger_tool_change", {})

    await row(row_name("list_changed"), list_changed)

    async def subscribed() -> None:
        uri = "test://watched-resource"
        await client.subscribe_resource(uri)
        await client.call_tool("touch_watched_resource", {})
        await until(lambda: peer.saw("notifications/resources/updated"))
        await client.unsubscribe_resource(uri)
        peer.notifications.clear()
        await client.call_tool("touch_watched_resource", {})
        await anyio.sleep(0.2)
        expect(not peer.saw("notifications/resources/updated"), peer.notifications)

    await row(row_name("resources/subscribe and unsubscribe"), subscribed)

    async def roots_changed() -> None:
        await client.send_roots_list_changed()
        await client.send_ping()

    await row(row_name("roots list change"), roots_changed)


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stdio")
    parser.add_argument("--http")
    parser.add_argument("--binary")
    arguments = parser.parse_args()
    target = Target(arguments.stdio, arguments.http, arguments.binary)
    transport = "stdio" if arguments.stdio else "http"
    for name, mode, modern in ERAS:
        await era(target, transport, f"python2-{name}", mode, modern)
    return exit_code()


if __name__ == "__main__":
    sys.exit(anyio.run(main))
