// `supervisor restart` of a real supervisor that is no service: what its successor keeps, and when there is none.

import { existsSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readApiFile } from '../../src/api/api-file.ts';
import { processImage } from '../../src/platform/process-image.ts';
import { eventually, type Started, startSupervisor, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';

let ground: Playground;
let running: Started | null = null;
beforeEach(async () => {
  ground = await createPlayground();
});
afterEach(async () => {
  running?.kill('SIGTERM');
  await running?.kill('SIGTERM');
  running = null;
  await ground.remove();
});

const inPlace =
  processImage(process.platform) === null
    ? (name: string, _act: () => Promise<void>) => test.skip(`${name} (no koffi here)`, () => {})
    : test;

const api = () => readApiFile(join(ground.stateDir, 'api.json'));
const configure = (listen: string, more = '') =>
  ground.writeConfig(
    `[[repos]]\npath = ${JSON.stringify(ground.repo)}\n[api]\nlisten = "${listen}"\n[limits]\nsafety_pass = "1s"\n${more}`,
  );

/** As the successor has written it, which is a moment after it answers. */
const announced = () =>
  eventually(async () => {
    const found = await api();
    return found && !found.restarting && found;
  });

async function begin(): Promise<number> {
  const started = startSupervisor(ground, ['run']);
  running = started;
  await started.prints('supervisor.started');
  return started.pid;
}

const health = async (url: string) =>
  (await (await fetch(`${url}/api/health`)).json()) as { started_at: string };

/** State and parent of a process, as Linux tells them; null if there is none. */
function statOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ')
      .slice(0, 2)
      .join(' ');
  } catch {
    return null;
  }
}

inPlace('process, port, token and agents stay; who ended is reaped; a stop leaves nothing', async () => {
  const go = join(ground.folder, 'go');
  await configure('127.0.0.1:0');
  await ground.writeGraph(ground.repo, [
    { id: 'slow', exec: `echo $PPID > ${go}.pid; until [ -e ${go} ]; do sleep 0.02; done` },
  ]);
  const pid = await begin();
  const wrapper = Number(await eventually(async () => await readFile(`${go}.pid`, 'utf8').catch(() => '')));
  const before = await api();
  const { started_at } = await health(before?.url ?? '');
  const { status, stdout } = await supervisor(ground, ['restart']);
  expect([status, stdout]).toEqual([0, expect.stringMatching(/^restarted: version /)]);
  expect(await announced()).toEqual(before);
  expect((await health(before?.url ?? '')).started_at).not.toBe(started_at);
  expect(statOf(wrapper)).toBe(`S ${pid}`);
  // The lock was never free.
  expect((await supervisor(ground, ['run'])).status).toBe(4);

  await writeFile(go, '');
  await eventually(async () => (await ground.readGraph(ground.repo)).get('slow')?.status === 'done');
  await eventually(() => statOf(wrapper) === null);

  expect((await running?.kill('SIGTERM'))?.status).toBe(0);
  expect(existsSync(before?.socket ?? '')).toBe(false);
  expect(await api()).toBeNull();
  expect((await supervisor(ground, ['restart'])).status).toBe(5);
});

inPlace('one that would not start changes nothing', async () => {
  await configure('127.0.0.1:0');
  await ground.writeGraph(ground.repo, []);
  await begin();
  const before = await api();
  const { started_at } = await health(before?.url ?? '');
  await configure('127.0.0.1:0', '[supervisor]\nmax_concurrent = "many"\n');
  const refused = await supervisor(ground, ['restart']);
  expect(refused.status).toBe(3);
  expect(refused.stderr).toContain('the successor would not start, so this one stays');
  expect(refused.stderr).toContain('max_concurrent');
  expect(await api()).toEqual(before);
  expect((await health(before?.url ?? '')).started_at).toBe(started_at);
});

inPlace('another address in the configuration, or a socket file that is gone, is no obstacle', async () => {
  await configure('127.0.0.1:0');
  await ground.writeGraph(ground.repo, []);
  await begin();
  const before = await api();
  await configure('off');
  expect((await supervisor(ground, ['restart'])).status).toBe(0);
  expect(await announced()).toMatchObject({ url: null });
  // No one listens where no one answers.
  await expect(fetch(`${before?.url}/api/health`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });

  await configure('127.0.0.1:0');
  expect((await supervisor(ground, ['restart'])).status).toBe(0);
  const { url, socket, token } = await announced();
  await rm(socket);
  const response = await fetch(`${url}/api/control/restart`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  expect(response.status).toBe(202);
  await eventually(() => existsSync(socket));
  expect((await supervisor(ground, ['status', '--json'])).status).toBe(0);
});

inPlace('ended while a successor would take over: it ends', async () => {
  await configure('127.0.0.1:0');
  await ground.writeGraph(ground.repo, []);
  await begin();
  const restart = supervisor(ground, ['restart']);
  await running?.prints('supervisor.restarting');
  running?.kill('SIGTERM');
  // Between two programs the system itself ends the process.
  const ended = await running?.ended;
  expect([0, null]).toContain(ended?.status);
  await restart;
  expect(
    (await supervisor(ground, ['status'])).stdout + (await supervisor(ground, ['run', '--once'])).stderr,
  ).not.toContain('already running');
});
