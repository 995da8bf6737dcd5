// A supervisor that does what its script says: two worktrees that share the id `build`, one run whose token is known,
// one superseded run. Everything it was asked is written down.

import type {
  CompletionAnswer,
  CompletionRequest,
  SupervisorControl,
  TaskQuery,
} from '../../src/control/control.ts';
import { SupervisorError } from '../../src/domain/errors.ts';
import type { Event } from '../../src/domain/event.ts';
import type {
  RunReport,
  StatusReport,
  TaskDetailReport,
  TaskReport,
  WhyReport,
} from '../../src/domain/report.ts';

export const RUN_TOKEN = `wgl_${'r'.repeat(43)}`;
export const OLD_TOKEN = `wgl_${'o'.repeat(43)}`;
export const LATE_TOKEN = `wgl_${'l'.repeat(43)}`;
export const UNKNOWN_TOKEN = `wgl_${'u'.repeat(43)}`;
export const OPERATOR_TOKEN = `wgt_${'p'.repeat(43)}`;
export const CALLBACK_TOKEN = `wgc_${'c'.repeat(43)}`;
export const ODD_ID = 'ünï/cødé 100% ~#?&';

export interface ScriptedControl extends SupervisorControl {
  /** Every call, in order: the method's name and its arguments. */
  readonly calls: { readonly name: string; readonly args: readonly unknown[] }[];
  emit(event: Event): void;
  readonly listeners: () => number;
  /** Something happened to a task: waiting requests continue. */
  change(title: string): void;
  /** What the next call of the method throws. */
  failNext(name: string, error: unknown): void;
}

export function taskReport(task: string, worktree: string, graph: string): TaskReport {
  return {
    task,
    id: `${worktree.slice(1)}~${task}`,
    title: `Task ${task}`,
    status: 'open',
    worktree,
    graph,
    state: 'ready',
    code: 'ready',
    because: 'nothing is in its way',
    next_at: null,
    executor: 'default',
    priority: 10,
    assigned: null,
    after: [],
    tags: [],
  };
}

function detailOf(task: TaskReport): TaskDetailReport {
  return {
    ...task,
    description: 'What to do',
    artifacts: [{ result: 1 }],
    log: [{ timestamp: '2026-05-01T00:00:00Z', actor: 'agent-1', message: 'made' }],
    fields: { kind: 'task', id: task.task },
    runs: [],
  };
}

export function runReport(run: string, task: string, worktree: string): RunReport {
  return {
    run,
    task,
    worktree,
    executor: 'deploy-agent',
    type: 'http',
    attempt: 1,
    phase: 'handed-off',
    agent: 'agent-7',
    pid: null,
    started_at: '2026-05-01T00:00:00Z',
    finished_at: null,
    output: null,
    because: 'tag executor:deploy-agent',
    outcome: null,
    progress: null,
  };
}

const STATUS: StatusReport = {
  generated_at: '2026-05-01T00:00:00Z',
  supervisor: {
    running: true,
    pid: 1,
    version: '1.2.3',
    started_at: '2026-05-01T00:00:00Z',
    mode: 'dispatch',
    state: 'running',
  },
  limits: { max_concurrent: 8, running: 0, queued: 0 },
  inbox: [],
  budgets: [],
  worktrees: [],
  runs: [],
  held: [],
  schedules: [],
  workers: [],
  problems: [],
};

/** What a claim gives. */
export function dispatched(task: string) {
  const base = `/api/task/w1~${task}`;
  return {
    task: {
      id: `w1~${task}`,
      local_id: task,
      details_url: base,
      truncated: [],
      title: `Task ${task}`,
      instructions: '',
      inputs: [],
      deliverables: [],
      skills: [],
      tags: [],
      priority: 10,
      graph: '/g1',
      depends_on: [],
    },
    worktree: { id: 'w1', path: '/w1', branch: null, head: null, remote: null },
    repo: { name: 'shop', path: '/w1' },
    attempt: {
      id: 'run_new',
      number: 1,
      max: 1,
      fence: 1,
      agent: 'agent-1',
      dispatched_at: '2026-05-01T00:00:00Z',
      deadline: null,
      previous_failure: null,
    },
    lease: { token: RUN_TOKEN, expires_at: null, heartbeat_every_s: 60 },
    callback: {
      base,
      complete_url: `${base}/complete`,
      fail_url: `${base}/fail`,
      heartbeat_url: `${base}/heartbeat`,
      release_url: `${base}/release`,
      input_url: `${base}/input`,
      signed_url: null,
    },
  };
}

export function scriptedControl(): ScriptedControl {
  const tasks = [
    taskReport('build', '/w1', '/g1'),
    taskReport('build', '/w2', '/g2'),
    taskReport('deploy', '/w1', '/g1'),
    taskReport(ODD_ID, '/w1', '/g1'),
  ];
  const tokens = new Map([
    [RUN_TOKEN, { run: 'run_build1', task: 'build', graph: '/g1' }],
    [CALLBACK_TOKEN, { run: 'run_build1', task: 'build', graph: '/g1' }],
    [OLD_TOKEN, { run: 'run_old', task: 'build', graph: '/g1' }],
    [LATE_TOKEN, { run: 'run_late', task: 'deploy', graph: '/g1' }],
  ]);
  const outcomes = new Map<string, string>();
  const listeners = new Set<(event: Event) => void>();
  const failures = new Map<string, unknown>();
  const calls: ScriptedControl['calls'] = [];
  const changes = new Set<() => void>();

  function note(name: string, ...args: unknown[]): void {
    calls.push({ name, args });
    if (!failures.has(name)) return;
    const failure = failures.get(name);
    failures.delete(name);
    throw failure;
  }

  function find(query: TaskQuery): TaskReport {
    const found = tasks.filter(
      (task) =>
        (task.task === query.task || task.id === query.task) &&
        (query.worktree === undefined || [task.worktree, task.graph].includes(query.worktree)),
    );
    const [only] = found;
    if (only === undefined)
      throw new SupervisorError('not-found', `There is no task ${query.task}.`, {
        hint: 'see supervisor list',
      });
    if (found.length > 1)
      throw new SupervisorError('ambiguous', `Several tasks are called ${query.task}.`, {
        hint: 'name the worktree',
        details: { candidates: found.map(({ id, worktree }) => ({ id, worktree })) },
      });
    return only;
  }

  return {
    calls,
    listeners: () => listeners.size,
    failNext: (name, error) => void failures.set(name, error),
    change(title) {
      tasks.forEach((task, n) => {
        tasks[n] = { ...task, title };
      });
      for (const go of changes) go();
    },
    emit(event) {
      for (const hear of listeners) hear(event);
    },
    async output(run, piece) {
      note('output', run, piece);
      return piece.offset + piece.bytes.length;
    },
    async status() {
      note('status');
      return STATUS;
    },
    async verdicts(query, { from, to }) {
      note('verdicts', query, from, to);
      const { id, task, worktree } = find(query);
      const [start, end] = [from, to].map((at) => new Date(at).toISOString());
      return {
        ...{ id, task, worktree, from: start ?? '', to: end ?? '' },
        spans: [
          { from: start ?? '', to: null, state: 'waiting', code: 'dependency', because: 'waits for a' },
        ],
      };
    },
    async why(query) {
      note('why', query);
      const why: WhyReport = {
        ...find(query),
        conditions: [{ name: 'status', met: true, because: 'open' }],
        runs: [],
      };
      return why;
    },
    async prompt(query) {
      note('prompt', query);
      const { task, worktree } = find(query);
      return { task, worktree, executor: 'claude', run: null, prompt: '# Task' };
    },
    async addTask(place, request) {
      note('addTask', place, request);
      return find({ task: 'deploy' });
    },
    async editTask(query, request) {
      note('editTask', query, request);
      return find(query);
    },
    async editTasks(queries, request) {
      note('editTasks', queries, request);
      return queries.map((query) => {
        const { task, worktree } = find(query);
        return { query, task, worktree, because: null };
      });
    },
    // Beside what is called, not part of it.
    noteAction() {},
    async actions(filter) {
      note('actions', filter);
      const done = { actor: 'page', action: 'retry', task: 'build', worktree: '/w1', target: null };
      return [{ at: Date.UTC(2026, 4, 1), ...done, detail: '' }];
    },
    async tasks(filter) {
      note('tasks', filter);
      return tasks.filter((task) => filter.worktree === undefined || task.worktree === filter.worktree);
    },
    async task(query) {
      note('task', query);
      return detailOf(find(query));
    },
    async runs(filter) {
      note('runs', filter);
      const all = [runReport('run_build1', 'build', '/w1'), runReport('run_b2', 'build', '/w2')];
      return all.filter(
        (run) =>
          (filter.task === undefined || run.task === filter.task) &&
          (filter.worktree === undefined || run.worktree === filter.worktree),
      );
    },
    async complete(request: CompletionRequest) {
      note('complete', request);
      const task = find(request);
      const run = request.caller.kind === 'run' ? request.caller.run : null;
      if (run === 'run_old')
        throw new SupervisorError('superseded', 'A newer attempt holds the task.', {
          details: { task_id: task.id, current_attempt: 2 },
        });
      const key = `${task.graph} ${task.task}`;
      const before = outcomes.get(key);
      if (before !== undefined && before !== request.result)
        throw new SupervisorError('conflict', 'The task ended otherwise.', {
          details: { code: 'already-terminal' },
        });
      outcomes.set(key, request.result);
      const answer: CompletionAnswer = {
        task: task.task,
        worktree: task.worktree,
        status: request.result === 'succeeded' ? 'done' : 'failed',
        duplicate: before !== undefined,
        late: run === 'run_late',
      };
      return answer;
    },
    runOfToken: (token) => tokens.get(token) ?? null,
    async heldRun(query, holder) {
      note('heldRun', query, holder);
      return null;
    },
    async heartbeat(run, message) {
      note('heartbeat', run, message);
      const directive = run === 'run_late' ? 'cancel' : 'continue';
      return { directive, lease: { expires_at: '2026-11-22T06:00:00.000Z' }, deadline: null };
    },
    async cancel(query, reason) {
      note('cancel', query, reason);
      if (query.task.startsWith('run_')) return runReport(query.task, 'build', '/w1');
      const task = find(query);
      return runReport('run_build1', task.task, task.worktree);
    },
    async retry(query) {
      note('retry', query);
      return find(query);
    },
    async claim(query, worker) {
      note('claim', query, worker);
      const task = find(query);
      const run = runReport('run_new', task.task, task.worktree);
      return { run, token: RUN_TOKEN, data: dispatched(task.task) };
    },
    async claimMany(wish) {
      const { signal: _signal, ...said } = wish;
      note('claimMany', said);
      const run = runReport('run_new', 'build', '/w1');
      return wish.worker === 'nobody' ? [] : [{ run, token: RUN_TOKEN, data: dispatched('build') }];
    },
    async pushed(run, said) {
      note('pushed', run, said);
    },
    async answer(query, answer, question) {
      note('answer', query, answer, question);
      const { task, worktree } = find(query);
      return { task, worktree, run: 'run_build1', question: 'Red?', options: [], answer, duplicate: false };
    },
    async input(run, asked, facts) {
      note('input', run, asked, facts);
      return { directive: 'continue', lease: { expires_at: null }, deadline: null };
    },
    async dispatch(query, how) {
      note('dispatch', query, how);
      return runReport('run_new', find(query).task, '/w1');
    },
    async changed(query, ms, signal) {
      note('changed', query, ms);
      await new Promise<void>((resolve) => {
        signal?.addEventListener('abort', () => resolve(), { once: true });
        changes.add(resolve);
      });
    },
    async ended(run, ms) {
      note('ended', run, ms);
      return { ...runReport(run, 'build', '/w1'), finished_at: '2026-11-22T06:00:00.000Z' };
    },
    async release(query, caller, reason) {
      note('release', query, caller, reason);
      return find(query);
    },
    async pause(target, because) {
      note('pause', target, because);
    },
    async resume(target) {
      note('resume', target);
    },
    async restart() {
      note('restart');
    },
    async drain() {
      note('drain');
    },
    async reload() {
      note('reload');
      return { problems: ['supervisor.toml: line 3'] };
    },
    events(hear) {
      listeners.add(hear);
      return () => listeners.delete(hear);
    },
  };
}
