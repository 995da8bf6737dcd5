// The commands about runs and what happens: their names, arguments, flags and help.

import { type Command, Option } from 'commander';
import {
  durationMs,
  examples,
  type Host,
  listed,
  repeatedOrListed,
  WORKTREE,
  wholeNumber,
} from './bind-command.ts';
import type { EventsOptions } from './commands/events.ts';
import type { ForecastOptions } from './commands/forecast.ts';
import type { LogsOptions } from './commands/logs.ts';
import type { RunsOptions } from './commands/look.ts';
import type { CostOptions } from './commands/sums.ts';
import type { WaitOptions } from './commands/wait.ts';
import type { WhatIfOptions } from './commands/what-if.ts';

/** Defines them on the program. */
export function defineRunCommands(program: Command, host: Host): void {
  program.commandsGroup('Runs:');
  host.on<RunsOptions>(
    program
      .command('runs')
      .summary('what ran and what runs, newest first')
      .description('Lists runs, newest first.')
      .argument('[task]', 'only runs of this task')
      .option('--open', 'only runs that are not over')
      .option('--failed', 'only runs that failed')
      .option('--since <when>', 'only runs that ended or still run since: 2h, today, 2027-03-14T09:00')
      .option('--grep <text>', 'only runs whose task, executor, model, reason or outcome contains this text')
      .option('-n, --limit <n>', 'how many at most (default: 50)', wholeNumber(1))
      .option('--worktree <name>', 'only runs of this worktree, by path, name or branch')
      .addHelpText(
        'after',
        examples('supervisor runs --failed --since yesterday', 'supervisor runs --grep "rate limit"'),
      ),
    async (context, [task], options) => (await import('./commands/look.ts')).runs(context, task, options),
  );
  host.on<WaitOptions>(
    program
      .command('wait')
      .summary('wait until tasks are done')
      .description(
        'Waits until the tasks are done. Exit status 0: all are done; 1: one finished otherwise; 124: --timeout came first. Works without a supervisor too, by watching the graphs.',
      )
      .argument('<tasks...>', 'their ids')
      .addOption(
        new Option('--for <what>', 'done gives up when one finishes otherwise; over waits for all')
          .choices(['done', 'over'])
          .default('done'),
      )
      .option('--timeout <duration>', 'give up after this long, like 5m', durationMs)
      .option(...WORKTREE)
      .addHelpText('after', examples('supervisor wait build test --timeout 10m && ./release.sh')),
    async (context, [tasks], options) =>
      (await import('./commands/wait.ts')).wait(context, listed(tasks), options),
  );
  host.on<EventsOptions>(
    program
      .command('events')
      .summary('what happened, and what happens')
      .description(
        'Prints what the running supervisor did, as far as it keeps it (the last 1000 events), or with --follow what it does. With --json one object a line, every event.',
      )
      .argument('[task]', 'only events of this task')
      .option('-f, --follow', 'go on with new ones, also of the next supervisor')
      .option('--since <when>', 'only events since: 10m, today, 2027-03-14T09:00')
      .option('-n, --lines <n>', 'only the last n of them, and with --follow the new ones', wholeNumber(0))
      .addHelpText(
        'after',
        examples(
          'supervisor events -f',
          'supervisor events -n 20',
          'supervisor events --since 1h --json | jq .name',
        ),
      ),
    async (context, [task], options) => (await import('./commands/events.ts')).events(context, task, options),
  );
  host.on<CostOptions>(
    program
      .command('cost')
      .summary('tokens and money by day, repository or profile')
      .description(
        'Sums up what runs used, as far as their executors report it. A run counts on the day it started.',
      )
      .addOption(
        new Option('--by <what>', 'one row for each').choices(['day', 'repo', 'profile']).default('day'),
      )
      .option('--since <when>', 'runs that started since: 30d, today, 2027-03-14', '7d')
      .addHelpText('after', examples('supervisor cost --by profile --since 30d')),
    async (context, _args, options) => (await import('./commands/sums.ts')).cost(context, options),
  );
  host.on<{ since: string }>(
    program
      .command('digest')
      .summary('what happened while you were away')
      .description('Shows what finished and failed, what it cost, and what waits for you now.')
      .option('--since <when>', 'since when: 8h, yesterday, 2027-03-14T18:00', '1d')
      .addHelpText('after', examples('supervisor digest --since yesterday')),
    async (context, _args, options) => (await import('./commands/sums.ts')).digest(context, options),
  );
  host.on<ForecastOptions>(
    program
      .command('forecast')
      .summary('when open tasks end, as ranges')
      .description(
        'Draws the future many times from what earlier runs came to, by the rules that decide, and says by when tasks end in half, 80 % and 95 % of it. Of one task also the longest way to it, its cost, and where the spread comes from. Exit status 1: there is not enough history.',
      )
      .argument('[task]', 'tell of this task in full')
      .option(
        '--draws <n>',
        'how many courses are drawn (default: as many as six seconds allow)',
        wholeNumber(1),
      )
      .option('--seed <n>', 'draw the same again', wholeNumber(0))
      .option(...WORKTREE)
      .addHelpText('after', examples('supervisor forecast', 'supervisor forecast release')),
    async (context, [task], options) =>
      (await import('./commands/forecast.ts')).forecast(context, task, options),
  );
  host.on<WhatIfOptions>(
    program
      .command('whatif')
      .summary('the past with another configuration')
      .description(
        'Replays recorded arrivals, durations, failures and quota stops with the configuration that --config names, and compares it with the one in use: waiting, money, quota stops, and the first runs that start otherwise. Changes nothing.',
      )
      .option('--since <when>', 'from when: 7d, yesterday, 2027-03-14', '7d')
      .option('--base <file>', 'compare with this configuration instead of the one in use')
      .addHelpText('after', examples('supervisor whatif --config new.toml --since 7d')),
    async (context, _args, options) => (await import('./commands/what-if.ts')).whatIf(context, options),
  );
  host.on<LogsOptions>(
    program
      .command('logs')
      .summary('what runs wrote')
      .description(
        'Shows the output of a run, or of the latest run of a task; of several each line has its task in front. Works without a supervisor.',
      )
      .argument('<tasks-or-runs...>', 'tasks, or runs by their ids or how these begin')
      .option('-f, --follow', 'wait for the task to start, follow all its attempts, end with it')
      .option('-n, --lines <n>', 'only the last n lines', wholeNumber(0))
      .option('--since <when>', 'only lines that say they were written since: 10m, today, 2027-03-14T09:00')
      .option('--attempt <n>', 'the run of this attempt instead of the latest', wholeNumber(1))
      .option('-t, --timestamps', 'when each line was written, where the output says so')
      .option('--raw', 'the bytes as they were written, control characters included')
      .option(...WORKTREE)
      .addHelpText(
        'after',
        examples('supervisor logs -f fix-auth-bug', 'supervisor logs build test deploy --since 10m -t'),
      ),
    async (context, [names], options) =>
      (await import('./commands/logs.ts')).logs(context, listed(names), options),
  );
  host.on<{ worktree?: string; reason?: string }>(
    program
      .command('cancel')
      .summary('end the run of a task')
      .description(
        'Stops the run of a task, or a run by its id. The task is paused until `supervisor retry`.',
      )
      .argument('<task-or-run>', 'a task or run id')
      .option('--reason <text>', 'why')
      .option(...WORKTREE),
    async (context, [task = ''], options) =>
      (await import('./commands/steer.ts')).cancel(context, task, options),
  );
  host.on<{ option?: readonly string[] }>(
    program
      .command('ask')
      .summary('ask a person, from inside an agent, and print the answer')
      .description(
        'For agents: asks the person who operates the supervisor and waits for the answer, which it prints. `supervisor inbox` has the question, `supervisor answer` settles it. Also on workers of other machines.',
      )
      .argument('<question>', 'one question')
      .option('--option <text>', 'an answer to choose from; may be repeated', repeatedOrListed)
      .addHelpText('after', examples('supervisor ask "Deploy to both regions?" --option yes --option no')),
    async (context, [question = ''], options) =>
      (await import('./commands/ask.ts')).ask(context, question, options),
  );
  host.on<{ worktree?: string; question?: string }>(
    program
      .command('answer')
      .summary("answer a worker's question")
      .description(
        'Answers the open question of a task, or of a run by its id. The worker receives the answer with its next heartbeat.',
      )
      .argument('<task-or-run>', 'a task or run id')
      .argument('<text>', 'the answer')
      .option(
        '--question <text>',
        'answer only if this is what it asks: another agent of the task may ask next',
      )
      .option(...WORKTREE)
      .addHelpText('after', examples('supervisor answer deploy "yes, to both regions"')),
    async (context, [task = '', text = ''], options) =>
      (await import('./commands/steer.ts')).answer(context, task, text, options),
  );
  host.on<{ worktree?: string }>(
    program
      .command('retry')
      .summary('open a failed task again')
      .description('Reopens a failed or cancelled task and counts its attempts from zero.')
      .argument('<task>', 'its id')
      .option(...WORKTREE),
    async (context, [task = ''], options) =>
      (await import('./commands/steer.ts')).retry(context, task, options),
  );
}
