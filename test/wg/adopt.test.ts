import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import { daemonUnit, stopDaemon } from '../../src/wg/adopt.ts';
import { createWgCommand } from '../../src/wg/command.ts';
import { createDaemonDetector } from '../../src/wg/daemon.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { pathWithWg, startDaemon } from '../support/wg-like.ts';

let playground: Playground;
let graph: string;
const clock = systemClock();
const daemons = createDaemonDetector({ clock, scanEveryMs: 0 });

beforeEach(async () => {
  playground = await createPlayground();
  graph = join(playground.repo, '.workgraph');
  await playground.writeGraph(playground.repo, [{ id: 'a' }]);
});
afterEach(() => playground.remove());

describe('stopping a daemon', () => {
  test('by its own command; it is gone when it is seen no more', async () => {
    const daemon = await startDaemon(graph);
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    const wg = createWgCommand({ variables: { PATH: await pathWithWg(playground) } });
    expect(await stopDaemon(graph, { wg, daemons, clock })).toMatchObject({ pid: daemon.pid });
    await ended;
    expect(await stopDaemon(graph, { wg, daemons, clock })).toBeNull();
  });

  test('without wg it is left alone, and the error says how to end it', async () => {
    const daemon = await startDaemon(graph);
    const wg = createWgCommand({ variables: { PATH: playground.folder } });
    await expect(stopDaemon(graph, { wg, daemons, clock })).rejects.toMatchObject({
      code: 'executor-unavailable',
      hint: expect.stringContaining(`kill ${daemon.pid}`),
    });
    expect(daemon.exitCode).toBeNull();
    daemon.kill();
    await new Promise((resolve) => daemon.once('exit', resolve));
  });
});

test('edge 18: the unit that would start it again is named', async () => {
  expect(daemonUnit(graph, playground.folder)).toBeNull();
  const units = join(playground.folder, '.config', 'systemd', 'user');
  await mkdir(units, { recursive: true });
  await writeFile(join(units, 'wg-repo.service'), '');
  expect(daemonUnit(graph, playground.folder)).toBe('wg-repo.service');
});
