// Real agents by ACP (Agent Client Protocol), each against a model API on loopback.

import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { ModelApi } from '../support/model-api.ts';
import {
  besideRealAgents,
  isAlive,
  keepRecording,
  keyOf,
  patiently,
  programOf,
  realAgents,
  streamOf,
} from '../support/real-agents.ts';
import { REFUSED_KEY, USED_UP } from '../support/refusals.ts';

/** The profiles: the agent's program and arguments, its variables, and whose quota it meets. */
const AGENTS = {
  'gemini-acp': { argv: ['gemini', '--acp', '--model', 'gemini-2.5-flash'], like: 'gemini' },
  'opencode-acp': { argv: ['opencode', 'acp'], like: 'opencode' },
  'claude-acp': { argv: ['claude-agent-acp'], like: 'claude' },
  // It has no sandbox to ask about, and no login shell, which would lose the `supervisor` command.
  'codex-acp': {
    argv: [
      'codex-acp',
      ...['-c', 'sandbox_mode="danger-full-access"', '-c', 'approval_policy="never"'],
      ...['-c', 'allow_login_shell=false'],
    ],
    like: 'codex',
  },
} as const;
type Agent = keyof typeof AGENTS;
const ALL = Object.keys(AGENTS) as readonly Agent[];

function profiles({ url }: ModelApi): string {
  const variables: Readonly<Record<Agent, Readonly<Record<string, string>>>> = {
    'gemini-acp': { GEMINI_API_KEY: keyOf('gemini-acp'), GOOGLE_GEMINI_BASE_URL: url },
    'opencode-acp': {
      ...{ OPENAI_API_KEY: keyOf('opencode-acp'), OPENCODE_DISABLE_AUTOUPDATE: '1' },
      ...{ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_LSP_DOWNLOAD: '1' },
    },
    'claude-acp': {
      ...{ ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: keyOf('claude-acp'), IS_SANDBOX: '1' },
      ...{ CLAUDE_CODE_EXECUTABLE: programOf('claude'), CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' },
    },
    'codex-acp': { OPENAI_API_KEY: keyOf('codex-acp') },
  };
  const codexAsItIs = ['', 'mode = "full-access"'].map(
    (mode, n) =>
      `[executors.codex-${n === 0 ? 'plain' : 'full'}]\ntype = "acp"\ncommand = ${JSON.stringify(programOf('codex-acp'))}\n${mode}\naccount = "codex-acp"\nenv = { OPENAI_API_KEY = "${keyOf('codex-acp')}" }\n`,
  );
  const all = ALL.flatMap((name) =>
    (['allow', 'ask'] as const).map((mode) => {
      const [program, ...args] = AGENTS[name].argv;
      const env = Object.entries(variables[name]).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
      return [
        `[executors.${name}${mode === 'ask' ? '-asks' : ''}]`,
        `type = "acp"\ncommand = ${JSON.stringify(programOf(program))}\nargs = ${JSON.stringify(args)}`,
        `account = "${name}"\npermission_mode = "${mode}"\nenv = { ${env.join(', ')} }\n`,
      ].join('\n');
    }),
  );
  return [...all, ...codexAsItIs].join('');
}

besideRealAgents(
  'real agents by ACP',
  ['gemini', 'opencode', 'claude-agent-acp', 'claude', 'codex-acp'],
  () => {
    const agents = realAgents(profiles);

    const waitsInTool = (name: Agent) => ({
      id: `to-${name}`,
      executor: name,
      description: [
        `model: bash echo $$ > ../tool-${name}.next && mv ../tool-${name}.next ../tool-${name} && until [ -e ../go ]; do sleep 0.1; done`,
        `model: bash supervisor done to-${name} --summary "made by ${name}"`,
        'model: say reported',
      ].join('\n'),
    });

    test('each runs a tool and reports with it', async () => {
      await agents.start(
        ALL.map((name) => ({
          id: `to-${name}`,
          executor: name,
          description: `model: bash supervisor done to-${name} --summary "made by ${name}"\nmodel: say reported`,
        })),
      );
      for (const name of ALL) {
        const run = await agents.ended(`to-${name}`);
        expect([name, run.outcome]).toEqual([
          name,
          expect.objectContaining({ kind: 'succeeded', summary: `made by ${name}` }),
        ]);
      }
    });

    test('ending well without a report is done, with what it wrote after its last tool', async () => {
      await agents.start(
        ALL.map((name) => ({
          id: `to-${name}`,
          executor: name,
          description: `model: bash echo hello > out-${name}\nmodel: say The file is written.`,
        })),
      );
      for (const name of ALL) {
        const run = await agents.ended(`to-${name}`);
        keepRecording(run, 'tool');
        expect([name, run.outcome]).toEqual([
          name,
          expect.objectContaining({ kind: 'succeeded', summary: 'The file is written.' }),
        ]);
        expect([name, run.session]).toEqual([name, expect.stringMatching(/^[\w-]{20,}$/)]);
      }
    });

    test('Codex in its read-only default has done nothing; in the mode that a profile names, it has', async () => {
      const description = (name: string) =>
        `model: bash echo hello > out-${name}\nmodel: say The file is written.`;
      await agents.start(
        ['codex-plain', 'codex-full'].map((executor) => ({
          ...{ id: executor, executor, description: description(executor) },
        })),
      );
      const plain = await agents.ended('codex-plain');
      keepRecording(plain, 'read-only');
      expect(plain.outcome).toMatchObject({
        ...{ kind: 'failed', failure: 'reported', retryable: false },
        message: expect.stringMatching(/mode read-only, no tool of it ran .* mode = "auto" or "full-access"/),
      });
      expect((await agents.ended('codex-full')).outcome).toMatchObject({ kind: 'succeeded' });
      await access(join(agents.ground.repo, 'out-codex-full'));
    });

    test('a refused login holds the profile, a used-up quota the account', async () => {
      for (const name of ALL) agents.model.refuse(keyOf(name), REFUSED_KEY);
      await agents.start(
        ALL.map((name) => ({ id: `to-${name}`, executor: name, description: 'model: say made' })),
      );
      for (const name of ALL) {
        const run = await agents.ended(`to-${name}`);
        keepRecording(run, '401');
        expect([name, run.outcome]).toEqual([
          name,
          expect.objectContaining({ kind: 'deferred', code: 'executor-unavailable', scope: 'profile' }),
        ]);
      }
      for (const name of ALL) {
        agents.model.refuse(keyOf(name), USED_UP[AGENTS[name].like]);
        expect((await agents.command('resume', name)).status).toBe(0);
      }
      for (const name of ALL) {
        const run = await patiently(`${name} meets its quota`, async () => {
          const [latest] = await agents.runs(`to-${name}`);
          return latest?.outcome?.kind === 'deferred' && latest.outcome.code === 'quota' && latest;
        });
        keepRecording(run, 'quota');
      }
      for (const name of ALL) {
        agents.model.refuse(keyOf(name), null);
        expect((await agents.command('resume', name)).status).toBe(0);
      }
      for (const name of ALL) await agents.done(`to-${name}`);
      for (const name of ALL) expect((await agents.runs(`to-${name}`))[0]).toMatchObject({ attempt: 1 });
    });

    test('cancelled while its tool runs: its turn is cancelled, and nothing is left', async () => {
      await agents.start(ALL.map(waitsInTool));
      for (const name of ALL) {
        const tool = await agents.pidIn(`tool-${name}`);
        expect((await agents.command('cancel', `to-${name}`)).status).toBe(0);
        const run = await agents.ended(`to-${name}`);
        keepRecording(run, 'cancelled');
        expect([name, run.outcome]).toEqual([
          name,
          expect.objectContaining({ kind: 'stopped', reason: 'cancelled' }),
        ]);
        expect([name, streamOf(run)]).toEqual([name, expect.stringContaining('"stopReason":"cancelled"')]);
        await patiently(`the tool of ${name} is gone`, async () => !isAlive(tool));
        expect([name, await agents.processesOf(run)]).toEqual([name, []]);
      }
    });

    test('killed in the middle: nothing is left, no attempt is counted, it is done the second time', async () => {
      await agents.start(ALL.map(waitsInTool), '[retry]\nattempts = 1\n');
      for (const name of ALL) {
        const tool = await agents.pidIn(`tool-${name}`);
        const [run] = await agents.runs(`to-${name}`);
        const program = AGENTS[name].argv[0];
        for (const { pid } of (await agents.processesOf(run)).filter(
          ({ words }) => !words.includes('acp-client') && words.includes(program),
        ))
          process.kill(pid, 'SIGKILL');
        const ended = await agents.ended(`to-${name}`);
        keepRecording(ended, 'sigKILL');
        expect([name, ended.outcome]).toEqual([
          name,
          expect.objectContaining({ kind: 'failed', failure: 'interrupted' }),
        ]);
        await patiently(`the tool of ${name} is gone`, async () => !isAlive(tool));
      }
      await writeFile(join(agents.ground.folder, 'go'), '');
      for (const name of ALL) {
        await agents.done(`to-${name}`);
        expect((await agents.runs(`to-${name}`))[0]).toMatchObject({ attempt: 1 });
      }
    });

    test('the supervisor is killed and started again in the middle: each agent continues', async () => {
      const first = await agents.start(ALL.map(waitsInTool));
      for (const name of ALL) await agents.pidIn(`tool-${name}`);
      await first.kill('SIGKILL');
      await agents.startAgain();
      await writeFile(join(agents.ground.folder, 'go'), '');
      for (const name of ALL) {
        await agents.done(`to-${name}`);
        const [run, ...others] = await agents.runs(`to-${name}`);
        expect([name, run?.outcome, others]).toEqual([
          name,
          expect.objectContaining({ kind: 'succeeded', summary: `made by ${name}` }),
          [],
        ]);
      }
    });

    test('what it may not do unasked is a question; an answer that allows lets it, another refuses', async () => {
      // The other two run their shell unasked, as they are set up.
      const asking = ['gemini-acp', 'claude-acp'] as const;
      await agents.start(
        asking.flatMap((name) =>
          ['yes', 'no'].map((answer) => ({
            id: `${answer}-${name}`,
            executor: `${name}-asks`,
            description: `model: bash echo ${answer} > ${answer}-${name}\nmodel: say The file is written.`,
          })),
        ),
        '[retry]\nattempts = 1\n',
      );
      for (const name of asking)
        for (const answer of ['yes', 'no']) {
          const task = `${answer}-${name}`;
          const question = await patiently(`${task} asks`, async () => {
            const { items } = (await agents.api().get('/api/inbox')).json as unknown as {
              items: { task?: string; kind: string; options?: string[]; text?: string }[];
            };
            return items.find((item) => item.task === task);
          });
          const allows = question.options?.find((option) => /allow|yes/i.test(option)) ?? '';
          const given = answer === 'yes' ? allows : 'rather not';
          expect([task, (await agents.command('answer', task, given)).status]).toEqual([task, 0]);
          const run = await agents.ended(task);
          keepRecording(run, `asked-${answer}`);
          expect([task, run.outcome]).toEqual([
            task,
            answer === 'yes'
              ? expect.objectContaining({ kind: 'succeeded', summary: 'The file is written.' })
              : expect.objectContaining({ kind: 'failed', failure: 'reported' }),
          ]);
        }
    });
  },
);
