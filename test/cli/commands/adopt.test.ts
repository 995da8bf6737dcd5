import type { ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { pathWithWg, startDaemon } from '../../support/wg-like.ts';
import { command } from '../fake-surroundings.ts';

let ground: Playground;
let graph: string;
beforeEach(async () => {
  ground = await createPlayground();
  graph = join(ground.repo, '.workgraph');
  await ground.writeConfig('');
});
let daemon: ChildProcess | null = null;
afterEach(async () => {
  daemon?.kill('SIGKILL');
  await ground.remove();
});

const cli = async (...argv: string[]) =>
  command(
    { cwd: ground.repo, home: ground.folder, variables: { PATH: await pathWithWg(ground) } },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );

test('stops the daemon, and says of each task in progress what happens to it', async () => {
  await ground.writeGraph(ground.repo, [
    { id: 'lives', status: 'in-progress', assigned: 'agent-1' },
    { id: 'left', status: 'in-progress', assigned: 'agent-2' },
    { id: 'mine', status: 'in-progress', assigned: 'ada' },
  ]);
  const entry = (id: string, pid: number) => ({
    ...{ id, pid, task_id: 'x', executor: 'claude', status: 'working', output_file: '/x' },
    ...{ started_at: '2027-03-10T12:00:00Z', last_heartbeat: '2027-03-10T12:00:00Z' },
  });
  const agents = { 'agent-1': entry('agent-1', process.pid), 'agent-2': entry('agent-2', 2_147_483_000) };
  await mkdir(join(graph, 'service'), { recursive: true });
  await writeFile(join(graph, 'service', 'registry.json'), JSON.stringify({ agents, next_agent_id: 3 }));
  daemon = await startDaemon(graph);
  const { pid } = daemon;
  const ended = new Promise((resolve) => daemon?.once('exit', resolve));
  const { status, out, err } = await cli('adopt');
  expect({ status, err }).toEqual({ status: 0, err: expect.stringContaining('no supervisor is running') });
  await ended;
  expect(out).toContain(`stopped the wg daemon with pid ${pid}`);
  expect(out).toMatch(/lives: agent-1 \(pid \d+\) continues and finishes it itself/);
  expect(out).toContain('left: agent-2 has no process here; the supervisor opens the task again');
  expect(out).toContain('mine: ada has no process here; `wg unclaim` frees the task');
  expect(JSON.parse((await cli('adopt', '--json')).out)).toMatchObject({ stopped: false, pid: null });
});
