"""The last official Python SDK 1.x (legacy era only) against `mcp demo`.

Prints one line per row, `ok ROW` or `FAIL ROW: why`, and ends with 1 when a row failed.

    python python_v1.py --stdio PATH_TO_MCP
    python python_v1.py --http URL
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import anyio
import mcp.types as types
from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl
from rows import CITY, ROW_LIMIT, answer_form, exit_code, expect, fail, row, until

logging.disable(logging.CRITICAL)


def text_of(result: types.CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, types.TextContent))


class Peer:
    """What the server asked of, and told, this client."""

    def __init__(self) -> None:
        self.forms: list[str] = []
        self.urls: list[str] = []
        self.prompts: list[str] = []
        self.root_requests = 0
        self.logs: list[object] = []
        self.notifications: list[str] = []

    async def elicit(self, _context: object, params: Any) -> types.ElicitResult:
        if getattr(params, "mode", "form") == "url":
            self.urls.append(params.url)
            return types.ElicitResult(action="accept")
        self.forms.append(params.message)
        return types.ElicitResult(action="accept", content=answer_form(params.requestedSchema))

    async def sample(self, _context: object, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        self.prompts.append(str(params.messages[-1].content))
        text = types.TextContent(type="text", text="forty-two")
        return types.CreateMessageResult(role="assistant", content=text, model="canary", stopReason="endTurn")

    async def roots(self, _context: object) -> types.ListRootsResult:
        self.root_requests += 1
        return types.ListRootsResult(roots=[types.Root(uri="file:///canary", name="canary")])

    async def log(self, params: types.LoggingMessageNotificationParams) -> None:
        self.logs.append(params)

    async def notified(self, message: Any) -> None:
        if isinstance(message, types.ServerNotification):
            self.notifications.append(message.root.method)


async def all_pages(fetch: Callable[..., Awaitable[Any]], items: str) -> tuple[list[Any], int]:
    found: list[Any] = []
    params: types.PaginatedRequestParams | None = None
    pages = 0
    while True:
        page = await fetch(params=params)
        found += getattr(page, items)
        pages += 1
        if page.nextCursor is None:
            return found, pages
        params = types.PaginatedRequestParams(cursor=page.nextCursor)


async def rows(session: ClientSession, peer: Peer, prefix: str) -> None:
    async def tools() -> None:
        found, pages = await all_pages(session.list_tools, "tools")
        names = {tool.name for tool in found}
        expect(len(names) == len(found) and pages > 1, f"{pages} pages of {len(found)} tools")
        expect({"get_weather", "add", "test_simple_text"} <= names, names)

    await row(f"{prefix}/list tools with pagination", tools)

    async def lists() -> None:
        resources, _ = await all_pages(session.list_resources, "resources")
        expect("test://static-text" in [str(one.uri) for one in resources], resources)
        templates, _ = await all_pages(session.list_resource_templates, "resourceTemplates")
        expect("test://template/{id}/data" in [one.uriTemplate for one in templates], templates)
        prompts, _ = await all_pages(session.list_prompts, "prompts")
        expect("test_simple_prompt" in [one.name for one in prompts], prompts)

    await row(f"{prefix}/list resources, templates and prompts", lists)

    async def call() -> None:
        result = await session.call_tool("get_weather", {"city": CITY})
        expect(not result.isError and json.loads(text_of(result))["city"] == CITY, result)

    await row(f"{prefix}/call", call)

    async def bad() -> None:
        result = await session.call_tool("test_error_handling", {})
        expect(result.isError, result)
        result = await session.call_tool("add", {"a": "one", "b": 2})
        expect(result.isError and "a" in text_of(result), result)

    await row(f"{prefix}/calls that fail", bad)

    async def unknown_tool() -> None:
        try:
            await session.call_tool("no_such_tool", {})
        except McpError as error:
            expect(error.error.code == -32602, error.error)
        else:
            raise AssertionError("no error")

    await row(f"{prefix}/unknown tool", unknown_tool)

    async def structured() -> None:
        result = await session.call_tool("add", {"a": 2, "b": 40})
        expect(result.structuredContent == {"sum": 42}, result.structuredContent)

    await row(f"{prefix}/structured output", structured)

    async def contents() -> None:
        names = ("test_image_content", "test_audio_content", "test_embedded_resource")
        kinds = [(await session.call_tool(name, {})).content[0].type for name in names]
        expect(kinds == ["image", "audio", "resource"], kinds)

    await row(f"{prefix}/image, audio, embedded resource", contents)

    async def progress() -> None:
        seen: list[float] = []

        async def on_progress(value: float, _total: float | None, _message: str | None) -> None:
            seen.append(value)

        await session.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)
        expect(len(seen) >= 2 and seen == sorted(set(seen)), seen)

    await row(f"{prefix}/progress", progress)

    async def concurrent() -> None:
        # This SDK does not say when it gives a call up, and dislikes an answer after its end: so it is waited for.
        ended: list[str] = []

        async def call_it(name: str, arguments: dict[str, Any]) -> None:
            await session.call_tool(name, arguments)
            ended.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(call_it, "count_down", {"steps": 10})
            await anyio.sleep(0.1)
            group.start_soon(call_it, "add", {"a": 1, "b": 1})
        expect(ended == ["add", "count_down"], ended)

    await row(f"{prefix}/a slow call delays nobody", concurrent)

    async def elicit() -> None:
        result = await session.call_tool("plan_trip", {})
        expect(not result.isError and len(peer.forms) == 2, (peer.forms, result))
        result = await session.call_tool("connect_account", {})
        expect(peer.urls and peer.urls[0].startswith("http"), (peer.urls, result))

    await row(f"{prefix}/elicitation form and URL", elicit)

    async def sampling() -> None:
        result = await session.call_tool("write_haiku", {"topic": "tides"})
        expect("tides" in " ".join(peer.prompts) and "forty-two" in text_of(result), (peer.prompts, result))

    await row(f"{prefix}/sampling", sampling)

    async def roots() -> None:
        result = await session.call_tool("list_roots", {})
        expect(peer.root_requests == 1 and "file:///canary" in text_of(result), result)
        await session.send_roots_list_changed()

    await row(f"{prefix}/roots", roots)

    async def completion() -> None:
        prompt = types.PromptReference(type="ref/prompt", name="explain")
        result = await session.complete(prompt, {"name": "topic", "value": "g"})
        expect(result.completion.values == ["gravity", "geology"], result)

    await row(f"{prefix}/completion", completion)

    async def read() -> None:
        text = await session.read_resource(AnyUrl("test://static-text"))
        blob = await session.read_resource(AnyUrl("test://static-binary"))
        expect(isinstance(text.contents[0], types.TextResourceContents), text)
        expect(isinstance(blob.contents[0], types.BlobResourceContents), blob)
        try:
            await session.read_resource(AnyUrl("test://no-such-thing"))
        except McpError as error:
            expect(error.error.code == -32002, error.error)
        else:
            raise AssertionError("no error")

    await row(f"{prefix}/read text, binary and what is not there", read)

    async def prompt() -> None:
        result = await session.get_prompt("test_prompt_with_arguments", {"arg1": "one", "arg2": "two"})
        expect("one" in result.messages[0].content.model_dump_json(), result)

    await row(f"{prefix}/prompt", prompt)

    async def logs() -> None:
        await session.set_logging_level("debug")
        await session.call_tool("test_tool_with_logging", {})
        await until(lambda: len(peer.logs) >= 3)

    await row(f"{prefix}/logging", logs)

    async def changes() -> None:
        await session.call_tool("test_trigger_tool_change", {})
        await until(lambda: "notifications/tools/list_changed" in peer.notifications)
        await session.call_tool("test_trigger_tool_change", {})
        await session.subscribe_resource(AnyUrl("test://watched-resource"))
        await session.call_tool("touch_watched_resource", {})
        await until(lambda: "notifications/resources/updated" in peer.notifications)
        await session.unsubscribe_resource(AnyUrl("test://watched-resource"))
        await session.send_ping()

    await row(f"{prefix}/list_changed and subscriptions", changes)


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stdio")
    parser.add_argument("--http")
    parser.add_argument("--binary")
    arguments = parser.parse_args()
    prefix = f"{'stdio' if arguments.stdio else 'http'}/python1"
    ending = time.monotonic()

    async def whole() -> None:
        nonlocal ending
        peer = Peer()
        async with AsyncExitStack() as stack:
            if arguments.stdio:
                server = StdioServerParameters(command=arguments.stdio, args=["demo", "--stdio"])
                streams: Any = await stack.enter_async_context(stdio_client(server))
            else:
                streams = await stack.enter_async_context(streamable_http_client(arguments.http))
            session = await stack.enter_async_context(
                ClientSession(
                    streams[0],
                    streams[1],
                    read_timeout_seconds=timedelta(seconds=ROW_LIMIT),
                    elicitation_callback=peer.elicit,
                    sampling_callback=peer.sample,
                    list_roots_callback=peer.roots,
                    logging_callback=peer.log,
                    message_handler=peer.notified,
                )
            )
            opened = await session.initialize()
            expect(opened.protocolVersion == types.LATEST_PROTOCOL_VERSION, opened)
            await rows(session, peer, prefix)
            ending = time.monotonic()
        # The SDK waits 2 s after closing stdin before it kills a server.
        took = time.monotonic() - ending
        expect(took < 1.5, f"closing took {took:.1f} s")

    # The rows have limits of their own, and an end is no row among them.
    try:
        await whole()
    except Exception as error:  # noqa: BLE001
        fail(f"{prefix}/connection", repr(error))
    else:
        print(f"ok {prefix}/connection and its end")
    return exit_code()


if __name__ == "__main__":
    sys.exit(anyio.run(main))
