// Around every test file: the same world for all of them, and nothing left over when one ends. A file that leaves a
// handle or a process behind fails, and says what it is; what is left of its temporary files is removed.

import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';
import { TestEnvironment } from 'jest-environment-node';
import { closeOpenedSince, openedSince, openHandles, processesOf, watchTimers } from './left-over.mjs';
import { LOADING_TIME, loadingTime, timeLoading } from './module-loading.mjs';
import { isolate } from './outer-world.mjs';
import { isTimeUp, PATIENCE } from './patience.mjs';
import { clockVariables, offsetOf } from './shifted-date.mjs';

/** How long what was asked to end may take to be gone: far longer than it should, on a machine with much to do. */
const PATIENCE_MS = 5000 * PATIENCE;

const outside = tmpdir();

export default class SuiteEnvironment extends TestEnvironment {
  constructor(config, context) {
    const offset = offsetOf(process.env);
    const folder = realpathSync(mkdtempSync(join(outside, 't-')));
    // Tests that give up their rights reach what they made below it.
    chmodSync(folder, 0o711);
    mkdirSync(join(folder, 'home'));
    // Before the sandbox copies it, and for children that are started without an environment of their own.
    isolate(process.env, { home: join(folder, 'home'), temporary: folder });
    if (offset !== null) Object.assign(process.env, clockVariables(offset));
    super(config, context);
    this.folder = folder;
    this.suite = relative(config.globalConfig.rootDir, context.testPath);
    this.patienceMs = config.projectConfig.testEnvironmentOptions.patienceMs ?? PATIENCE_MS;
  }

  async setup() {
    await super.setup();
    timeLoading();
    this.global[LOADING_TIME] = loadingTime;
    this.handles = openHandles();
    this.timers = watchTimers(this.global);
  }

  /** What is left behind is looked for before the result is made, to stand beside the assertions that failed. */
  async handleTestEvent(event, state) {
    if (event.name === 'run_start') widenLimits(state);
    if (event.name === 'test_start' && isTimeUp()) event.test.mode = 'skip';
    if (event.name !== 'run_finish') return;
    const left = await this.leftOver();
    if (left.length === 0) return;
    const error = new Error(`${this.suite} left behind: ${left.join('; ')}`);
    error.stack = error.message;
    state.unhandledErrors.push(error);
  }

  async teardown() {
    for (const { pid } of await processesOf(this.folder)) endProcess(pid);
    if (this.handles) closeOpenedSince(this.handles);
    this.timers?.clear();
    await super.teardown();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async leftOver() {
    const end = performance.now() + this.patienceMs;
    for (;;) {
      // This takes several turns of the event loop: what was just being opened is open by then.
      const processes = await processesOf(this.folder);
      const left = [
        ...openedSince(this.handles),
        ...(this.timers.open() > 0 ? [`${this.timers.open()} × a timer`] : []),
        ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
      ];
      if (left.length === 0 || performance.now() > end) return left;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function widenLimits(state) {
  state.testTimeout *= PATIENCE;
  const blocks = [state.rootDescribeBlock];
  for (const block of blocks)
    for (const item of [...block.children, ...block.hooks]) {
      if (item.type === 'describeBlock') blocks.push(item);
      else if (item.timeout) item.timeout *= PATIENCE;
    }
}

function endProcess(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}
