// Five real agent CLIs with five routes in one graph, each against a model API on loopback.

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { PER_ANSWER } from '../support/model-api.ts';
import {
  besideRealAgents,
  CLIS,
  type Cli,
  isAlive,
  keepRecording,
  keyOf,
  patiently,
  realAgents,
} from '../support/real-agents.ts';
import { REFUSED_KEY, USED_UP } from '../support/refusals.ts';

besideRealAgents('five real CLIs in one graph', CLIS, () => {
  const agents = realAgents();

  /** Which task each key asked about: no CLI ever speaks for a task that is not of its route. */
  const asked = () =>
    [
      ...new Set(agents.model.requests.filter(({ task }) => task).map(({ key, task }) => `${key} ${task}`)),
    ].sort();

  test('each runs a tool and reports with it; none is started for a route that is not its own', async () => {
    await agents.start(
      CLIS.map((cli) => ({
        id: `to-${cli}`,
        executor: cli,
        description: [
          `model: bash echo ${cli} > out-${cli}`,
          `model: bash supervisor done to-${cli} --summary "made by ${cli}"`,
          'model: say reported',
        ].join('\n'),
      })),
    );
    for (const cli of CLIS) {
      const run = await agents.ended(`to-${cli}`);
      expect([cli, run.outcome]).toEqual([
        cli,
        expect.objectContaining({ kind: 'succeeded', summary: `made by ${cli}` }),
      ]);
    }
    expect([...(await agents.started())].sort()).toEqual(CLIS.map((cli) => `${cli} to-${cli}`).sort());
    expect(asked()).toEqual(CLIS.map((cli) => `${keyOf(cli)} to-${cli}`).sort());
  });

  test('ending well without a report is done; summary, session, tokens and cost are told as docs/agents.md says', async () => {
    await agents.start(
      CLIS.map((cli) => ({
        id: `to-${cli}`,
        executor: cli,
        description: `model: bash echo hello > out-${cli} && cat out-${cli}\nmodel: say The file is written.`,
      })),
    );
    for (const cli of CLIS) {
      const run = await agents.ended(`to-${cli}`);
      keepRecording(run, 'tool');
      expect([cli, run.outcome]).toEqual([
        cli,
        expect.objectContaining({ kind: 'succeeded', summary: 'The file is written.' }),
      ]);
      expect(readFileSync(join(agents.ground.repo, `out-${cli}`), 'utf8')).toBe('hello\n');
      const usage: { readonly cost_usd?: number | null } = run.usage ?? {};
      expect([cli, usage]).toEqual([
        cli,
        expect.objectContaining({
          input_tokens: 2 * PER_ANSWER.fresh,
          output_tokens: 2 * PER_ANSWER.output,
          cache_read_input_tokens: 2 * PER_ANSWER.cached,
        }),
      ]);
      expect([cli, (usage.cost_usd ?? 0) > 0]).toEqual([cli, ['claude', 'pi', 'opencode'].includes(cli)]);
      expect([cli, run.session]).toEqual([cli, expect.stringMatching(/^[\w-]{20,}$/)]);
    }
  });

  test('a refused login holds the profile, not the task; once it is accepted, each does its task', async () => {
    for (const cli of CLIS) agents.model.refuse(keyOf(cli), REFUSED_KEY);
    await agents.start(
      CLIS.map((cli) => ({ id: `to-${cli}`, executor: cli, description: 'model: say made' })),
      '[retry]\nattempts = 1\n',
    );
    for (const cli of CLIS) {
      const run = await agents.ended(`to-${cli}`);
      keepRecording(run, '401');
      expect([cli, run.outcome]).toEqual([
        cli,
        expect.objectContaining({ kind: 'deferred', code: 'executor-unavailable', scope: 'profile' }),
      ]);
      expect([cli, await agents.judged(`to-${cli}`, 'held')]).toEqual([
        cli,
        { code: 'executor-unavailable', because: expect.stringContaining(cli) },
      ]);
    }
    const before = (await agents.started()).length;
    expect(before).toBe(CLIS.length);
    for (const cli of CLIS) {
      agents.model.refuse(keyOf(cli), null);
      expect((await agents.command('resume', cli)).status).toBe(0);
    }
    for (const cli of CLIS) await agents.done(`to-${cli}`);
    // No attempt was counted: there is one only.
    for (const cli of CLIS) expect((await agents.runs(`to-${cli}`))[0]).toMatchObject({ attempt: 1 });
  });

  test('a used-up quota holds the account; once there is room again, each does its task', async () => {
    for (const cli of CLIS) agents.model.refuse(keyOf(cli), USED_UP[cli]);
    await agents.start(
      CLIS.map((cli) => ({ id: `to-${cli}`, executor: cli, description: 'model: say made' })),
      '[retry]\nattempts = 1\n',
    );
    for (const cli of CLIS) {
      const run = await agents.ended(`to-${cli}`);
      keepRecording(run, 'quota');
      expect([cli, run.outcome]).toEqual([
        cli,
        expect.objectContaining({ kind: 'deferred', code: 'quota', scope: 'account' }),
      ]);
      expect([cli, await agents.judged(`to-${cli}`, 'held')]).toEqual([
        cli,
        { code: 'quota', because: expect.stringContaining('account') },
      ]);
    }
    for (const cli of CLIS) {
      agents.model.refuse(keyOf(cli), null);
      expect((await agents.command('resume', cli)).status).toBe(0);
    }
    for (const cli of CLIS) await agents.done(`to-${cli}`);
    for (const cli of CLIS) expect((await agents.runs(`to-${cli}`))[0]).toMatchObject({ attempt: 1 });
  });

  test('killed in the middle, with a tool running: nothing is left, no attempt is counted, it is done the second time', async () => {
    await agents.start(CLIS.map(waitsInTool), '[retry]\nattempts = 1\n');
    for (const cli of CLIS) {
      const tool = await agents.pidIn(`tool-${cli}`);
      const [run] = await agents.runs(`to-${cli}`);
      // The program alone, not its wrapper: as when memory runs out.
      for (const { pid, words } of await agents.processesOf(run))
        if (words.split(' ', 2).some((word) => basename(word).includes(cli))) process.kill(pid, 'SIGKILL');
      const ended = await agents.ended(`to-${cli}`);
      keepRecording(ended, 'sigKILL');
      expect([cli, ended.outcome]).toEqual([
        cli,
        expect.objectContaining({ kind: 'failed', failure: 'interrupted' }),
      ]);
      await patiently(`the tool of ${cli} is gone`, async () => !isAlive(tool));
    }
    await writeFile(join(agents.ground.folder, 'go'), '');
    for (const cli of CLIS) {
      await agents.done(`to-${cli}`);
      expect((await agents.runs(`to-${cli}`))[0]).toMatchObject({
        attempt: 1,
        outcome: { summary: `made by ${cli}` },
      });
    }
    expect([...(await agents.started())].sort()).toEqual(
      CLIS.flatMap((cli) => [`${cli} to-${cli}`, `${cli} to-${cli}`]).sort(),
    );
  });

  test('the supervisor is killed and started again in the middle: each agent continues, started once', async () => {
    const first = await agents.start(CLIS.map(waitsInTool));
    for (const cli of CLIS) await agents.pidIn(`tool-${cli}`);
    await first.kill('SIGKILL');
    await agents.startAgain();
    await writeFile(join(agents.ground.folder, 'go'), '');
    for (const cli of CLIS) {
      await agents.done(`to-${cli}`);
      const [run, ...others] = await agents.runs(`to-${cli}`);
      expect([cli, run?.outcome, others]).toEqual([
        cli,
        expect.objectContaining({ kind: 'succeeded', summary: `made by ${cli}` }),
        [],
      ]);
      expect([cli, run?.session]).toEqual([cli, expect.stringMatching(/^[\w-]{20,}$/)]);
    }
    expect([...(await agents.started())].sort()).toEqual(CLIS.map((cli) => `${cli} to-${cli}`).sort());
  });

  test('the attempt after one that failed continues in its session', async () => {
    await agents.start(
      CLIS.map((cli) => ({
        id: `to-${cli}`,
        executor: cli,
        verify: `test -f checked-${cli} || { touch checked-${cli}; exit 3; }`,
        description: 'model: say made',
      })),
      '[retry]\nattempts = 2\nbackoff = "0"\n',
      'resume = true\n',
    );
    for (const cli of CLIS) {
      await agents.done(`to-${cli}`);
      const [second, first] = await agents.runs(`to-${cli}`);
      keepRecording(second as never, 'resumed');
      expect([cli, second?.session]).toEqual([cli, first?.session]);
      // What the first had used is not counted twice.
      expect([cli, second?.usage?.output_tokens]).toEqual([cli, PER_ANSWER.output]);
      const last = agents.model.requests
        .filter(({ task, step }) => task === `to-${cli}` && step !== null)
        .at(-1);
      expect([cli, last?.before]).toEqual([cli, [`to-${cli}`]]);
    }
  });
});

/** A task whose tool says who it is and then waits, until there is a file. */
function waitsInTool(cli: Cli) {
  return {
    id: `to-${cli}`,
    executor: cli,
    description: [
      `model: bash echo $$ > ../tool-${cli}.next && mv ../tool-${cli}.next ../tool-${cli} && until [ -e ../go ]; do sleep 0.1; done`,
      `model: bash supervisor done to-${cli} --summary "made by ${cli}"`,
      'model: say reported',
    ].join('\n'),
  };
}
