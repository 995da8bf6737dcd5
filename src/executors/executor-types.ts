// Every executor type: another one is a line here, and a file of its own.

import type { ExecutorType } from '../domain/profile.ts';
import type { ExecutorDefinition } from './executor-type.ts';
import { external } from './external.ts';
import { http } from './http/type.ts';
import { agentTypes } from './process/agent-types.ts';
import { command } from './process/command-type.ts';
import { bullmq } from './queue/type.ts';
import { remote } from './remote.ts';
import { schedule } from './schedule.ts';

/** In the order of the documentation. */
export const EXECUTOR_TYPES: readonly ExecutorDefinition[] = [
  ...agentTypes,
  command,
  http,
  schedule,
  external,
  remote,
  bullmq,
];

/** Their names. */
export const TYPE_NAMES: readonly ExecutorType[] = EXECUTOR_TYPES.map(({ type }) => type);

const byName: ReadonlyMap<unknown, ExecutorDefinition> = new Map(
  EXECUTOR_TYPES.map((facts) => [facts.type, facts]),
);

/** The type of that name; undefined: there is none. */
export function executorTypeNamed(name: unknown): ExecutorDefinition | undefined {
  return byName.get(name);
}
