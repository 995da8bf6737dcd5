// What agents of workers spend, and quotas that they meet: counted, held and said as of agents on this machine, over the API
// and over a queue.

import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { instantText } from '../../src/decide/instant.ts';
import { FAKE_CLAUDE } from '../support/actors.ts';
import { eachOnFarm, type Farm } from '../support/farm.ts';
import { someRedis } from '../support/redis.ts';

// Each starts a supervisor, workers and git many times: seconds here, minutes on a machine that does ten things more.
jest.setTimeout(400_000);

const say = (...directives: string[]) => directives.map((one) => `fake-claude: ${one}`).join('\n');
const agent = (command: string) =>
  `[executors.farm]\ntype = "claude"\ncommand = "${command}"\nend_grace = "0"\n`;
/** When quotas are full again, seconds: long after every test. */
const RESET = Math.ceil(Date.now() / 1000) + 86_400;
const RESET_TEXT = instantText(RESET * 1000);

let farm: Farm;

describe.each(['api', 'queue'] as const)('over the %s', (over) => {
  const some = over === 'queue' ? someRedis(test) : test;

  eachOnFarm(over, (planted) => {
    farm = planted;
  });

  const why = (task: string) => farm.supervised.control.why({ task });

  /** An agent CLI whose account has used up its quota, as long as there is no file `paid`. */
  async function poorAgent(): Promise<string> {
    const info = { status: 'rejected', resetsAt: RESET, rateLimitType: 'five_hour' };
    const lines = [
      { type: 'rate_limit_event', rate_limit_info: info },
      {
        type: 'result',
        subtype: 'success',
        is_error: true,
        api_error_status: 429,
        result: 'You hit your limit',
      },
    ].map((line) => JSON.stringify(line));
    const path = farm.pathOf('poor-claude');
    const script = `#!/bin/sh\ncat > /dev/null\necho x >> ${farm.pathOf('tried')}\necho '${lines.join("'; echo '")}'\nexit 1\n`;
    await writeFile(path, script, { mode: 0o755 });
    return path;
  }

  some(
    'cost, tokens and model are those of the run; a budget that they use up holds the next task',
    async () => {
      await farm.tasks(
        { id: 'first', priority: 100, description: say('play tool-use') },
        { id: 'second', after: ['first'], description: say('play tool-use') },
      );
      await farm.up({
        profile: 'account = "anthropic"',
        config: '[[budgets]]\nname = "small"\nusd = 0.000001\naccount = "anthropic"\n',
      });
      await farm.worker('one', { config: agent(FAKE_CLAUDE) });
      expect(await farm.over('first')).toMatchObject({ status: 'done' });
      const [run] = await farm.supervised.control.runs({ task: 'first' });
      expect(run).toMatchObject({
        model: expect.stringMatching(/^claude/),
        usage: { cost_usd: expect.any(Number), output_tokens: expect.any(Number) },
      });
      await farm.until(async () => (await why('second')).code === 'budget');
      expect(await why('second')).toMatchObject({
        state: 'queued',
        because: expect.stringMatching(/^budget small: .* spent/),
      });
      const { budgets } = await farm.supervised.control.status();
      expect(budgets).toEqual([expect.objectContaining({ name: 'small', state: 'spent', untold: 0 })]);
    },
  );

  some(
    'a running agent hears what is left, and is ended when it is spent; no attempt is counted',
    async () => {
      await farm.tasks({ id: 'a', description: say(`note ${farm.pathOf('note')}`, 'play tool-use', 'hang') });
      await farm.up({
        config:
          '[limits]\nsafety_pass = "500ms"\n[[budgets]]\nname = "words"\ntokens = 1\nper = "task"\non_spent = "stop"\n',
      });
      const one = await farm.worker('one', { config: agent(FAKE_CLAUDE) });
      expect(await farm.supervised.event('run.released', 'a')).toMatchObject({
        because: expect.stringMatching(/^budget words is spent: /),
      });
      const [run] = await farm.supervised.control.runs({ task: 'a' });
      expect(run).toMatchObject({ phase: 'interrupted', outcome: { kind: 'stopped', reason: 'budget' } });
      expect(run?.usage?.output_tokens).toBeGreaterThan(0);
      expect(await why('a')).toMatchObject({ state: 'held', code: 'budget' });
      expect(await readFile(farm.pathOf('note'), 'utf8')).toContain('1 token of 1 token (budget words)');
      // Its agent ends with it.
      expect(await one.kill('SIGTERM')).toBe(0);
      expect(one.said()).toContain('worker.dropped');
    },
  );

  some('a quota of one worker: it rests alone until the reset, and why says both', async () => {
    await farm.tasks({ id: 'a' });
    await farm.up();
    await farm.worker('poor', { config: agent(await poorAgent()) });
    await farm.supervised.event('run.released', 'a');
    await farm.until(async () => /none takes it now/.test((await why('a')).because));
    const { because } = await why('a');
    expect(because).toContain(
      'waits for a worker with profile farm: 1 is connected, none takes it now (poor: account default:',
    );
    expect(because).toContain(`it tries again at ${RESET_TEXT})`);
    await farm.worker('rich', { config: '[executors.farm]\ntype = "command"\nshell = "true"\n' });
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect(await readFile(farm.pathOf('tried'), 'utf8')).toBe('x\n');
  });

  some(
    'an account that workers share with this machine: its quota pauses it for all until the reset',
    async () => {
      await farm.tasks({ id: 'a' }, { id: 'here', after: ['a'], tags: [], executor: 'claude' });
      await farm.up({
        profile: `account = "shared"\n[executors.claude]\naccount = "shared"\ncommand = "${FAKE_CLAUDE}"`,
      });
      await farm.worker('poor', { config: agent(await poorAgent()) });
      await farm.supervised.event('run.released', 'a');
      const held = await why('a');
      expect(held).toMatchObject({
        state: 'held',
        code: 'quota',
        because: expect.stringMatching(/^account .*limit/),
      });
      // Not all return in the first second, and a message takes its time.
      const late = Date.parse(held.next_at ?? '') - RESET * 1000;
      expect([late > -1000, late < 300_000]).toEqual([true, true]);
      await farm.tasks({ id: 'a' }, { id: 'here', tags: [], executor: 'claude' });
      await farm.supervised.control.reload();
      await farm.until(async () => (await why('here').catch(() => null))?.code === 'quota');
      await farm.worker('rich', { config: '[executors.farm]\ntype = "command"\nshell = "true"\n' });
      // Paid: a person says so.
      await farm.supervised.control.resume('farm');
      expect(await farm.over('a')).toMatchObject({ status: 'done' });
      expect(await farm.over('here')).toMatchObject({ status: 'done' });
    },
  );
});
