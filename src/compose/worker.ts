// Wires `supervisor worker`: the same executors as a supervisor's, below a state folder of its own.

import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createConfigSource } from '../config/source.ts';
import { SupervisorError } from '../domain/errors.ts';
import { isSpawned } from '../domain/profile.ts';
import { createExecutors } from '../executors/executors.ts';
import { writeAgentTools } from '../executors/process/environment/agent-tools.ts';
import { allowedEnvironment } from '../executors/process/environment/environment.ts';
import { hookMarks } from '../executors/process/hooks/hook.ts';
import { queueAddress } from '../executors/queue/address.ts';
import { QueueConnection } from '../executors/queue/connection.ts';
import { holdInstanceLock } from '../platform/instance-lock.ts';
import { VERSION } from '../version.ts';
import { apiUrl } from '../worker/api-call.ts';
import { createCheckouts } from '../worker/checkouts.ts';
import { createClaimSource } from '../worker/claim-source.ts';
import { createJobRecords } from '../worker/job-record.ts';
import { Questions } from '../worker/questions.ts';
import { createQueueSource } from '../worker/queue-source.ts';
import { SaidByAgents } from '../worker/said-by-agents.ts';
import type { WorkSource } from '../worker/work-source.ts';
import { Worker } from '../worker/worker.ts';
import { type ComposeOptions, mainProgram, pathsOf } from './base.ts';
import { agentVariables, createDaemonServices, type DaemonServices } from './services.ts';

/** What a worker is to do, and for whom. */
export interface WorkerOptions extends ComposeOptions {
  readonly name?: string;
  /** Profiles that it offers; none: those of its own configuration that start a program. */
  readonly profiles: readonly string[];
  readonly places: number;
  readonly leaseMs: number;
  readonly from:
    | { readonly connect: string; readonly token: string; readonly insecure: boolean }
    /** `mayHoldSecrets`: the address is from the environment, which others cannot read. */
    | { readonly queue: string; readonly mayHoldSecrets: boolean; readonly insecure: boolean };
}

/** A worker that holds its state folder. */
export interface RunningWorker {
  readonly worker: Worker;
  readonly offers: readonly string[];
  readonly name: string;
  /** Works until it is drained or left; releases everything then. */
  run(): Promise<void>;
}

/** How often processes of jobs that no one holds are looked for, ms. */
const SWEEP_EVERY_MS = 5 * 60_000;

/** Puts a worker together. Throws `already-running` where another one has the state folder, `usage` and `config`. */
export async function composeWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { environment } = options;
  const paths = pathsOf(options);
  const config = createConfigSource({ paths, environment });
  const services = createDaemonServices(options, paths, config);
  const { clock, identity, log, processes, locker } = services;
  const stateDir = join(paths.stateDir, 'worker');
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const offers = offered(options.profiles, config.current().profiles);
  const name = options.name ?? hostname();
  const lockFile = join(stateDir, 'worker.lock');
  const lock = await holdInstanceLock({
    lockFile,
    holderFile: `${lockFile}.json`,
    locker,
    processes,
    scope: 'graph',
    facts: { stateDir, version: VERSION, startedAt: clock.now() },
  });
  const { source, closed } = await sourceOf(options, name, stateDir, services);
  const tools = await writeAgentTools(join(stateDir, 'bin'), [
    process.execPath,
    mainProgram(),
    ...(config.current().file === null ? [] : ['--config', paths.configFile]),
    ...['--state-dir', stateDir],
  ]);
  const variables = agentVariables(environment, tools, { ...paths, stateDir });
  const executors = await createExecutors({
    clock,
    identity,
    log,
    variables,
    version: VERSION,
    stateDir,
    processes,
    graceMs: () => config.current().shutdown.graceMs,
  });
  const seen = allowedEnvironment(variables);
  const worker: Worker = new Worker({
    clock,
    log,
    source,
    offers,
    places: options.places,
    folder: stateDir,
    random: () => identity.random(),
    records: createJobRecords(join(stateDir, 'jobs')),
    checkouts: createCheckouts(join(stateDir, 'repos'), seen, log),
    executors: executors.byType,
    hooks: executors.hooks,
    said: new SaidByAgents(join(stateDir, 'spool')),
    profiles: () => config.current().profiles,
    // Without its own token: a verify command may be a stranger's.
    environment: seen,
  });
  return {
    worker,
    offers,
    name,
    async run() {
      const marks = () => new Set([...worker.jobs.keys()].flatMap((run) => [run, ...hookMarks(run)]));
      let stopSweeping = () => {};
      const sweep = () => {
        void executors.sweep(marks).catch(() => undefined);
        stopSweeping = clock.after(SWEEP_EVERY_MS, sweep);
      };
      stopSweeping = clock.after(SWEEP_EVERY_MS, sweep);
      try {
        await worker.run();
      } finally {
        stopSweeping();
        await closed();
        await lock.release();
      }
    },
  };
}

/** Where the work comes from. */
async function sourceOf(
  { from, leaseMs, environment }: WorkerOptions,
  worker: string,
  stateDir: string,
  { clock, log, identity }: Pick<DaemonServices, 'clock' | 'log' | 'identity'>,
): Promise<{ readonly source: WorkSource; closed(): Promise<void> }> {
  if ('connect' in from) {
    const url = apiUrl(from.connect, from.insecure);
    const source = createClaimSource({ url, token: from.token, worker, leaseMs, clock, log });
    return { source, closed: async () => {} };
  }
  const address = await queueAddress(from.queue, environment.variables, from);
  const connection = await QueueConnection.open(address, { clock, log });
  const questions = await Questions.listen(join(stateDir, 'agents.sock'));
  const token = () => identity.token('wgl_');
  const source = createQueueSource({ connection, worker, leaseMs, clock, log, questions, token });
  return { source, closed: () => questions.close() };
}

function offered(
  named: readonly string[],
  profiles: ReturnType<ReturnType<typeof createConfigSource>['current']>['profiles'],
): readonly string[] {
  if (named.length > 0) return [...new Set(named)];
  const own = [...profiles.values()].filter(
    (profile) => profile.origin.file !== 'built-in' && isSpawned(profile),
  );
  if (own.length > 0) return own.map(({ name }) => name);
  throw new SupervisorError('usage', 'this worker offers no profile', {
    hint: 'name one with --profile, as it is called on the supervisor',
  });
}
