// What both TypeScript SDKs try against `mcp demo`, and how a row is printed.
//
// Owns the rows. An SDK hands in an adapter (see `typescript_v1.mjs`); nothing here imports an SDK.

import { spawn } from 'node:child_process';
import { createConnection, createServer } from 'node:net';
import { parseArgs } from 'node:util';

// One row must never hold up the others for longer than this, in milliseconds.
export const ROW_LIMIT = 20_000;

// Survives JSON, line framing and SSE only if all of them are right.
const CITY = 'Zürich\r\nと \u2028 \\ "🏔"';

let failed = 0;

export async function row(name, body) {
    let timer;
    const limit = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`nothing happened for ${ROW_LIMIT / 1000} s`)), ROW_LIMIT);
    });
    try {
        await Promise.race([body(), limit]);
        console.log(`ok ${name}`);
    } catch (error) {
        failed += 1;
        console.log(`FAIL ${name}: ${String(error?.message ?? error).replace(/\s+/g, ' ').slice(0, 400)}`);
    } finally {
        clearTimeout(timer);
    }
}

export function skip(name, why) {
    console.log(`skip ${name}: ${why}`);
}

export function expect(condition, seen) {
    if (!condition) throw new Error(`got ${JSON.stringify(seen) ?? seen}`);
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function until(condition) {
    const end = Date.now() + ROW_LIMIT;
    while (!condition()) {
        if (Date.now() > end) throw new Error('it never came');
        await sleep(10);
    }
}

export function options() {
    const { values } = parseArgs({
        options: { stdio: { type: 'string' }, http: { type: 'string' }, sse: { type: 'string' }, binary: { type: 'string' } },
    });
    const transport = ['stdio', 'http', 'sse'].find((name) => values[name]);
    if (!transport) throw new Error('needs --stdio PATH, --http URL or --sse URL');
    return { ...values, transport, binary: values.stdio ?? values.binary };
}

export function finish() {
    process.exit(failed === 0 ? 0 : 1);
}

const textOf = (result) => result.content.map((block) => block.text ?? '').join(' ');

// An acceptable answer for any form: its defaults, and something plausible for what is required.
function answerForm(schema) {
    const content = {};
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
        if ('default' in field) content[name] = field.default;
        else if (!(schema.required ?? []).includes(name)) continue;
        else if (field.enum) content[name] = field.enum[0];
        else if (field.oneOf) content[name] = field.oneOf[0].const;
        else if (field.type === 'array') content[name] = [field.items.enum?.[0] ?? field.items.anyOf[0].const];
        else if (field.type === 'boolean') content[name] = true;
        else if (field.type === 'string') {
            const formats = { email: 'ada@example.com', date: '2026-07-28', uri: 'https://example.com/' };
            content[name] = formats[field.format] ?? 'Ada';
        } else content[name] = field.minimum ?? 1;
    }
    return content;
}

// What the server asked of, and told, one client.
export class Peer {
    forms = [];
    urls = [];
    prompts = [];
    rootRequests = 0;
    logs = [];
    toolsChanged = 0;
    updated = [];
    action = 'accept';

    elicit(params) {
        if (params.mode === 'url') {
            this.urls.push(params.url);
            return { action: this.action };
        }
        this.forms.push(params.message);
        if (this.action !== 'accept') return { action: this.action };
        return { action: 'accept', content: answerForm(params.requestedSchema) };
    }

    sample(params) {
        const last = params.messages.at(-1).content;
        this.prompts.push((Array.isArray(last) ? last[0] : last).text);
        return { role: 'assistant', content: { type: 'text', text: 'forty-two' }, model: 'canary', stopReason: 'endTurn' };
    }

    roots() {
        this.rootRequests += 1;
        return { roots: [{ uri: 'file:///canary', name: 'canary' }] };
    }
}

export const CAPABILITIES = {
    elicitation: { form: {}, url: {} },
    sampling: {},
    roots: { listChanged: true },
};

async function allPages(fetch, key) {
    const found = [];
    let cursor;
    let pages = 0;
    do {
        const page = await fetch(cursor === undefined ? { cursor: undefined } : { cursor });
        found.push(...page[key]);
        pages += 1;
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return { found, pages };
}

async function rejection(promise) {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    throw new Error('no error');
}

// Runs every row that `revision` allows against one connected client.
//
// `sdk` has: connect(peer) -> client, version(client), options(more) -> arguments after the parameters of a call,
// page(client, method, params), close(client), and the code by which it reports an unknown resource of old servers.
export async function era(sdk, target, name, revision) {
    const label = (what) => `${target.transport}/${name}/${what}`;
    const modern = revision >= '2026-07-28';
    const peer = new Peer();
    let client;
    await row(label('connect'), async () => {
        client = await sdk.connect(peer);
        expect(sdk.version(client) === revision, sdk.version(client));
        expect(client.getServerVersion()?.name, client.getServerVersion());
        expect(client.getServerCapabilities()?.tools, client.getServerCapabilities());
    });
    if (client === undefined) return;
    const call = (tool, args = {}, more = undefined) => client.callTool({ name: tool, arguments: args }, ...sdk.options(more));

    let tools = [];
    await row(label('list tools with pagination'), async () => {
        const { found, pages } = await allPages((params) => sdk.page(client, 'listTools', params), 'tools');
        tools = found;
        const names = found.map((tool) => tool.name);
        expect(new Set(names).size === names.length, 'a tool listed twice');
        expect(pages > 1, `${pages} page of ${names.length} tools`);
        expect(['get_weather', 'add', 'test_simple_text'].every((tool) => names.includes(tool)), names);
    });

    await row(label('list resources'), async () => {
        const { found, pages } = await allPages((params) => sdk.page(client, 'listResources', params), 'resources');
        expect(pages >= 1, pages);
        expect(found.some((resource) => resource.uri === 'test://static-text'), found);
    });

    await row(label('list prompts'), async () => {
        const { prompts } = await client.listPrompts();
        expect(prompts.some((prompt) => prompt.name === 'test_simple_prompt'), prompts);
    });

    await row(label('call'), async () => {
        const result = await call('get_weather', { city: CITY });
        expect(!result.isError && JSON.parse(textOf(result)).city === CITY, result);
    });

    await row(label('call that fails'), async () => {
        const result = await call('test_error_handling');
        expect(result.isError === true, result);
    });

    await row(label('arguments that break the schema'), async () => {
        const result = await call('add', { a: 'one', b: 2 });
        expect(result.isError === true && textOf(result).includes('a'), result);
    });

    await row(label('unknown tool'), async () => {
        const error = await rejection(call('no_such_tool'));
        expect(error.code === -32602, error.message);
    });

    await row(label('structured output'), async () => {
        const result = await call('add', { a: 2, b: 40 });
        expect(textOf(result).includes('42'), result);
        if (revision >= '2025-06-18') {
            expect(Object.values(result.structuredContent ?? {}).includes(42), result);
            expect(tools.find((tool) => tool.name === 'add')?.outputSchema, 'no output schema');
        } else {
            expect(result.structuredContent === undefined, result);
        }
    });

    await row(label('image, audio, embedded resource'), async () => {
        const kinds = [];
        for (const tool of ['test_image_content', 'test_audio_content', 'test_embedded_resource']) {
            kinds.push((await call(tool)).content[0].type);
        }
        // 2024-11-05 has no audio; what stands in for it is the server's choice.
        if (revision < '2025-03-26') kinds[1] = 'audio';
        expect(kinds.join() === 'image,audio,resource', kinds);
    });

    await row(label('progress'), async () => {
        const seen = [];
        await call('test_tool_with_progress', {}, { onprogress: (progress) => seen.push(progress.progress) });
        expect(seen.length >= 2 && seen.every((value, at) => at === 0 || value > seen[at - 1]), seen);
    });

    await row(label('cancellation'), async () => {
        const start = Date.now();
        const controller = new AbortController();
        setTimeout(() => controller.abort(), 500);
        await rejection(call('count_down', { steps: 150 }, { signal: controller.signal }));
        const result = await call('add', { a: 1, b: 1 });
        expect(textOf(result).includes('2'), result);
        expect(Date.now() - start < 5_000, `${Date.now() - start} ms`);
    });

    await row(label('a slow call delays nobody'), async () => {
        const controller = new AbortController();
        const slow = call('count_down', { steps: 50 }, { signal: controller.signal }).catch(() => undefined);
        await sleep(100);
        const start = Date.now();
        await call('add', { a: 1, b: 1 });
        const took = Date.now() - start;
        controller.abort();
        await slow;
        expect(took < 1_500, `a call beside a slow one took ${took} ms`);
    });

    if (revision >= '2025-06-18') {
        await row(label('elicitation form, two rounds'), async () => {
            peer.forms = [];
            const result = await call('plan_trip');
            expect(!result.isError && peer.forms.length === 2, { forms: peer.forms, result });
        });

        await row(label('elicitation declined'), async () => {
            peer.action = 'decline';
            await call('plan_trip').finally(() => (peer.action = 'accept'));
        });
    }

    if (revision >= '2025-11-25') {
        await row(label('elicitation URL'), async () => {
            peer.urls = [];
            const result = await call('connect_account');
            expect(!result.isError && peer.urls[0]?.startsWith('http'), { urls: peer.urls, result });
        });
    }

    await row(label('sampling'), async () => {
        peer.prompts = [];
        const result = await call('write_haiku', { topic: 'tides' });
        expect(peer.prompts.join(' ').includes('tides'), peer.prompts);
        expect(textOf(result).includes('forty-two'), result);
    });

    await row(label('roots'), async () => {
        peer.rootRequests = 0;
        const result = await call('list_roots');
        expect(peer.rootRequests === 1 && textOf(result).includes('file:///canary'), result);
    });

    await row(label('completion'), async () => {
        const result = await client.complete({
            ref: { type: 'ref/prompt', name: 'explain' },
            argument: { name: 'topic', value: 'g' },
        });
        expect(result.completion.values.join() === 'gravity,geology', result);
    });

    await row(label('resource templates'), async () => {
        const { resourceTemplates } = await client.listResourceTemplates();
        expect(resourceTemplates.some((template) => template.uriTemplate === 'test://template/{id}/data'), resourceTemplates);
        const result = await client.readResource({ uri: 'test://template/123/data' });
        expect(JSON.stringify(result.contents).includes('123'), result);
    });

    await row(label('read text and binary'), async () => {
        const text = await client.readResource({ uri: 'test://static-text' });
        const binary = await client.readResource({ uri: 'test://static-binary' });
        expect(typeof text.contents[0].text === 'string' && typeof binary.contents[0].blob === 'string', [text, binary]);
    });

    await row(label('unknown resource'), async () => {
        const error = await rejection(client.readResource({ uri: 'test://no-such-thing' }));
        expect(error.code === (modern ? -32602 : sdk.legacyNotFound), `${error.code} ${error.message}`);
    });

    await row(label('prompt'), async () => {
        const result = await client.getPrompt({ name: 'test_prompt_with_arguments', arguments: { arg1: 'one', arg2: 'two' } });
        expect(JSON.stringify(result.messages).includes('one'), result);
    });

    if (modern) await modernRows(sdk, target, client, peer, call, label);
    else await legacyRows(client, peer, call, label);

    await row(label('graceful end'), async () => {
        const start = Date.now();
        await sdk.close(client);
        // The SDKs wait 2 s after closing stdin before they kill a server.
        expect(Date.now() - start < 1_500, `closing took ${Date.now() - start} ms`);
    });
}

async function legacyRows(client, peer, call, label) {
    await row(label('ping'), () => client.ping());

    await row(label('logging'), async () => {
        peer.logs = [];
        await client.setLoggingLevel('debug');
        await call('test_tool_with_logging');
        await until(() => peer.logs.length >= 3);
        peer.logs = [];
        await client.setLoggingLevel('emergency');
        await call('test_tool_with_logging');
        await sleep(100);
        expect(peer.logs.length === 0, peer.logs);
    });

    await row(label('list_changed'), async () => {
        peer.toolsChanged = 0;
        await call('test_trigger_tool_change');
        await until(() => peer.toolsChanged > 0);
        await call('test_trigger_tool_change');
    });

    await row(label('resources/subscribe and unsubscribe'), async () => {
        const uri = 'test://watched-resource';
        peer.updated = [];
        await client.subscribeResource({ uri });
        await call('touch_watched_resource');
        await until(() => peer.updated.includes(uri));
        await client.unsubscribeResource({ uri });
        peer.updated = [];
        await call('touch_watched_resource');
        await sleep(200);
        expect(peer.updated.length === 0, peer.updated);
    });

    await row(label('roots list change'), async () => {
        await client.sendRootsListChanged();
        await client.ping();
    });
}

async function modernRows(sdk, target, client, peer, call, label) {
    await row(label('list_changed'), async () => {
        peer.toolsChanged = 0;
        const subscription = await client.listen({ toolsListChanged: true });
        expect(subscription.honoredFilter.toolsListChanged === true, subscription.honoredFilter);
        await call('test_trigger_tool_change');
        await until(() => peer.toolsChanged > 0);
        await subscription.close();
        await call('test_trigger_tool_change');
    });

    await row(label('subscriptions/listen'), async () => {
        const uri = 'test://watched-resource';
        peer.updated = [];
        const subscription = await client.listen({ resourceSubscriptions: [uri] });
        await call('touch_watched_resource');
        await until(() => peer.updated.includes(uri));
        await subscription.close();
        expect((await subscription.closed) === 'local', await subscription.closed);
    });

    await row(label('logging'), async () => {
        peer.logs = [];
        await call('test_tool_with_logging');
        await sleep(100);
        expect(peer.logs.length === 0, peer.logs);
        const loud = { name: 'test_tool_with_logging', arguments: {}, _meta: { [sdk.logLevelKey]: 'debug' } };
        await client.callTool(loud, ...sdk.options());
        await until(() => peer.logs.length >= 3);
    });

    if (target.transport === 'stdio') return;
    if (target.binary === undefined) return skip(label('graceful end of a listen stream'), 'needs --binary');
    await row(label('graceful end of a listen stream'), async () => {
        const server = await ownServer(target.binary);
        try {
            const other = await sdk.connect(new Peer(), server.url);
            const subscription = await other.listen({ toolsListChanged: true });
            server.child.kill('SIGTERM');
            const closed = await subscription.closed;
            expect(closed === 'graceful', closed);
            await other.close().catch(() => undefined);
        } finally {
            server.child.kill('SIGKILL');
        }
    });
}

async function ownServer(binary) {
    const port = await new Promise((resolve) => {
        const probe = createServer().listen(0, '127.0.0.1', () => {
            const { port } = probe.address();
            probe.close(() => resolve(port));
        });
    });
    const child = spawn(binary, ['demo', '--listen', `127.0.0.1:${port}`], { stdio: ['ignore', 'ignore', 'inherit'] });
    for (;;) {
        const up = await new Promise((resolve) => {
            const socket = createConnection(port, '127.0.0.1', () => resolve(true));
            socket.on('error', () => resolve(false));
            socket.on('connect', () => socket.destroy());
        });
        if (up) return { child, url: `http://127.0.0.1:${port}/mcp` };
        await sleep(50);
    }
}
