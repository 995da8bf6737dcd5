// The example server that the official MCP conformance suite calls: its tools, resources and prompts, by the same SDK
// as ours, for one request each. What it answers is prescribed by the suite's scenarios.

import {
  createMcpHandler,
  type McpHttpHandler,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server';

const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';

const text = (said: string) => ({ type: 'text' as const, text: said });
const image = { type: 'image' as const, data: PNG, mimeType: 'image/png' };
const embedded = (uri: string, mimeType: string, said: string) => ({
  type: 'resource' as const,
  resource: { uri, mimeType, text: said },
});
type Content = { readonly content: object[]; readonly isError?: boolean };

const TOOLS: Readonly<Record<string, (context: ServerContext) => Content | Promise<Content>>> = {
  test_simple_text: () => ({ content: [text('This is a simple text response for testing.')] }),
  test_image_content: () => ({ content: [image] }),
  test_audio_content: () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }),
  test_embedded_resource: () => ({
    content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
  }),
  test_multiple_content_types: () => ({
    content: [
      text('Multiple content types test:'),
      image,
      embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
    ],
  }),
  test_error_handling: () => ({
    content: [text('This tool intentionally returns an error for testing')],
    isError: true,
  }),
  async test_tool_with_logging({ mcpReq }) {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed'])
      await mcpReq.log('info', data);
    return { content: [text('logged')] };
  },
  async test_tool_with_progress({ mcpReq }) {
    const { _meta } = mcpReq;
    for (const progress of [0, 50, 100])
      if (_meta?.progressToken !== undefined)
        await mcpReq.notify({
          method: 'notifications/progress',
          params: { progressToken: _meta.progressToken, progress, total: 100 },
        });
    return { content: [text('progressed')] };
  },
};

const EMPTY = { type: 'object' as const };
const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object' as const,
  $defs: {
    address: { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } },
  },
  properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
  additionalProperties: false,
};

const RESOURCES = [
  { uri: 'test://static-text', name: 'text', description: 'a text', mimeType: 'text/plain' },
  { uri: 'test://static-binary', name: 'binary', description: 'a picture', mimeType: 'image/png' },
];

const PROMPTS: Readonly<
  Record<
    string,
    { readonly needs: readonly string[]; say(given: Readonly<Record<string, string>>): object[] }
  >
> = {
  test_simple_prompt: { needs: [], say: () => [text('This is a simple prompt for testing.')] },
  test_prompt_with_arguments: {
    needs: ['arg1', 'arg2'],
    say: ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  },
  test_prompt_with_embedded_resource: {
    needs: ['resourceUri'],
    say: ({ resourceUri = '' }) => [
      embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
      text('Please process the embedded resource above.'),
    ],
  },
  test_prompt_with_image: { needs: [], say: () => [image, text('Please analyze the image above.')] },
};

function read(uri: string): object {
  if (uri === 'test://static-text')
    return { uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' };
  if (uri === 'test://static-binary') return { uri, mimeType: 'image/png', blob: PNG };
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id === undefined) throw new Error(`there is no resource ${uri}`);
  const data = { id, templateTest: true, data: `Data for ID: ${id}` };
  return { uri, mimeType: 'application/json', text: JSON.stringify(data) };
}

/** Answers one request. */
export function exampleHandler(): McpHttpHandler {
  return createMcpHandler(() => {
    const server = new Server(
      { name: 'example', version: '1.0.0' },
      {
        capabilities: {
          ...{ tools: {}, prompts: {}, completions: {}, logging: {} },
          resources: { subscribe: true },
        },
      },
    );
    server.setRequestHandler('tools/list', () => ({
      tools: [
        ...Object.keys(TOOLS).map((name) => ({ name, description: name, inputSchema: EMPTY })),
        { name: 'json_schema_2020_12_tool', description: 'a schema', inputSchema: SCHEMA_2020_12 },
      ],
    }));
    server.setRequestHandler('tools/call', async ({ params }, context) => {
      const tool = TOOLS[params.name];
      if (!tool) throw new Error(`there is no tool ${params.name}`);
      return (await tool(context)) as never;
    });
    server.setRequestHandler('resources/list', () => ({ resources: RESOURCES }));
    server.setRequestHandler('resources/templates/list', () => ({
      resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template' }],
    }));
    server.setRequestHandler('resources/read', ({ params }) => ({ contents: [read(params.uri)] }) as never);
    server.setRequestHandler('resources/subscribe', () => ({}));
    server.setRequestHandler('resources/unsubscribe', () => ({}));
    server.setRequestHandler('prompts/list', () => ({
      prompts: Object.entries(PROMPTS).map(([name, { needs }]) => ({
        name,
        description: name,
        arguments: needs.map((argument) => ({ name: argument, description: argument, required: true })),
      })),
    }));
    server.setRequestHandler('prompts/get', ({ params }) => {
      const said = PROMPTS[params.name]?.say(params.arguments ?? {}) ?? [];
      return { messages: said.map((content) => ({ role: 'user', content })) } as never;
    });
    server.setRequestHandler('completion/complete', () => ({
      completion: { values: ['paris', 'park'], total: 2, hasMore: false },
    }));
    return server;
  });
}
