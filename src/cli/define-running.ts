// The commands that run, watch and control a supervisor, and those that set it up: names, arguments, flags and help.

import type { Command } from 'commander';
import { durationMs, type Host, repeatedOrListed, wholeNumber } from './bind-command.ts';
import type { DrillCommandOptions } from './commands/drill.ts';
import type { StatusOptions } from './commands/look.ts';
import type { OpenOptions } from './commands/open.ts';
import type { RunOptions } from './commands/run.ts';
import type { WorkerCommandOptions } from './commands/worker.ts';

/** Adds them to the program. */
export function defineSupervisorCommands(program: Command, host: Host): void {
  program.commandsGroup('Supervisor:');
  host.on<RunOptions>(
    program
      .command('run')
      .summary('the supervisor, in the foreground')
      .description(
        'Finds every worktree, watches its graph, and sends each ready task to its executor. One per machine. Without a configured repository it serves the one it is started in.',
      )
      .option(
        '--once',
        'run everything that is ready, including tasks it unblocks, list the rest, and exit: 0 unless a task failed',
      )
      .option(
        '--wait <duration>',
        'with --once: how long to wait for agents that answer later (default: 5s)',
        durationMs,
      )
      .option('--observe', 'decide and report, touch nothing')
      .option('--check', 'only load the configuration, and say whether it would start')
      .option(
        '--cancel',
        'the first SIGINT or SIGTERM ends the agents too, instead of leaving them to the next start',
      )
      .addHelpText(
        'after',
        `
Signals: the first SIGINT or SIGTERM takes nothing new and stops, agents run on; the second ends them; the third
exits at once. SIGHUP reads configuration and worktrees again.

Examples:
  supervisor run --observe
  supervisor run --once --wait 2m
`,
      ),
    async (context, _args, options) => (await import('./commands/run.ts')).run(context, options),
  );
  host.on<WorkerCommandOptions>(
    program
      .command('worker')
      .summary('do tasks of a supervisor on another machine')
      .description(
        'Takes tasks of profiles of type remote, or of type bullmq from a queue, one for each of its places: fetches the repository, makes a worktree at the commit, runs the same agents as a supervisor, pushes their commits, reports, and removes what it made. Needs Node, git and the agent CLIs. The token is read from SUPERVISOR_WORKER_TOKEN or a file; for a queue SUPERVISOR_QUEUE_URL (where neither --connect nor --queue is given; it may hold a password), _USERNAME, _PASSWORD, _CA, _CERT and _KEY count.',
      )
      .option('--connect <url>', 'the supervisor, like https://supervisor.example.net')
      .option(
        '--queue <url>',
        'instead: a Redis with queues, like rediss://redis.example.net:6380 (default: SUPERVISOR_QUEUE_URL)',
      )
      .option('--token-file <file>', 'where the token is (default: SUPERVISOR_WORKER_TOKEN)')
      .option(
        '--profile <name>',
        'a profile that it offers, by its name on the supervisor; may be repeated (default: those in its own supervisor.toml that start a program)',
        repeatedOrListed,
      )
      .option('--places <n>', 'how many tasks at once (default: 1)', wholeNumber(1))
      .option(
        '--lease <duration>',
        'how long it may be silent before a task goes to someone else (default: 60s)',
        durationMs,
      )
      .option('--name <name>', 'how it is called in `status` and `why` (default: the host name)')
      .option('--insecure', 'no encryption beyond this machine, on a network that you trust')
      .addHelpText(
        'after',
        `
Signals: the first SIGINT or SIGTERM takes nothing new and carries what runs to its end; the second leaves agents to the
next start; the third exits at once.

Example:
  SUPERVISOR_WORKER_TOKEN=wgt_… supervisor worker --connect https://supervisor.example.net --profile farm --places 4
  supervisor worker --queue rediss://redis.example.net:6380 --profile farm --places 4
`,
      ),
    async (context, _args, options) => (await import('./commands/worker.ts')).worker(context, options),
  );
  host.on<StatusOptions>(
    program
      .command('status')
      .summary('all worktrees at a glance')
      .description(
        'Shows every worktree, what runs, and why the rest does not. Works without a supervisor, and says so.',
      )
      .option(
        '-w, --watch',
        'refresh continuously; on a terminal with keys: why, log, retry, answer, filter (? shows them)',
      )
      .option('--html <file>', 'write it as a file for a browser'),
    async (context, _args, options) => (await import('./commands/look.ts')).status(context, options),
  );
  host.on(
    program
      .command('inbox')
      .summary('what waits for you')
      .description(
        'Lists everything that waits for a person, longest first: questions, failed and parked tasks, configuration to mend, broken worktrees; each with the command that settles it. Exit status 0 also when there is something.',
      )
      .addHelpText('after', '\nExample:\n  supervisor inbox --json\n'),
    async (context) => (await import('./commands/look.ts')).inbox(context),
  );
  host.on<OpenOptions>(
    program
      .command('open')
      .summary('the page, in your browser')
      .description(
        'Opens the page of the running supervisor: what needs you, what runs, every worktree and task. Prints its address, which opens it once, within a minute. On this machine only; from another one through an SSH tunnel.',
      )
      .option('--read-only', 'for looking only, such as a screen on the wall')
      .option('--print', 'only print the address')
      .option('--ip', 'by 127.0.0.1, where a browser cannot find workgraph.localhost')
      .option('--revoke', 'end every session of the page instead'),
    async (context, _args, options) => (await import('./commands/open.ts')).open(context, options),
  );
  host.on(
    program
      .command('budgets')
      .summary('what agents may spend, and have spent')
      .description(
        'Lists the [[budgets]] of supervisor.toml: what is spent, what running work is expected to take, what is left, and when each starts again.',
      )
      .addHelpText('after', '\nExample:\n  supervisor budgets --json\n'),
    async (context) => (await import('./commands/look.ts')).budgets(context),
  );
  host.on(
    program
      .command('worktrees')
      .summary('the worktrees that were found')
      .description('Lists the worktrees that were found, with state and reason.'),
    async (context) => (await import('./commands/look.ts')).worktrees(context),
  );
  const executors = program
    .command('executors')
    .summary('which executors exist, and whether they answer')
    .description('Lists the executor profiles, where each is defined and whether it is active.')
    .addHelpText('after', '\nExample:\n  supervisor executors test deploy-agent\n');
  host.on(executors, async (context) => (await import('./commands/executors.ts')).executors(context));
  host.on(
    executors
      .command('test')
      .description('Checks that an executor is usable: program found, endpoint reachable. Starts nothing.')
      .argument('<name>', 'the profile'),
    async (context, [name = '']) => (await import('./commands/executors.ts')).testExecutor(context, name),
  );
  host.on<{ reason?: string; worktree?: string }>(
    program
      .command('pause')
      .summary('start nothing new')
      .description(
        'Holds new dispatches: all of them, or those of one repository, executor, worktree (name, branch or path) or task. A name of several is meant in that order.',
      )
      .argument('[what]', 'a repository, executor, worktree or task (default: everything)')
      .option('--reason <text>', 'why, for `status` and `why`')
      .option('--worktree <name>', 'the argument is a task of this worktree'),
    async (context, [target], options) =>
      (await import('./commands/steer.ts')).pause(context, target, options),
  );
  host.on<{ worktree?: string }>(
    program
      .command('resume')
      .summary('undo pause or drain')
      .description('Takes new work again.')
      .argument('[what]', 'what was paused (default: everything)')
      .option('--worktree <name>', 'the argument is a task of this worktree'),
    async (context, [target], options) =>
      (await import('./commands/steer.ts')).resume(context, target, options),
  );
  host.on(
    program
      .command('drain')
      .summary('stop dispatching; let running work finish')
      .description('Stops dispatching; running work continues. Before an upgrade, for example.'),
    async (context) => (await import('./commands/steer.ts')).drain(context),
  );
  host.on(
    program
      .command('reload')
      .summary('read configuration and worktrees again')
      .description(
        'Reads configuration and worktrees again. A bad edit keeps the last good configuration; exit status 3.',
      ),
    async (context) => (await import('./commands/steer.ts')).reload(context),
  );

  host.on(
    program
      .command('mcp')
      .summary('an MCP server, for agents')
      .description(
        'Speaks the Model Context Protocol on standard input and output and passes on to the running supervisor: list_tasks, get_task, why, next_task, progress, complete, fail, ask, add_task, add_dependency. Inside an agent that the supervisor started, only what is about its own task.',
      )
      .addHelpText('after', '\nExample:\n  claude mcp add workgraph -- supervisor mcp\n'),
    async (context) => (await import('./commands/mcp.ts')).mcp(context),
  );
  host.on(
    program
      .command('adopt')
      .summary("take a graph over from wg's own daemon")
      .description(
        'Stops the wg daemon of a worktree by `wg service stop` and reports what happens to its running work: live agents continue, tasks of dead ones are reopened.',
      )
      .argument('[path]', 'the worktree (default: the one of the current folder)'),
    async (context, [place]) => (await import('./commands/adopt.ts')).adopt(context, place),
  );

  program.commandsGroup('Set-up:');
  const config = program
    .command('config')
    .summary('the configuration')
    .description('Checks and explains the configuration.');
  host.on(
    config
      .command('check')
      .description('Says what is wrong with supervisor.toml, with file, line and key; exit status 3.'),
    async (context) => (await import('./commands/config.ts')).check(context),
  );
  host.on(
    config.command('example').description('Prints a supervisor.toml with every setting explained.'),
    async (context) => (await import('./commands/config.ts')).example(context),
  );
  host.on(
    config.command('schema').description('Prints the JSON Schema of supervisor.toml, for editors.'),
    async (context) => (await import('./commands/config.ts')).schema(context),
  );
  host.on(
    config.command('path').description('Prints where supervisor.toml is looked for; all paths with --json.'),
    async (context) => (await import('./commands/config.ts')).path(context),
  );
  config.addHelpText('after', '\nExample:\n  supervisor config example > "$(supervisor config path)"\n');
  host.on<{ revoke?: boolean }>(
    program
      .command('trust')
      .summary('allow what the tasks of a repository choose to be run')
      .description(
        "Allows what a repository's tasks choose to be run (exec, verify, addresses, agents), in all of its worktrees, and the executor profiles in this worktree's .workgraph/config.toml as they are now. A changed file asks again. Needed only for repositories found below [[roots]].",
      )
      .argument('[path]', 'the worktree (default: the one of the current folder)')
      .option('--revoke', 'take it back'),
    async (context, [place], options) =>
      (await import('./commands/config.ts')).trust(context, place, options),
  );
  const imports = program
    .command('import')
    .summary("import another tool's configuration")
    .description('Turns the configuration of other tools into profiles.');
  host.on<{ write?: boolean }>(
    imports
      .command('routing')
      .description(
        'Prints the profiles that a [routing] table means: enabled, default_executor, and [routing.executors.NAME] with type, endpoint and tag_match.',
      )
      .argument('<file>', 'the TOML file with the [routing] table')
      .option('--write', 'add them to supervisor.toml instead of printing them'),
    async (context, [file = ''], options) =>
      (await import('./commands/import.ts')).importRoutingFile(context, file, options),
  );
  host.on<{ tz?: string; from?: string }>(
    program
      .command('schedule')
      .summary('when a schedule would be due')
      .description('Prints the next five instants of a schedule, with zone and daylight-saving notes.')
      .argument('<when>', 'HH:MM, 2027-03-14T09:00, or five cron fields in quotes')
      .option('--tz <zone>', "its zone, like Europe/Paris (default: this machine's)")
      .option('--from <instant>', 'look from here on, like 2027-03-28T00:00:00Z (default: now)')
      .addHelpText(
        'after',
        '\nExample:\n  supervisor schedule "30 2 * * *" --tz Europe/Paris --from 2027-03-27T00:00:00Z\n',
      ),
    async (context, [when = ''], options) =>
      (await import('./commands/schedule.ts')).schedule(context, when, options),
  );
  host.on(
    program
      .command('doctor')
      .summary('check this machine')
      .description(
        'Looks at node, git, file locks, folders, configuration and programs, and says what to do about each.',
      ),
    async (context) => (await import('./commands/doctor.ts')).doctor(context),
  );
  host.on(
    program
      .command('demo')
      .summary('see it work in a throw-away repository')
      .description(
        'Makes a throw-away repository with several worktrees and every type of executor, shows live what happens, and exits 0 only if all tasks finished as expected. Needs no network.',
      ),
    async (context) => (await import('./commands/demo.ts')).demo(context),
  );
  host.on<DrillCommandOptions>(
    program
      .command('drill')
      .summary('kill it in a throw-away repository, and see that nothing is lost')
      .description(
        "The crash test, on your own disk and kernel: a throw-away repository with ten worktrees and tasks of every executor that needs nothing from outside. The supervisor and agents are killed (-9) at chosen moments, git takes graphs away and brings them back, another program edits them. Then everyone may finish, and the agents' own journal is compared with the graphs. Exit status 1 if anything was run twice, lost, stranded or left. Your own supervisor is not touched, and nothing stays.",
      )
      .option('--seconds <n>', 'how long (default: 60)', wholeNumber(1))
      .option(
        '--seed <n>',
        'the same choices again; the machine still chooses how fast things are',
        wholeNumber(0),
      )
      .option('--keep <folder>', 'copy its files there at the end, to find a cause')
      .addHelpText('after', '\nExample:\n  supervisor drill --seconds 20\n'),
    async (context, _args, options) => (await import('./commands/drill.ts')).drill(context, options),
  );
}
