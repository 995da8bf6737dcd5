import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  agentEnvironment,
  allowedEnvironment,
} from '../../../../src/executors/process/environment/environment.ts';
import { commandProfile, makeAssignment, temporaryFolder } from '../../bench.ts';

const LEAKS = {
  CLAUDECODE: '1',
  CLAUDE_CODE_ENTRYPOINT: 'cli',
  CLAUDE_CODE_SSE_PORT: '1',
  WG_TASK_ID: 'outer',
  WG_WORKTREE_PATH: '/outer',
  WG_BRANCH: 'outer',
  WG_PROJECT_ROOT: '/outer',
  WG_USER: 'outer',
  SUPERVISOR_RUN_ID: 'run_outer',
  SUPERVISOR_TOKEN: 'wgt_outer',
  NOTIFY_SOCKET: '/run/x',
  WATCHDOG_USEC: '1',
  WATCHDOG_PID: '1',
  LISTEN_FDS: '3',
  LISTEN_PID: '1',
  JOURNAL_STREAM: '8:1',
  INVOCATION_ID: 'x',
  GIT_DIR: '/outer/.git',
  GIT_INDEX_FILE: '/outer/index',
  GIT_WORK_TREE: '/outer',
  AWS_SECRET_ACCESS_KEY: 'secret',
  NODE_OPTIONS: '--inspect',
};

describe('the environment of an agent', () => {
  let root: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeEach(async () => {
    root = await temporaryFolder();
  });
  afterEach(() => root.remove());

  test('nothing of an outer agent, of git or of the service manager gets through', () => {
    const allowed = {
      PATH: '/bin',
      HOME: '/h',
      LC_ALL: 'C',
      XDG_RUNTIME_DIR: '/r',
      GIT_AUTHOR_NAME: 'A',
      https_proxy: 'p',
    };
    expect(allowedEnvironment({ ...LEAKS, ...allowed, ANTHROPIC_API_KEY: 'k', TERM: undefined })).toEqual({
      ...allowed,
      ANTHROPIC_API_KEY: 'k',
    });
  });

  test('edge 37: what makes wg merge only where a profile names all three', async () => {
    const all = { WG_WORKTREE_PATH: '/w', WG_BRANCH: 'b', WG_PROJECT_ROOT: '/r' };
    const { WG_BRANCH: _branch, ...two } = all;
    const environment = { PATH: '/bin', ...LEAKS };
    for (const [env, wanted] of [
      [all, all],
      [two, {}],
      [{}, {}],
    ]) {
      const assignment = await makeAssignment(
        root.path,
        commandProfile({ env: env ?? {} }),
        {},
        { environment },
      );
      const made = agentEnvironment({}, assignment, {});
      const variables = made.kind === 'environment' ? made.variables : {};
      const found = Object.entries(variables).filter(
        ([name]) => name in all || name === 'WG_WORKTREE_ACTIVE',
      );
      expect(Object.fromEntries(found)).toEqual(wanted);
    }
  });

  test('it says whose run it is, whatever the profile or the base says', async () => {
    const env = {
      WG_TASK_ID: 'forged',
      SUPERVISOR_TOKEN: 'forged',
      WG_WORKTREE_PATH: '/forged',
      CLAUDECODE: '1',
      NAME: 'task {{task.id}}',
      SECRET: { env: 'REAL_SECRET' },
    };
    const assignment = await makeAssignment(
      root.path,
      commandProfile({ env }),
      {},
      { environment: { PATH: '/bin', ...LEAKS } },
    );
    const made = agentEnvironment({ REAL_SECRET: 's3cret' }, assignment, { EXTRA: 'x' });
    expect(made).toEqual({
      kind: 'environment',
      variables: {
        PATH: '/bin',
        NAME: 'task build-api',
        SECRET: 's3cret',
        EXTRA: 'x',
        WG_DIR: assignment.graph,
        WG_TASK_ID: 'build-api',
        WG_AGENT_ID: assignment.agent,
        SUPERVISOR_RUN_ID: assignment.run,
        SUPERVISOR_ATTEMPT: '1',
        SUPERVISOR_API: assignment.callback.socket,
        SUPERVISOR_TOKEN: assignment.callback.token,
        TRACEPARENT: assignment.traceparent,
        TRACESTATE: `workgraph=${assignment.run}`,
      },
    });
  });

  test('without a socket the API is the URL', async () => {
    const callback = { url: 'http://127.0.0.1:9/api/task/x', socket: null, token: 'wgt_x' };
    const assignment = await makeAssignment(root.path, commandProfile(), {}, { callback });
    expect(agentEnvironment({}, assignment, {})).toMatchObject({
      variables: { SUPERVISOR_API: callback.url, SUPERVISOR_TASK_URL: callback.url },
    });
  });

  test('a NUL in a value cannot keep the agent from starting', async () => {
    const assignment = await makeAssignment(root.path, commandProfile({ env: { T: '{{task.title}}' } }), {
      title: 'a\0b',
    });
    expect(agentEnvironment({}, assignment, {})).toMatchObject({ variables: { T: 'ab' } });
  });
});
