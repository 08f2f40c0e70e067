// The official TypeScript SDK v2 client against `mcp demo`, in every era that it speaks.
//
//     node typescript_v2.mjs --stdio PATH_TO_MCP
//     node typescript_v2.mjs --http URL [--binary PATH_TO_MCP]

import { Client, LOG_LEVEL_META_KEY, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { CAPABILITIES, ROW_LIMIT, era, finish, options } from './rows.mjs';

const target = options();

function adapter(more) {
    return {
        // The SDK makes one error of both codes.
        legacyNotFound: -32602,
        logLevelKey: LOG_LEVEL_META_KEY,
        async connect(peer, url = target.http) {
            const client = new Client({ name: 'interop', version: '1.0.0' }, { capabilities: CAPABILITIES, ...more });
            client.setRequestHandler('elicitation/create', (request) => peer.elicit(request.params));
            client.setRequestHandler('sampling/createMessage', (request) => peer.sample(request.params));
            client.setRequestHandler('roots/list', () => peer.roots());
            client.setNotificationHandler('notifications/message', (note) => void peer.logs.push(note.params));
            client.setNotificationHandler('notifications/tools/list_changed', () => void (peer.toolsChanged += 1));
            client.setNotificationHandler('notifications/resources/updated', (note) => void peer.updated.push(note.params.uri));
            const transport = url
                ? new StreamableHTTPClientTransport(new URL(url))
                : new StdioClientTransport({ command: target.stdio, args: ['demo', '--stdio'] });
            await client.connect(transport);
            return client;
        },
        version: (client) => client.getNegotiatedProtocolVersion(),
        options: (more = {}) => [{ timeout: ROW_LIMIT, ...more }],
        // An explicit cursor asks for one page; without one the SDK walks them all.
        page: (client, method, params) =>
            params.cursor === undefined ? firstPage(client, method) : client[method](params, { cacheMode: 'bypass' }),
        async close(client) {
            await client.transport?.terminateSession?.();
            await client.close();
        },
    };
}

const METHODS = { listTools: 'tools/list', listResources: 'resources/list' };

function firstPage(client, method) {
    return client.request({ method: METHODS[method], params: {} });
}

await era(adapter({ versionNegotiation: { mode: 'auto' } }), target, 'typescript2-probed', '2026-07-28');
await era(adapter({ versionNegotiation: { mode: { pin: '2026-07-28' } } }), target, 'typescript2-pinned', '2026-07-28');
for (const revision of ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']) {
    await era(adapter({ supportedProtocolVersions: [revision] }), target, `typescript2-${revision}`, revision);
}
finish();
