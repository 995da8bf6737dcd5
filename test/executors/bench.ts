// What executor tests share: temporary folders, an assignment with everything in it, and a control that remembers.

import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { StopReason } from '../../src/domain/outcome.ts';
import type { AgentProfile, CommandProfile, Profile } from '../../src/domain/profile.ts';
import type { RunNotes } from '../../src/domain/run.ts';
import { bareDetail, type TaskDetail } from '../../src/domain/task.ts';
import type { Assignment, RunControl } from '../../src/executors/executor.ts';
import { createPoller } from '../../src/executors/process/lifecycle/poller.ts';
import { createProcesses, type Processes } from '../../src/executors/process/lifecycle/process-table.ts';
import { processTable } from '../../src/executors/process/lifecycle/process-table-ps.ts';
import type { ProcessMeans } from '../../src/executors/process/lifecycle/subprocess.ts';
import { systemClock } from '../../src/platform/clock.ts';

/** The folder of the misbehaving executables. */
export const AGENTS = resolve(import.meta.dirname, '../../fixtures/agents');

/** A temporary folder with the real path, and its removal. */
export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'executors-')));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Waits until the check holds; fails with its name when it never does. */
export async function eventually(
  name: string,
  check: () => Promise<boolean> | boolean,
  ms = 10_000,
): Promise<void> {
  const until = Date.now() + ms;
  while (!(await check())) {
    if (Date.now() > until) throw new Error(`never happened: ${name}`);
    await new Promise((again) => setTimeout(again, 10));
  }
}

const base = {
  origin: { file: '/etc/supervisor.toml' },
  maxConcurrent: null,
  timeoutMs: 0,
  retry: { attempts: 3, backoffMs: 1_000, maxBackoffMs: 60_000 },
  match: [],
  env: {},
  overridable: false,
} as const;

/** A command profile; without `command` and `shell` it runs the task's exec. */
export function commandProfile(more: Partial<CommandProfile> = {}): CommandProfile {
  return {
    ...base,
    name: 'command',
    type: 'command',
    command: null,
    shell: null,
    cwd: null,
    endLine: null,
    passEnv: [],
    endGraceMs: 60_000,
    maxOutputBytes: 0,
    ...more,
  };
}

/** A claude profile that runs the fake. */
export function claudeProfile(more: Partial<AgentProfile> = {}): AgentProfile {
  return {
    ...base,
    name: 'claude',
    type: 'claude',
    command: join(AGENTS, 'claude.mjs'),
    args: [],
    model: null,
    permissionMode: 'bypassPermissions',
    silenceTimeoutMs: 0,
    account: 'default',
    passEnv: [],
    endGraceMs: 60_000,
    maxOutputBytes: 0,
    ...more,
  };
}

/** A task with nothing but what is given. */
export function taskDetail(more: Partial<TaskDetail> = {}): TaskDetail {
  return { ...bareDetail('build-api'), title: 'Build the API', priority: 10, ...more };
}

let runs = 0;

/** An assignment in a folder of its own below `root`; its worktree is `root/worktree`. */
export async function makeAssignment(
  root: string,
  profile: Profile,
  task: Partial<TaskDetail> = {},
  more: Partial<Assignment> = {},
): Promise<Assignment> {
  const n = ++runs;
  const folder = join(root, 'agents', `agent-${n}`);
  const worktree = join(root, 'worktree');
  await mkdir(folder, { recursive: true });
  await mkdir(worktree, { recursive: true });
  return {
    run: `run_${process.pid}_${Date.now().toString(36)}_${n}`,
    attempt: 1,
    maxAttempts: 3,
    fence: 1,
    agent: `agent-${n}`,
    task: taskDetail(task),
    globalTaskId: 'wt3f9a~build-api',
    dependencies: [],
    profile,
    graph: join(worktree, '.workgraph'),
    worktree: { id: 'wt3f9a', path: worktree, branch: 'main', head: null },
    repo: { name: 'project', path: worktree },
    folder,
    deadlineAt: null,
    callback: {
      url: null,
      socket: join(root, 'api.sock'),
      token: 'wgt_0123456789012345678901234567890123456789',
    },
    traceparent: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01',
    environment: { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: root },
    previousFailure: null,
    resumeSession: null,
    ...more,
  };
}

/** A control that remembers what was said, and its switch. */
export interface RecordedControl extends RunControl {
  readonly said: string[];
  readonly noted: RunNotes[];
  abort(reason: StopReason): void;
}

export function recordedControl(): RecordedControl {
  const switchOff = new AbortController();
  const said: string[] = [];
  const noted: RunNotes[] = [];
  return {
    signal: switchOff.signal,
    progress: (message) => said.push(message),
    note: (facts) => noted.push(facts),
    said,
    noted,
    abort: (reason) => switchOff.abort(reason),
  };
}

/** Processes of this machine. */
export function realProcesses(): Processes {
  return createProcesses(processTable(process.platform));
}

/** What process-based executors need, with a quick poll and a short grace. */
export function processMeans(stateDir: string, more: Partial<ProcessMeans> = {}): ProcessMeans {
  const clock = systemClock();
  return {
    clock,
    processes: realProcesses(),
    poller: createPoller(clock, 25),
    stateDir,
    graceMs: () => 400,
    variables: {},
    ...more,
  };
}
