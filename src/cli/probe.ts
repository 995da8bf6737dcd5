// Whether an executor could work, found out without giving it any work.

import { connect as connectSocket } from 'node:net';
import { messageOf, systemCode } from '../domain/errors.ts';
import { type AgentProfile, isAgentProfile, type Profile } from '../domain/profile.ts';
import { executorTypeNamed } from '../executors/executor-types.ts';
import { allowedEnvironment, profileEnvironment } from '../executors/process/environment/environment.ts';
import type { LoginAnswer } from '../executors/process/environment/login.ts';
import { type Environment, findOnPath } from '../platform/environment.ts';

/** Whether it can work, and how that is known. */
export interface Answer {
  readonly ok: boolean;
  readonly because: string;
}

/** How long an endpoint may take to accept a connection, ms. */
const CONNECT_MS = 3000;

type Surroundings = Pick<Environment, 'variables'>;

/** Looks whether the profile could work, without starting anything. Never rejects. */
export async function probe(
  profile: Profile,
  profiles: ReadonlyMap<string, Profile>,
  environment: Surroundings,
  seen: ReadonlySet<Profile> = new Set(),
): Promise<Answer> {
  const missing = Object.values(profile.env).find(
    (value) => typeof value === 'object' && environment.variables[value.env] === undefined,
  );
  if (typeof missing === 'object')
    return { ok: false, because: `the environment variable ${missing.env} is not set here` };
  if (isAgentProfile(profile)) return await agent(profile, environment);
  switch (profile.type) {
    case 'command':
      if (profile.command) return findProgram(profile.command[0] ?? '', environment);
      return profile.shell === null
        ? { ok: true, because: "it runs the task's own exec" }
        : findProgram('sh', environment);
    case 'http':
      return endpoint(profile.endpoint);
    case 'schedule': {
      const via = profiles.get(
        profile.via === 'default' && !profiles.has('default') ? 'claude' : profile.via,
      );
      if (!via || via === profile || seen.has(via))
        return { ok: false, because: `it dispatches via ${profile.via}, which does not exist` };
      const answer = await probe(via, profiles, environment, new Set([...seen, profile]));
      return { ok: answer.ok, because: `via ${via.name}: ${answer.because}` };
    }
    case 'bullmq':
      return { ok: true, because: `it waits for \`supervisor worker --queue\`, queue ${profile.queue}` };
    default: {
      const waitsFor = executorTypeNamed(profile.type)?.waitsFor;
      return {
        ok: true,
        because: waitsFor === undefined ? 'a run will show it' : `it waits for ${waitsFor}`,
      };
    }
  }
}

/** Whether an agent's program exists and, where it has a question for that, is logged in. */
async function agent(profile: AgentProfile, environment: Surroundings): Promise<Answer> {
  const program = findProgram(profile.command, environment);
  if (!program.ok) return program;
  const { state, how, remedy } = await loginOf(profile, environment);
  if (state === 'no') return { ok: false, because: `it is not logged in (by ${how}): ${remedy}` };
  return state === 'yes'
    ? { ok: true, because: `${program.because}, and is logged in (by ${how})` }
    : program;
}

/** What the CLI of a profile says of its login, as it would see this shell's environment. */
export async function loginOf(profile: AgentProfile, { variables }: Surroundings): Promise<LoginAnswer> {
  const { askLogin } = await import('../executors/process/environment/login.ts');
  const place = { environment: allowedEnvironment(variables), variables };
  return await askLogin(profile, { worktree: '/', environment: profileEnvironment(profile, place) });
}

/** Whether a program exists that a profile names. */
export function findProgram(name: string, environment: Surroundings): Answer {
  if (name.includes('{{')) return { ok: true, because: 'its program depends on the task' };
  const path = findOnPath(name, environment);
  return path === null
    ? { ok: false, because: `there is no program ${name} on PATH` }
    : { ok: true, because: `it runs ${path}` };
}

/** Whether a server accepts connections there. Nothing is sent: a request might start work. */
function endpoint(url: string): Promise<Answer> {
  let target: URL;
  try {
    target = new URL(url);
  } catch {
    // A template such as http://{{…}}: only a task makes it a URL.
    return Promise.resolve({ ok: true, because: `${url} depends on the task` });
  }
  if (decodeURIComponent(target.hostname).includes('{{'))
    return Promise.resolve({ ok: true, because: `${url} depends on the task` });
  const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80);
  const host = target.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connectSocket({ host, port, timeout: CONNECT_MS });
    const end = (ok: boolean, because: string) => {
      socket.destroy();
      resolve({ ok, because });
    };
    socket.once('connect', () => end(true, `${target.host} accepts connections`));
    socket.once('timeout', () => end(false, `${target.host} did not answer within ${CONNECT_MS / 1000} s`));
    socket.once('error', (error) => end(false, `${target.host}: ${systemCode(error) ?? messageOf(error)}`));
  });
}
