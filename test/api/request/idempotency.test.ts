import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createOnce, type Once } from '../../../src/api/request/idempotency.ts';
import { ApiProblem } from '../../../src/api/request/problem.ts';
import type { Reply } from '../../../src/api/request/route.ts';
import type { Clock } from '../../../src/platform/clock.ts';
import { type Ledger, openLedger } from '../../../src/runs/ledger.ts';

const TOKEN = `wgl_${'s'.repeat(43)}`;

let folder: string;
let ledger: Ledger;
let once: Once;
let now: number;
let done: number;

const clock: Clock = { now: () => now, after: () => () => {}, sleep: () => Promise.reject(new Error('no')) };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'once-'));
  now = 1_800_000_000_000;
  done = 0;
  await restart();
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

async function restart(): Promise<void> {
  ledger?.close();
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
  once = createOnce(ledger.answers);
}

const asked = (key: string | undefined, body = '{}', scope = 'operator') => ({
  scope,
  key,
  request: ['/api/task/a/complete', body],
});

const act =
  (reply: Reply = { body: { n: 1 }, headers: { location: '/x' }, status: 202 }) =>
  async (): Promise<Reply> => {
    done += 1;
    return reply;
  };

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (thrown: unknown) => (thrown instanceof ApiProblem ? thrown.problem : String(thrown)),
  );

describe('a request with a key', () => {
  test('is done once and answered alike, also after a restart; quoted and bare keys are one', async () => {
    const first = await once(asked('k'), act());
    const again = await once(asked('"k"'), act());
    expect(again).toEqual({ ...first, headers: { location: '/x', 'idempotency-replayed': 'true' } });
    await restart();
    expect((await once(asked('k'), act())).body).toEqual({ n: 1 });
    expect(done).toBe(1);
  });

  test('without a key it is done each time', async () => {
    await once(asked(undefined), act());
    await once(asked(undefined), act());
    expect(done).toBe(2);
  });

  test('the key of another request is refused; of another caller it is another key', async () => {
    await once(asked('k'), act());
    expect(await refusal(once(asked('k', '{"a":1}'), act()))).toBe('idempotency-key-reused');
    await once(asked('k', '{"a":1}', 'run_1'), act());
    expect(done).toBe(2);
  });

  test('while the first is under way the second is told so; when its process dies the key is free', async () => {
    let finish = () => {};
    const slow = once(asked('k'), () => new Promise((resolve) => (finish = () => resolve({ body: 1 }))));
    expect(await refusal(once(asked('k'), act()))).toBe('idempotency-key-in-use');
    await restart();
    await once(asked('k'), act());
    expect(done).toBe(1);
    finish();
    await slow.catch(() => {
      // Its ledger is closed: no one hears that answer any more.
    });
  });

  test('a refusal is repeated, trouble that may pass is tried again', async () => {
    const refuse = async (): Promise<Reply> => {
      done += 1;
      throw new ApiProblem('not-ready', 'No.');
    };
    expect(await refusal(once(asked('k'), refuse))).toBe('not-ready');
    expect(await once(asked('k'), refuse)).toMatchObject({ status: 409, body: { code: 'not-ready' } });
    expect(done).toBe(1);
    const fail = async (): Promise<Reply> => {
      throw new Error('a bug');
    };
    expect(await refusal(once(asked('j'), fail))).toBe('Error: a bug');
    await once(asked('j'), act());
    expect(done).toBe(2);
  });

  test('a day later the key is free', async () => {
    await once(asked('k'), act());
    now += 24 * 3_600_000;
    await once(asked('k'), act());
    expect(done).toBe(2);
  });

  test('an answer with a token is repeated, also after a restart; neither it nor the key is on the disk', async () => {
    const claimed = act({ body: { lease: { token: TOKEN } } });
    await once(asked('a-secret-key'), claimed);
    expect((await once(asked('a-secret-key'), claimed)).body).toEqual({ lease: { token: TOKEN } });
    ledger.close();
    for (const file of readdirSync(folder)) {
      const bytes = readFileSync(join(folder, file));
      expect(bytes.includes(TOKEN)).toBe(false);
      expect(bytes.includes('a-secret-key')).toBe(false);
    }
    await restart().catch(() => {});
    expect((await once(asked('a-secret-key'), claimed)).body).toEqual({ lease: { token: TOKEN } });
    expect(done).toBe(1);
  });

  test.each(['', '""', 'x'.repeat(256)])('the key %j is none', async (key) => {
    expect(await refusal(once(asked(key), act()))).toBe('malformed-request');
  });
});
