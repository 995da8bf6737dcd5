// `supervisor worker`: does tasks of a supervisor on another machine.

import type { WorkerOptions } from '../../compose/worker.ts';
import { messageOf, SupervisorError } from '../../domain/errors.ts';
import { URL_VARIABLE } from '../../executors/queue/address.ts';
import { readText } from '../../platform/regular-file.ts';
import { type Context, compositionOf } from '../context.ts';
import { createVoice } from '../run-reporter.ts';

/** Flags of `worker`. */
export interface WorkerCommandOptions {
  readonly connect?: string;
  readonly queue?: string;
  readonly tokenFile?: string;
  readonly profile?: readonly string[];
  readonly places?: number;
  /** ms. */
  readonly lease?: number;
  readonly name?: string;
  readonly insecure?: boolean;
}

const TOKEN_VARIABLE = 'SUPERVISOR_WORKER_TOKEN';
const TERMS = { maxBytes: 4096, links: 'follow' } as const;

/** Works until a signal. The first drains, the second leaves agents to the next start, the third exits at once. */
export async function worker(context: Context, options: WorkerCommandOptions): Promise<number> {
  const from = await placeOfWork(context, options);
  const voice = await createVoice(context);
  const { composeWorker } = await import('../../compose/worker.ts');
  const running = await composeWorker({
    ...compositionOf(context),
    log: voice.log,
    profiles: options.profile ?? [],
    places: options.places ?? 1,
    leaseMs: options.lease ?? 60_000,
    ...(options.name === undefined ? {} : { name: options.name }),
    from,
  });
  let signals = 0;
  const hear = (name: string) => () => {
    signals++;
    if (signals >= 3) return context.exitNow(130);
    if (signals === 2) {
      voice.say(`${name} again: leaving; agents keep running, and the next start adopts them`);
      running.worker.leave();
      return;
    }
    voice.say(`${name}: taking nothing new; ${running.worker.jobs.size} under way are carried to their end`);
    running.worker.drain();
  };
  const offs = [
    context.onSignal('SIGINT', hear('SIGINT')),
    context.onSignal('SIGTERM', hear('SIGTERM')),
    context.onClosedPipe(() => running.worker.leave()),
  ];
  context.leaveFolder();
  voice.say(`worker ${running.name} offers ${running.offers.join(', ')}`);
  try {
    await running.run();
    return 0;
  } finally {
    for (const off of offs) off();
  }
}

/** Where its work comes from: a supervisor, or a queue. */
async function placeOfWork(context: Context, options: WorkerCommandOptions): Promise<WorkerOptions['from']> {
  const { connect, queue } = options;
  const insecure = options.insecure === true;
  if (connect !== undefined && queue !== undefined)
    throw new SupervisorError('usage', 'a worker has one place of work', {
      hint: 'give --connect or --queue; a second worker may have the other',
    });
  if (queue !== undefined) return { queue, mayHoldSecrets: false, insecure };
  if (connect !== undefined)
    return { connect, token: await workerToken(context, options.tokenFile), insecure };
  const { [URL_VARIABLE]: address } = context.environment.variables;
  if (address) return { queue: address, mayHoldSecrets: true, insecure };
  throw new SupervisorError('usage', 'a worker needs to know for whom it works', {
    hint: 'give the address of the supervisor: supervisor worker --connect https://supervisor.example.net, or of a queue: --queue rediss://redis.example.net, or the same in SUPERVISOR_QUEUE_URL',
  });
}

/** The token of a file, or of the environment; never of the command line, which everyone on the machine can read. */
async function workerToken(context: Context, file: string | undefined): Promise<string> {
  const named = context.environment.variables[TOKEN_VARIABLE];
  let text: string | null | undefined;
  try {
    text = file === undefined ? named : await readText(file, TERMS);
  } catch (thrown) {
    throw new SupervisorError('config', `the token cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
  const token = text?.trim() ?? '';
  if (/^wg[tl]_[\w-]{20,}$/.test(token)) return token;
  throw new SupervisorError(
    'config',
    token === '' ? 'this worker has no token' : 'its token is none of a supervisor',
    {
      hint: `make one there with \`supervisor token create NAME --scope remote\` and put it into ${TOKEN_VARIABLE} or a file (--token-file)`,
    },
  );
}
