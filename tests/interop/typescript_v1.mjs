// The official TypeScript SDK v1 (legacy era only) against `mcp demo`.
//
//     node typescript_v1.mjs --stdio PATH_TO_MCP
//     node typescript_v1.mjs --http URL
//     node typescript_v1.mjs --sse URL

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
    CreateMessageRequestSchema,
    ElicitRequestSchema,
    LATEST_PROTOCOL_VERSION,
    ListRootsRequestSchema,
    LoggingMessageNotificationSchema,
    ResourceUpdatedNotificationSchema,
    ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

import { CAPABILITIES, ROW_LIMIT, era, finish, options } from './rows.mjs';

const target = options();

const sdk = {
    legacyNotFound: -32002,
    async connect(peer, url = target.http) {
        const client = new Client({ name: 'interop', version: '1.0.0' }, { capabilities: CAPABILITIES });
        client.setRequestHandler(ElicitRequestSchema, (request) => peer.elicit(request.params));
        client.setRequestHandler(CreateMessageRequestSchema, (request) => peer.sample(request.params));
        client.setRequestHandler(ListRootsRequestSchema, () => peer.roots());
        client.setNotificationHandler(LoggingMessageNotificationSchema, (note) => void peer.logs.push(note.params));
        client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (peer.toolsChanged += 1));
        client.setNotificationHandler(ResourceUpdatedNotificationSchema, (note) => void peer.updated.push(note.params.uri));
        let transport;
        if (url) {
            transport = new StreamableHTTPClientTransport(new URL(url));
        } else if (target.sse) {
            transport = new SSEClientTransport(new URL(target.sse));
        } else {
            transport = new StdioClientTransport({ command: target.stdio, args: ['demo', '--stdio'] });
        }
        // The transport learns the negotiated version; the client itself does not tell.
        const learn = transport.setProtocolVersion?.bind(transport);
        transport.setProtocolVersion = (version) => {
            client.negotiated = version;
            learn?.(version);
        };
        await client.connect(transport);
        return client;
    },
    version: (client) => client.negotiated,
    options: (more = {}) => [undefined, { timeout: ROW_LIMIT, ...more }],
    page: (client, method, params) => client[method](params),
    async close(client) {
        await client.transport?.terminateSession?.();
        await client.close();
    },
};

await era(sdk, target, 'typescript1', LATEST_PROTOCOL_VERSION);
finish();
