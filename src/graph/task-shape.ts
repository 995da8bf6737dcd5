// The keys of task and resource lines and what wg accepts in each (wg-rules 2.3 and 2.4). A table without logic.

import { TASK_STATUSES } from '../domain/task.ts';
import { propertiesOf } from './json-tree.ts';
import {
  anything,
  type Check,
  type Fields,
  fieldsOf,
  flag,
  inner,
  isObject,
  listOf,
  number,
  object,
  oneOf,
  orNull,
  shown,
  text,
  texts,
  u32,
  u64,
} from './validators.ts';

/** Old key → current name. A line with both is unreadable for wg. */
export const ALIASES: ReadonlyMap<string, string> = new Map([
  ['blocked_by', 'after'],
  ['blocks', 'before'],
]);

/** The spellings used on disk; the wg command line has others, which wg cannot load. */
const FAILURE_CLASSES = [
  'api-error400-document',
  'api-error429-rate-limit',
  'api-error5xx-transient',
  'agent-hard-timeout',
  'agent-exit-nonzero',
  'wrapper-internal',
];

const optionalText = orNull(text);
const status = oneOf([...TASK_STATUSES, 'pending-review'], 'status');
const logEntry = object({ timestamp: text, message: text }, { actor: optionalText, user: optionalText });
const estimate = object({}, { hours: orNull(number), cost: orNull(number) });

const loopGuard: Check = (value, spelling) => {
  if (value === 'Always') return null;
  if (!isObject(value)) return `${shown(value)} is no loop guard that wg knows`;
  const entries = Object.entries(value);
  const [key, inside] = entries[0] ?? [];
  if (entries.length !== 1) return 'must have exactly one key';
  if (key === 'Always') return inside === null ? null : '"Always" takes no value';
  const at = inner(spelling, spelling === null ? undefined : propertiesOf(spelling.node)[0]?.value);
  if (key === 'IterationLessThan') return u32(inside, at);
  if (key === 'TaskStatus') return object({ task: text, status }, {})(inside, at);
  return `${shown(key)} is no loop guard that wg knows`;
};

const cycleConfig = object(
  { max_iterations: u32 },
  {
    guard: orNull(loopGuard),
    delay: optionalText,
    no_converge: flag,
    restart_on_failure: flag,
    max_failure_restarts: orNull(u32),
  },
);

const CONDITIONS: ReadonlyMap<string, Check> = new Map([
  ['task-status', object({ task_id: text, status }, {})],
  ['timer', object({ resume_after: text }, {})],
  ['human-input', object({}, {})],
  ['message', object({}, {})],
  ['file-changed', object({ path: text, mtime_at_wait: u64 }, {})],
]);

const condition: Check = (value, spelling) => {
  if (!isObject(value)) return `must be an object, not ${shown(value)}`;
  const check = typeof value.type === 'string' ? CONDITIONS.get(value.type) : undefined;
  return check ? check(value, spelling) : `type ${shown(value.type)} is no condition that wg knows`;
};

const waitCondition = object(
  { mode: oneOf(['all', 'any'], 'mode'), conditions: listOf(condition, 'conditions') },
  {},
);

const tokenUsage = object(
  {},
  {
    cost_usd: number,
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
  },
);

const loopsTo: Check = (value) =>
  value === null || typeof value === 'string' || Array.isArray(value)
    ? null
    : `must be a text or a list, not ${shown(value)}`;

function each(keys: string, check: Check): Readonly<Record<string, Check>> {
  return Object.fromEntries(keys.split(/\s+/).map((key) => [key, check]));
}

/** Every key of a task line that wg reads, with its check. */
export const TASK: Fields = fieldsOf(
  { id: text, title: text },
  {
    kind: anything,
    status,
    // wg accepts anything here and falls back to normal.
    priority: anything,
    ...each(
      `description assigned agent exec exec_mode timeout model provider endpoint working_dir executor_preset_name
      context_scope tier not_before ready_after cron_schedule last_cron_fire next_cron_fire created_at started_at
      completed_at last_interaction_at failure_reason verify verify_timeout validation validator_agent validator_model
      last_resurrected_at last_iteration_completed_at checkpoint session_id supersedes`,
      optionalText,
    ),
    ...each(
      `before after blocks blocked_by requires tags skills inputs deliverables artifacts command_argv tried_models
      validation_commands superseded_by place_near place_before`,
      texts,
    ),
    ...each(
      `retry_count gate_attempts rejection_count verify_failures rescue_count meta_eval_attempts spawn_failures
      dispatch_count triage_count resurrection_count loop_iteration cycle_failure_restarts`,
      u32,
    ),
    ...each('max_retries max_rejections', orNull(u32)),
    ...each('cron_enabled paused no_tier_escalation test_required rescued unplaced', flag),
    visibility: text,
    failure_class: orNull(oneOf(FAILURE_CLASSES, 'failure class')),
    log: listOf(logEntry, 'log entries'),
    estimate: orNull(estimate),
    cycle_config: orNull(cycleConfig),
    wait_condition: orNull(waitCondition),
    token_usage: orNull(tokenUsage),
    identity: orNull(object({ role_id: text, motivation_id: text }, {})),
    loops_to: loopsTo,
  },
);

/** Every key of a resource line that wg reads. */
export const RESOURCE: Fields = fieldsOf(
  { id: text },
  { kind: anything, name: optionalText, type: optionalText, available: orNull(number), unit: optionalText },
);

/** Keys that wg writes but never reads back: known, whatever their values. */
const WRITE_ONLY = [
  'independent',
  'iteration_round',
  'iteration_anchor',
  'iteration_parent',
  'iteration_config',
];
/** Keys of the supervisor. */
const OURS = ['executor', 'schedule', 'timezone'];
const KNOWN = new Set([...TASK.checks.keys(), ...WRITE_ONLY, ...OURS]);

/** True for the keys of a task whose meaning is known to wg or to the supervisor. */
export function isKnownKey(key: string): boolean {
  return KNOWN.has(key);
}
