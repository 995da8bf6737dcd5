// What wg's dispatcher requires on top of readiness (wg-rules 4.5), and what is left to wg entirely.

import { isSystemTask, type Task } from '../../domain/task.ts';
import { instantText } from '../instant.ts';
import { type NotReady, nameList, notReady, type ReadinessView } from './readiness-view.ts';

/**
 * wg starts nothing that has an assignee. On running and finished tasks the field only records who works or worked on
 * it.
 */
export function assignedAgainst(task: Task): NotReady | null {
  if (task.assigned === undefined || (task.status !== 'open' && task.status !== 'incomplete')) return null;
  const how = `\`wg unclaim ${task.id}\` frees it`;
  return notReady('held', 'assigned', `it is open, yet assigned to ${task.assigned}; ${how}`);
}

/** Tags that mark the standing tasks of wg's daemon. */
const DAEMON_TAGS: ReadonlySet<string> = new Set([
  'compact-loop',
  'archive-loop',
  'chat-loop',
  'coordinator-loop',
  'registry-refresh-loop',
  'user-board',
]);

/** Driven by wg's daemon itself. */
export function daemonTagAgainst(task: Task): NotReady | null {
  const tag = task.tags.find((candidate) => DAEMON_TAGS.has(candidate));
  if (tag === undefined) return null;
  return notReady('held', 'daemon-tag', `its tag ${tag} says that wg's own daemon drives it`);
}

const THROTTLE_WINDOW_MS = 300_000;
const THROTTLE_STEP_MS = 60_000;
const THROTTLE_LIMIT = 5;

/** One death is forgiven; 2, 3 and 4 within five minutes wait 1, 2 and 4 minutes; 5 block the task. */
export function throttleAgainst(task: Task, { now }: ReadinessView): NotReady | null {
  if (task.recentDeaths.length < 2) return null;
  const deaths = task.recentDeaths.filter((at) => at > now - THROTTLE_WINDOW_MS).sort((a, b) => a - b);
  const count = deaths.length;
  const last = deaths[count - 1];
  if (count < 2 || last === undefined) return null;
  const oldestLeaves = (deaths[0] ?? last) + THROTTLE_WINDOW_MS;
  const died = `its agents died ${count} times within five minutes`;
  if (count >= THROTTLE_LIMIT) {
    return notReady('held', 'respawn-throttle', died, oldestLeaves);
  }
  const until = last + THROTTLE_STEP_MS * 2 ** (count - 2);
  if (now >= until) return null;
  // When the oldest death leaves the window, the wait may end earlier.
  const because = `${died}; tried again at ${instantText(until)}`;
  return notReady('scheduled', 'respawn-throttle', because, Math.min(until, oldestLeaves));
}

/** wg's default max_spawn_failures. */
const MAX_SPAWN_FAILURES = 5;

/** wg gives up after its default max_spawn_failures. */
export function spawnFailuresAgainst(task: Task): NotReady | null {
  if (task.spawnFailures < MAX_SPAWN_FAILURES) return null;
  const again = `\`supervisor retry ${task.id}\` clears that`;
  return notReady('held', 'spawn-failures', `it could not be started ${task.spawnFailures} times; ${again}`);
}

/** The number of failed starts, as text. */
export function startsText(failures: number): string {
  return failures === 0
    ? 'it never failed to start'
    : `it failed to start ${failures} times of ${MAX_SPAWN_FAILURES}`;
}

/** wg skips its own tasks whose subject was abandoned; the rest of its agency is judged by one hook. */
export function systemTaskAgainst(task: Task, view: ReadinessView): NotReady | null {
  if (!isSystemTask(task.id)) return null;
  const abandoned = task.after.find((id) => view.tasks.get(id)?.status === 'abandoned');
  if (abandoned !== undefined)
    return notReady(
      'held',
      'dependency-abandoned',
      `its subject ${abandoned} was abandoned; wg never starts it`,
    );
  if (!isWgMachinery(task)) return null;
  const { exec } = task;
  if (exec === undefined || !WG_COMMAND.test(exec))
    return notReady(
      'waiting',
      'wg-system-task',
      `${task.id} is wg's own; a running wg service or \`wg service tick\` does it`,
    );
  if (view.wgOnPath) return null;
  const off = `[agency] ${switchOf(task.id)} = false in its config.toml keeps wg from making such tasks`;
  return notReady(
    'held',
    'wg-system-task',
    `its work is \`${exec.trim()}\`, and there is no wg on PATH: install wg, or \`supervisor done ${task.id}\` passes it over; ${off}`,
  );
}

const WG_COMMAND = /^\s*wg\s/;

/** The setting that makes wg scaffold this kind of task. */
function switchOf(id: string): string {
  if (id.startsWith('.assign-')) return 'auto_assign';
  return id.startsWith('.flip-') ? 'flip_enabled' : 'auto_evaluate';
}

const MACHINERY_TAGS: ReadonlySet<string> = new Set(['evaluation', 'flip', 'assignment', 'agency']);

/**
 * wg's agency scaffolding (wg-rules 4.5, 4.8): all system tasks except those a person gave a command of their own,
 * and those that answer messages.
 */
export function isWgMachinery(task: Pick<Task, 'id' | 'exec' | 'tags'>): boolean {
  if (task.id.startsWith('.respond-to-')) return false;
  if (task.exec === undefined || task.exec.trim() === '') return true;
  return WG_COMMAND.test(task.exec) || task.tags.some((tag) => MACHINERY_TAGS.has(tag));
}

/** Later versions of wg may add kinds with rules we do not know. */
export function foreignKeysAgainst(task: Task, { wgOnPath, wgCan }: ReadinessView): NotReady | null {
  if (task.foreignKeys.length === 0) return null;
  const keys = nameList(task.foreignKeys);
  if (wgCan?.candidates)
    return notReady(
      'held',
      'needs-wg',
      `it carries ${keys}, and this wg lets only its own workers end such a task (\`wg submit\`): \`wg service start\` does it, and \`wg unclaim ${task.id}\` may free it`,
    );
  if (wgOnPath) return null;
  const how =
    'install wg where the supervisor finds it on PATH (`cargo install --git https://github.com/graphwork/wg --locked`)';
  return notReady('held', 'needs-wg', `it carries ${keys}, whose rules only wg knows; ${how}`);
}
