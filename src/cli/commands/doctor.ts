// `supervisor doctor`: what the machine has and what is in the way, each with its next step.

import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Paths } from '../../config/paths.ts';
import { messageOf, SupervisorError } from '../../domain/errors.ts';
import { isAgentProfile, type Profile } from '../../domain/profile.ts';
import { findOnPath, onPath } from '../../platform/environment.ts';
import { connect } from '../connect.ts';
import { type Context, shortPath } from '../context.ts';
import { statePaint } from '../render/color.ts';
import { plain } from '../render/plain.ts';
import { wrap } from '../render/text-width.ts';

/** One finding. `note` is harmless; `failed` prevents the supervisor from working. Public in JSON. */
interface Finding {
  readonly check: string;
  readonly result: 'ok' | 'note' | 'failed';
  readonly because: string;
}

/** Runs all checks and prints the findings. Exit 1 if something failed. */
export async function doctor(context: Context): Promise<number> {
  const paths = await context.paths();
  const findings: Finding[] = [
    nodeVersion(),
    await git(context),
    await flock(),
    ...folders(paths, context),
    ...(await configuration(paths, context)),
    ...(await agentPrograms(paths, context)),
    await wg(context),
    await supervisor(context),
    ...(await routes(paths, context)),
  ];
  const failed = findings.some((finding) => finding.result === 'failed');
  if (context.json) context.outJson({ ok: !failed, checks: findings });
  else for (const finding of findings) context.out(findingLines(finding, context));
  return failed ? 1 : 0;
}

function findingLines({ check, result, because }: Finding, context: Context): string {
  const lines = wrap(plain(because), Math.max(30, context.width - 24));
  const mark = statePaint(result, context.paint)(result.padEnd(6));
  return `${mark}  ${check.padEnd(14)}  ${lines.join(`\n${' '.repeat(24)}`)}\n`;
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > 20 || (major === 20 && minor >= 19);
  return {
    check: 'node',
    result: fits ? 'ok' : 'failed',
    because: fits ? process.versions.node : `${process.versions.node} is too old; 20.19 or newer is needed`,
  };
}

async function git(context: Context): Promise<Finding> {
  const path = findOnPath('git', context.environment);
  if (path === null)
    return { check: 'git', result: 'failed', because: 'there is no git on PATH; install it' };
  const version = await firstLine(path, ['--version']);
  return version === null
    ? { check: 'git', result: 'failed', because: `${path} does not run` }
    : { check: 'git', result: 'ok', because: `${version} (${path})` };
}

/** Takes and releases a lock in a folder of our own: the only proof that locking works here. */
async function flock(): Promise<Finding> {
  const [{ createLocker }, { mkdtempSync, rmSync }, { tmpdir }, { join }] = await Promise.all([
    import('../../platform/flock.ts'),
    import('node:fs'),
    import('node:os'),
    import('node:path'),
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-doctor-'));
  try {
    const lock = createLocker().tryAcquire(join(folder, 'lock'));
    lock?.release();
    return lock
      ? { check: 'flock', result: 'ok', because: 'file locks work' }
      : { check: 'flock', result: 'failed', because: 'a new lock file could not be locked' };
  } catch (thrown) {
    const hint = thrown instanceof SupervisorError && thrown.hint !== undefined ? `; ${thrown.hint}` : '';
    return { check: 'flock', result: 'failed', because: `${messageOf(thrown)}${hint}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function folders(paths: Paths, context: Context): Finding[] {
  const wanted = [
    ['state', paths.stateDir],
    ['socket', dirname(paths.socket)],
  ] as const;
  return wanted.map(([check, folder]): Finding => {
    let nearest: string = folder;
    while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
    try {
      accessSync(nearest, constants.W_OK | constants.X_OK);
    } catch {
      // Whatever the reason is, the next step is the same.
      return {
        check,
        result: 'failed',
        because: `${folder} cannot be written; make it yours, or use --state-dir`,
      };
    }
    const made = nearest === folder ? '' : ' (made at the first run)';
    return { check, result: 'ok', because: `${shortPath(folder, context)}${made}` };
  });
}

async function configuration(paths: Paths, context: Context): Promise<Finding[]> {
  const { loadMachineConfig } = await import('../../config/load.ts');
  const check = 'configuration';
  const name = shortPath(paths.configFile, context);
  try {
    const { config, problems } = loadMachineConfig(paths.configFile, { home: context.environment.home });
    if (problems.length > 0)
      return problems.map((problem): Finding => ({ check, result: 'failed', because: problem.message }));
    const found: Finding[] = [
      {
        check,
        result: 'ok',
        because: config.file === null ? `there is no ${name}; defaults count` : `${name} is fine`,
      },
    ];
    if (isRoot() && [...config.profiles.values()].some(bypasses) && !context.environment.variables.IS_SANDBOX)
      found.push({
        check: 'root',
        result: 'note',
        because:
          'you are root, and Claude refuses --permission-mode bypassPermissions to root: run as another user, set permission_mode, or set IS_SANDBOX=1 in a container',
      });
    return found;
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    return [{ check, result: 'failed', because: thrown.message }];
  }
}

function bypasses(profile: Profile): boolean {
  return profile.type === 'claude' && profile.permissionMode === 'bypassPermissions';
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

async function agentPrograms(paths: Paths, context: Context): Promise<Finding[]> {
  const { loadMachineConfig, parseMachineConfig } = await import('../../config/load.ts');
  const { home } = context.environment;
  let { config } = parseMachineConfig(null, '', { home });
  try {
    config = loadMachineConfig(paths.configFile, { home }).config;
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    // The configuration check reports what is wrong with it.
  }
  return [...config.profiles.values()].filter(isAgentProfile).flatMap((profile): Finding[] => {
    const { name, command, type, origin } = profile;
    const path = findOnPath(command, context.environment);
    const check = name === type ? name : `executor ${name}`;
    if (path !== null) return [{ check, result: 'ok', because: path }];
    // Of the unconfigured ones only the default is worth mentioning.
    if (origin.file === 'built-in' && name !== 'claude') return [];
    const where = command.includes('/') ? `${command} is not there` : `${command} is not on PATH`;
    const because = `${where}: tasks for the ${name} executor are held until it is installed`;
    return [{ check, result: 'note', because }];
  });
}

/** Two programs are called wg: WorksGood's, which creates the graphs, and WireGuard's. */
async function wg({ environment }: Context): Promise<Finding> {
  const { createWgKnowledge } = await import('../../wg/capabilities.ts');
  const check = 'wg';
  const knowledge = createWgKnowledge(environment);
  const others: string[] = [];
  for (const path of onPath('wg', environment)) {
    const program = await knowledge.ask(path);
    if (program.kind === 'worksgood') {
      const because = `${path}, with the rules of ${program.can.age}`;
      return { check, result: 'ok', because: [because, ...others].join('; ') };
    }
    if (program.kind === 'unknown')
      return { check, result: 'note', because: `${path} does not answer as wg does: ${program.because}` };
    others.push(`${path} is WireGuard's program of that name and is passed over`);
  }
  const without =
    others.length === 0
      ? 'not on PATH: not needed, `supervisor add`, `edit` and `show` work without it'
      : `${others.join('; ')}; WorksGood's is not on PATH`;
  return { check, result: 'note', because: without };
}

async function supervisor(context: Context): Promise<Finding> {
  const check = 'supervisor';
  try {
    const client = await connect(context);
    if (!client)
      return { check, result: 'note', because: 'none is running; start one with `supervisor run`' };
    client.close();
    return { check, result: 'ok', because: `version ${client.version} answers on ${client.socket}` };
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    return { check, result: 'failed', because: thrown.message };
  }
}

/** The systems that models ask for; one without a profile holds its tasks. */
async function routes(paths: Paths, context: Context): Promise<Finding[]> {
  const [{ createConfigSource }, { askedBy, routesOf, worktreesWithGraphs }] = await Promise.all([
    import('../../config/source.ts'),
    import('../routes.ts'),
  ]);
  try {
    const source = createConfigSource({ paths, environment: context.environment });
    const found = await routesOf(await worktreesWithGraphs(context), source);
    return found.map((route): Finding => {
      const check = `route ${route.route}`;
      if (route.executor === null)
        return { check, result: 'note', because: `${askedBy(route)}: ${route.because}` };
      return { check, result: 'ok', because: `${route.executor} serves it; asked for by ${askedBy(route)}` };
    });
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    // Problems of the configuration or the worktrees are findings of their own.
    return [];
  }
}

function firstLine(program: string, args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: 5000 }, (error, stdout) =>
      resolve(error ? null : (stdout.split('\n')[0] ?? '')),
    );
  });
}
