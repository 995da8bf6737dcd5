// Where the socket goes when its path would be too long (http-protocol 6.3). What a killed supervisor leaves
// behind is in test/api/server.test.ts, what a second one makes of a living one in two-supervisors.test.ts.

import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { send } from '../api/api-kit.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null;
beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeGraph(playground.repo, [{ id: 'job', tags: ['executor:external'] }]);
  await playground.writeConfig('');
  supervised = null;
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  await playground.remove();
});

test('a path of 120 bytes would be cut off: the socket is elsewhere, for this user alone, and works', async () => {
  const stateDir = join(playground.folder, 'd'.repeat(120));
  await mkdir(stateDir);
  const runtime = join(playground.folder, 'runtime');
  await mkdir(runtime, { mode: 0o700 });
  supervised = await supervise(playground, { stateDir, variables: { XDG_RUNTIME_DIR: runtime } });
  const { socket } = supervised.paths;
  expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(103);
  expect(statSync(socket).isSocket()).toBe(true);
  expect(statSync(socket).mode & 0o077).toBe(0);
  expect((await send({ socketPath: socket }, { path: '/api/status' })).status).toBe(200);
  // Nothing listens at what is left of the long path.
  const cutOff = join(stateDir, 'supervisor.sock').slice(0, 107);
  expect(existsSync(cutOff)).toBe(false);
});
