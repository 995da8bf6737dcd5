// `supervisor doctor`: what the machine has, what is served and what prevents it, each finding with its next step.

import { mainProgram } from '../../compose/base.ts';
import { missingConfig } from '../../config/config-text.ts';
import { loadMachineConfig, parseMachineConfig } from '../../config/load.ts';
import type { Paths } from '../../config/paths.ts';
import type { Config } from '../../domain/config.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { type AgentProfile, isAgentProfile, type Profile } from '../../domain/profile.ts';
import { findOnPath } from '../../platform/environment.ts';
import { connect, otherVersion } from '../connect.ts';
import { type Context, shortPath } from '../context.ts';
import type { Finding } from '../doctor/finding.ts';
import {
  clock,
  disk,
  flock,
  folders,
  git,
  nodeVersion,
  otherSupervisor,
  pressure,
  watches,
  wg,
} from '../doctor/machine.ts';
import { service } from '../doctor/service.ts';
import { world } from '../doctor/world.ts';
import { loginOf } from '../probe.ts';
import { statePaint } from '../render/color.ts';
import { plain } from '../render/plain.ts';
import { wrap } from '../render/text-width.ts';

/** Runs every check and prints the findings. Exit 1 if any failed. */
export async function doctor(context: Context): Promise<number> {
  const paths = await context.paths();
  const { config, findings: ofConfiguration } = configuration(paths, context);
  const findings: Finding[] = [
    nodeVersion(),
    await git(context),
    await flock(),
    watches(),
    ...folders(paths, context),
    disk(paths),
    await pressure(context, paths, config.machine),
    clock(paths, context.now()),
    ...ofConfiguration,
    ...(await agentPrograms(config, context)),
    await wg(context),
    ...otherSupervisor(context, mainProgram()),
    ...service(context, config.profiles.values()),
    await supervisor(context),
    ...(await world(context, config)),
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

/** The configuration, or the defaults where it cannot be loaded, and what there is to say of it. */
function configuration(
  paths: Paths,
  context: Context,
): { readonly config: Config; readonly findings: readonly Finding[] } {
  const check = 'configuration';
  const name = shortPath(paths.configFile, context);
  const { home } = context.environment;
  try {
    const { config, problems } = loadMachineConfig(paths.configFile, { home });
    if (paths.configNamed && config.file === null) throw missingConfig(paths.configFile);
    if (problems.length > 0)
      return {
        config,
        findings: problems.map((problem): Finding => ({ check, result: 'failed', because: problem.message })),
      };
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
    return { config, findings: found };
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    const because = thrown.hint === undefined ? thrown.message : `${thrown.message}; ${thrown.hint}`;
    const { config } = parseMachineConfig(null, '', { home });
    return { config, findings: [{ check, result: 'failed', because }] };
  }
}

function bypasses(profile: Profile): boolean {
  return profile.type === 'claude' && profile.permissionMode === 'bypassPermissions';
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

async function agentPrograms(config: Config, context: Context): Promise<readonly Finding[]> {
  const found = [...config.profiles.values()]
    .filter(isAgentProfile)
    .map((profile) => agentProgram(profile, context));
  return (await Promise.all(found)).flat();
}

async function agentProgram(profile: AgentProfile, context: Context): Promise<Finding[]> {
  const { name, command, type, origin } = profile;
  const path = findOnPath(command, context.environment);
  const check = name === type ? name : `executor ${name}`;
  if (path !== null) {
    const { state, how, remedy } = await loginOf(profile, context.environment);
    if (state !== 'no')
      return [{ check, result: 'ok', because: state === 'yes' ? `${path}, logged in` : path }];
    const held = `tasks for the ${name} executor are held`;
    return [
      { check, result: 'note', because: `${path} is not logged in (by ${how}), so ${held}; ${remedy}` },
    ];
  }
  // Of the unconfigured ones only the default is worth mentioning.
  if (origin.file === 'built-in' && name !== 'claude') return [];
  const where = command.includes('/') ? `${command} is not there` : `${command} is not on PATH`;
  const because = `${where}: tasks for the ${name} executor are held until it is installed`;
  return [{ check, result: 'note', because }];
}

async function supervisor(context: Context): Promise<Finding> {
  const check = 'supervisor';
  try {
    const client = await connect(context);
    if (!client)
      return { check, result: 'note', because: 'none is running; start one with `supervisor run`' };
    client.close();
    const other = otherVersion(client.version);
    if (other !== null) return { check, result: 'note', because: other };
    return { check, result: 'ok', because: `version ${client.version} answers on ${client.socket}` };
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    return { check, result: 'failed', because: thrown.message };
  }
}
