// The commands about tasks: their names, arguments, flags and help. Their code is loaded when they are called.

import type { Command } from 'commander';
import { examples, type Host, listed, repeated, repeatedOrListed, WORKTREE } from './bind-command.ts';
import type { AuthorOptions } from './commands/author.ts';
import type { LeaseOptions } from './commands/claim.ts';
import type { CompleteOptions } from './commands/complete.ts';
import type { AbandonOptions } from './commands/fate.ts';
import type { ListOptions, WhyOptions } from './commands/look.ts';

/** Adds them to the program. */
export function defineTaskCommands(program: Command, host: Host): void {
  program.commandsGroup('Tasks:');
  host.on(
    program
      .command('init')
      .summary('make an empty graph')
      .description(
        'Makes an empty .workgraph/ in the worktree, as the first `add` does, and has git ignore it: no clean, stash or reset touches it. A graph that is there stays as it is, and is ignored from now on. Commit a graph with `git add -f`.',
      )
      .argument('[path]', 'the worktree (default: the one of the current folder)')
      .addHelpText('after', examples('supervisor init', 'supervisor init ../shop-feature')),
    async (context, [path]) => (await import('./commands/init.ts')).init(context, path),
  );
  authorOptions(
    program
      .command('add')
      .summary('add a task to the graph of this worktree')
      .description(
        'Adds an open task to the graph of the worktree and prints its id. Works without a supervisor.',
      )
      .argument('<title>', 'what is to be done')
      .option('--id <id>', 'the id (default: made from the title)'),
  ).addHelpText(
    'after',
    examples(
      'supervisor add "Fix auth bug"',
      'supervisor add "Research competitors" --executor http://localhost:3530/api/task',
      'supervisor add "Deploy to staging" --executor deploy-agent --after fix-auth-bug',
      'supervisor add "Weekly report" --executor scheduled --schedule "0 9 * * 1"',
    ),
  );
  host.on<AuthorOptions>(last(program), async (context, [title = ''], options) =>
    (await import('./commands/author.ts')).add(context, title, options),
  );

  authorOptions(
    program
      .command('edit')
      .summary('change a task')
      .description('Changes what is given and leaves the rest. An empty value ("") takes a setting away.')
      .argument('<task>', 'its id')
      .option('--title <text>', 'the title'),
  )
    .option('--untag <tag>', 'take a tag away; repeat for more', repeated)
    // After --paused: defined before it, it would make paused the default.
    .option('--no-paused', 'let a paused task run')
    .addHelpText('after', examples('supervisor edit weekly-report --schedule "30 8 * * 1" --tag team:ops'));
  host.on<AuthorOptions>(last(program), async (context, [task = ''], options) =>
    (await import('./commands/author.ts')).edit(context, task, options),
  );

  host.on<ListOptions>(
    program
      .command('list')
      .alias('ls')
      .summary('tasks across worktrees')
      .description('Lists the unfinished tasks of every worktree, with what each waits for.')
      .option(
        '--state <state>',
        'only ready, running, queued, scheduled, waiting, held, paused, copy or finished',
      )
      .option('--status <status>', 'only tasks with this wg status: open, in-progress, done, failed, …')
      .option('--executor <name>', 'only tasks that this executor would run')
      .option('--worktree <path>', 'only tasks of this worktree')
      .option('-a, --all', 'finished and internal ones too')
      .addHelpText('after', examples('supervisor list --state held', 'supervisor list --all --json')),
    async (context, _args, options) => (await import('./commands/look.ts')).list(context, options),
  );

  host.on<{ worktree?: string; prompt?: boolean }>(
    program
      .command('show')
      .summary('show one task in full')
      .description('Shows one task: description, artifacts, log and runs.')
      .argument('<task>', 'its id')
      .option('--prompt', 'what its agent was told, or the next one would be told, and nothing else')
      .option(...WORKTREE),
    async (context, [task = ''], options) =>
      (await import('./commands/look.ts')).show(context, task, options),
  );

  host.on<WhyOptions>(
    program
      .command('why')
      .summary('why a task is (not) running')
      .description('Shows every condition, limit and rule that was looked at, and when it is looked at next.')
      .argument('<task>', 'its id')
      .option('--all', 'the conditions that are met, too')
      .option('--at <when>', 'at a past instant: 03:00, "yesterday 03:00", 2h (ago), 2026-11-26T03:00:00Z')
      .option('--between <when...>', 'from one instant to another')
      .option(...WORKTREE)
      .addHelpText(
        'after',
        examples(
          'supervisor why deploy-to-staging',
          'supervisor why deploy-to-staging --at 03:00',
          'supervisor why deploy-to-staging --between 02:00 04:00',
        ),
      ),
    async (context, [task = ''], options) => (await import('./commands/look.ts')).why(context, task, options),
  );

  host.on<AbandonOptions>(
    program
      .command('abandon')
      .summary('give tasks up')
      .description(
        'Marks tasks as abandoned, as `wg abandon` does. Refused while one is being worked on. Says which tasks waited for it.',
      )
      .argument('<tasks...>', 'their ids')
      .option('--reason <text>', 'why')
      .option(...WORKTREE),
    async (context, [tasks], options) =>
      (await import('./commands/fate.ts')).abandon(context, listed(tasks), options),
  );
  host.on<{ worktree?: string }>(
    program
      .command('reopen')
      .summary('open a finished task again')
      .description(
        'Opens a done, failed or abandoned task again and resets its attempt count. `retry` does the same for what failed.',
      )
      .argument('<task>', 'its id')
      .option(...WORKTREE),
    async (context, [task = ''], options) =>
      (await import('./commands/fate.ts')).reopen(context, task, options),
  );
  host.on<{ worktree?: string; force?: boolean }>(
    program
      .command('rm')
      .summary('remove tasks from the graph')
      .description(
        'Removes tasks. Refused while one is being worked on, and while unfinished tasks wait for it. What ran stays in `runs`.',
      )
      .argument('<tasks...>', 'their ids')
      .option('--force', 'also if others wait for it: they no longer do')
      .option(...WORKTREE),
    async (context, [tasks], options) =>
      (await import('./commands/fate.ts')).remove(context, listed(tasks), options),
  );

  program.commandsGroup('Completion:');
  host.on<CompleteOptions>(
    program
      .command('done')
      .summary('report that the work on a task is done')
      .description(
        'Reports success of a task, by its worker or by hand, even for an agent that no supervisor started and while none is running. Repeating it is harmless.',
      )
      .argument('<task>', 'its id')
      .option('--agent <name>', 'who did it')
      .option('--artifacts <json>', 'results to keep with the task: JSON, @FILE, or - for stdin')
      .option('--summary <text>', 'the result, in a sentence')
      .option(...WORKTREE)
      .addHelpText(
        'after',
        examples(`supervisor done research --agent samantha --artifacts '{"result": "three competitors"}'`),
      ),
    async (context, [task = ''], options) =>
      (await import('./commands/complete.ts')).done(context, task, options),
  );
  host.on<CompleteOptions>(
    program
      .command('fail')
      .summary('report that the work on a task failed')
      .description('Reports failure of a task, by its worker or by hand.')
      .argument('<task>', 'its id')
      .requiredOption('--reason <text>', 'why it failed')
      .option('--agent <name>', 'who tried')
      .option('--retryable', 'trying again could help')
      .option(...WORKTREE)
      .addHelpText('after', examples('supervisor fail deploy --reason "the cluster refuses the image"')),
    async (context, [task = ''], options) =>
      (await import('./commands/complete.ts')).fail(context, task, options),
  );
  host.on<{ worktree?: string; worker?: string }>(
    program
      .command('claim')
      .summary('take a task for an orchestrator of your own')
      .description('Claims a ready task, so that no one else starts it. Prints the run and its token.')
      .argument('<task>', 'its id')
      .option('--worker <name>', 'who takes it (default: your user name)')
      .option(...WORKTREE)
      .addHelpText('after', examples('supervisor claim nightly-build --worker n8n --json')),
    async (context, [task = ''], options) =>
      (await import('./commands/claim.ts')).claim(context, task, options),
  );
  host.on<LeaseOptions & { reason?: string }>(
    program
      .command('release')
      .summary('hand a claimed task back')
      .description('Hands a task back: it is open again, and no attempt is counted.')
      .argument('<task>', 'its id')
      .option('--token <token>', 'the token that the claim gave')
      .option('--reason <text>', 'why')
      .option(...WORKTREE),
    async (context, [task = ''], options) =>
      (await import('./commands/claim.ts')).release(context, task, options),
  );
  host.on<LeaseOptions & { message?: string }>(
    program
      .command('heartbeat')
      .summary('send a heartbeat')
      .description(
        'Sends a heartbeat. Prints whether to continue; exit status 1 means: stop, the work is no longer wanted; 2: the token is wrong.',
      )
      .argument('<task>', 'its id')
      .option('--message <text>', 'how far it is')
      .option('--token <token>', 'the token that the claim gave')
      .option(...WORKTREE),
    async (context, [task = ''], options) =>
      (await import('./commands/claim.ts')).heartbeat(context, task, options),
  );
}

/** The flags that `add` and `edit` share. */
function authorOptions(command: Command): Command {
  return command
    .option('-d, --description <text>', 'what the agent needs to know')
    .option('--after <ids>', 'tasks to wait for; repeat, or put commas between', repeatedOrListed)
    .option('-e, --executor <name>', 'a profile name, or an http(s) URL')
    .option('-s, --schedule <when>', 'HH:MM, 2027-03-14T09:00, or five cron fields')
    .option('--timezone <zone>', 'the zone of the schedule, like Europe/Paris')
    .option('-t, --tag <tag>', 'add a tag; repeat for more', repeated)
    .option('-p, --priority <level>', 'critical, high, normal, low, idle, or a number')
    .option('--exec <command>', 'a shell command that does the work')
    .option('--verify <command>', 'a shell command that must succeed before it counts as done')
    .option('--timeout <duration>', 'longest time of one attempt, like 30m')
    .option('--model <name>', 'the model for the Claude executor')
    .option('--paused', 'do not start it yet')
    .option(...WORKTREE);
}

function last(program: Command): Command {
  const command = program.commands.at(-1);
  if (!command) throw new Error('no command was defined');
  return command;
}
