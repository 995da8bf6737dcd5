// The executor type `command`: a program, a shell text, or the task's own exec.

import { z } from 'zod';
import { optional, text } from '../../settings/setting.ts';
import { executorType, profileSchema, type Trouble } from '../executor-type.ts';
import { spawned, spawnedShape } from '../shared-settings.ts';

const schema = profileSchema(
  'command',
  'Runs a program in the worktree.',
  { is: '2h', why: 'As for claude.' },
  {
    command: optional(z.array(text).min(1, { error: 'must name a program' }), {
      text: "Program and arguments; placeholders allowed. Without command and shell, the task's own exec is run.",
      example: ['npm', 'run', 'agent', '--', '{{task.id}}'],
    }),
    shell: optional(text, {
      text: 'A shell text instead. Placeholders arrive as quoted arguments, never spliced into the text.',
      example: 'make deploy && echo {{task.title}}',
    }),
    cwd: optional(text, {
      text: 'Where it runs, relative to the worktree. Default: the worktree.',
      example: 'tools',
    }),
    end_line: optional(text, {
      text: 'A line of output that holds this text says that the work succeeded; what still runs then has end_grace.',
      example: '"type":"result"',
    }),
    ...spawnedShape,
  },
);

export const command = executorType({
  schema,
  builtIn: 'command',
  examples: [
    { name: 'build', without: ['shell'] },
    { name: 'deploy', without: ['command'] },
  ],
  templates: ['command', 'shell'],
  troubles({ command, shell, untrusted }) {
    const troubles: Trouble[] = [];
    if (command !== undefined && shell !== undefined)
      troubles.push({ path: ['shell'], sentence: 'stands beside command; only one of them can be run' });
    if (untrusted && command === undefined && shell === undefined)
      troubles.push({
        path: ['untrusted'],
        sentence: "needs command or shell beside it: a stranger's own exec is never run",
      });
    return troubles;
  },
  profile: (written, base) => ({
    ...base,
    ...spawned(written),
    type: 'command',
    command: written.command ?? null,
    shell: written.shell ?? null,
    cwd: written.cwd ?? null,
    endLine: written.end_line ?? null,
  }),
  async create(means) {
    const [{ createCommandExecutor }, { withOutputCap }] = await Promise.all([
      import('./command.ts'),
      import('./output/output-cap.ts'),
    ]);
    return withOutputCap(createCommandExecutor(means, means.subprocesses), means);
  },
});
