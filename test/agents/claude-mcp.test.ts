// A real Claude Code that uses the supervisor by MCP: over the pipes of `supervisor mcp` and over HTTP. What it calls is
// scripted by the model API on loopback.

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { BUILT, personEnvironment } from '../support/actors.ts';
import { besideRealAgents, keyOf, patiently, programOf, realAgents } from '../support/real-agents.ts';

besideRealAgents('a real Claude over MCP', ['claude'], () => {
  const agents = realAgents();

  /** Claude, with one MCP server and a prompt; what it printed. */
  async function claude(
    server: object,
    script: readonly string[],
  ): Promise<{ status: number | null; out: string }> {
    const file = join(agents.ground.folder, 'mcp.json');
    await writeFile(file, JSON.stringify({ mcpServers: { workgraph: server } }));
    const child = spawn(
      programOf('claude'),
      [
        ...[
          '--print',
          '--verbose',
          '--output-format',
          'stream-json',
          '--permission-mode',
          'bypassPermissions',
        ],
        ...['--strict-mcp-config', '--mcp-config', file],
      ],
      {
        cwd: agents.ground.repo,
        env: personEnvironment(agents.ground.folder, {
          ...{ ANTHROPIC_BASE_URL: agents.model.url, ANTHROPIC_API_KEY: keyOf('person') },
          ...{ IS_SANDBOX: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', ENABLE_TOOL_SEARCH: 'false' },
        }),
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stdin.end(`# Task person: what to do\n\n${script.map((line) => `model: ${line}`).join('\n')}\n`);
    const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { status, out };
  }

  /** What the tools answered, in order. */
  const answersIn = (out: string) =>
    out
      .split('\n')
      .filter((line) => line.startsWith('{"type":"user"'))
      .flatMap((line) => {
        const { message } = JSON.parse(line) as {
          message: { content: { type: string; content: unknown }[] };
        };
        return message.content
          .filter(({ type }) => type === 'tool_result')
          .map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content)));
      });

  const SCRIPT = [
    'tool mcp__workgraph__add_task {"title":"Paint it","id":"paint","executor":"outside","after":["build"]}',
    'tool mcp__workgraph__why {"task":"paint"}',
    'tool mcp__workgraph__next_task {"worker":"claude"}',
    'tool mcp__workgraph__complete {"task":"build","summary":"built by Claude"}',
    'tool mcp__workgraph__get_task {"task":"build"}',
    'say It is done.',
  ];

  const begin = () =>
    agents.start(
      [{ id: 'build', executor: 'outside', title: 'Build it' }],
      '[executors.outside]\ntype = "external"\n',
    );

  async function expectDone({ status, out }: { status: number | null; out: string }): Promise<void> {
    const [added = '', why = '', taken = '', completed = '', seen = ''] = answersIn(out).slice(-5);
    expect(added).toContain('paint');
    // It waits for the other one, and that is what Claude reads.
    expect(why).toContain('dependency');
    expect(why).toContain('build');
    expect(taken).toContain('Build it');
    expect(completed).toContain('done');
    expect(seen).toContain('built by Claude');
    expect(status).toBe(0);
    const graph = await agents.ground.readGraph(agents.ground.repo);
    expect(graph.get('build')).toMatchObject({ status: 'done' });
    expect(graph.get('paint')).toMatchObject({ title: 'Paint it', after: ['build'] });
    // What was waited for is done: now it may be taken.
    await patiently('paint no longer waits', async () => {
      const { json } = await agents.api().get('/api/task/paint/why');
      return json.code !== 'dependency';
    });
  }

  test('over pipes: it adds a task, asks why it waits, takes another and completes it', async () => {
    await begin();
    const { configFile, stateDir } = agents.ground;
    const args = [BUILT, '--config', configFile, '--state-dir', stateDir, 'mcp'];
    await expectDone(await claude({ command: process.execPath, args }, SCRIPT));
  });

  test('over HTTP, with a token of its own: the same', async () => {
    await begin();
    const made = await agents.command('token', 'create', 'claude', '--scope', 'operator', '--json');
    const { token } = JSON.parse(made.stdout) as { token: string };
    const headers = { Authorization: `Bearer ${token}` };
    await expectDone(await claude({ type: 'http', url: `${agents.api().url}/mcp`, headers }, SCRIPT));
  });

  test('a token that may only work gets no tool that writes into the graph', async () => {
    await begin();
    const made = await agents.command('token', 'create', 'claude', '--scope', 'worker', '--json');
    const { token } = JSON.parse(made.stdout) as { token: string };
    const headers = { Authorization: `Bearer ${token}` };
    const { out } = await claude({ type: 'http', url: `${agents.api().url}/mcp`, headers }, SCRIPT);
    expect(out).toContain('There is no tool mcp__workgraph__add_task among');
    expect(out).toContain('mcp__workgraph__next_task');
    expect((await agents.ground.readGraph(agents.ground.repo)).has('paint')).toBe(false);
  });

  test('inside an agent of the supervisor it speaks for its own task alone', async () => {
    const { configFile, stateDir } = agents.ground;
    const server = {
      command: process.execPath,
      args: [BUILT, '--config', configFile, '--state-dir', stateDir, 'mcp'],
    };
    const file = join(agents.ground.folder, 'mcp.json');
    await writeFile(file, JSON.stringify({ mcpServers: { workgraph: server } }));
    await agents.start(
      [
        {
          id: 'own',
          executor: 'claude',
          description: [
            'model: tool mcp__workgraph__complete {"task":"other","summary":"not mine"}',
            'model: tool mcp__workgraph__complete {"summary":"made over MCP"}',
            'model: say reported',
          ].join('\n'),
        },
        { id: 'other', after: ['own'], executor: 'outside' },
      ],
      '[executors.outside]\ntype = "external"\n',
      `args = ["--strict-mcp-config", "--mcp-config", ${JSON.stringify(file)}]\n`,
    );
    await agents.done('own');
    const [run] = await agents.runs('own');
    expect(run?.outcome).toMatchObject({ kind: 'succeeded', summary: 'made over MCP' });
    const refused = agents.model.requests.filter(({ task, step }) => task === 'own' && step === 1);
    expect(refused.at(-1)?.text).toContain('good for the task of its own run only');
    expect((await agents.ground.readGraph(agents.ground.repo)).get('other')).not.toMatchObject({
      status: 'done',
    });
  });
});
