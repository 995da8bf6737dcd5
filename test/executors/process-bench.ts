// The contract's surroundings for executors that spawn: real processes, looked for by their run's mark.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import type { Assignment, Executor } from '../../src/executors/executor.ts';
import {
  createSubprocesses,
  type ProcessMeans,
  type Subprocesses,
} from '../../src/executors/process/lifecycle/subprocess.ts';
import { remainsOf, sweepOrphans } from '../../src/executors/process/lifecycle/terminate.ts';
import { eventually, type makeAssignment, processMeans, temporaryFolder } from './bench.ts';
import type { Behaviour, ContractBench } from './contract.ts';

interface Script {
  /** The file in the run's folder that shows the work under way once it holds `ready`. */
  readonly sign: string;
  readonly ready: RegExp;
  create(means: ProcessMeans, subprocesses: Subprocesses): Executor;
  assignment(root: string, behaviour: Behaviour, goFile: string): ReturnType<typeof makeAssignment>;
  readonly flood: (output: string) => boolean;
}

/** The content of a file, '' when there is none. */
export async function contentOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

/** What a test of processes has for itself. */
export interface ProcessWorld {
  readonly root: Awaited<ReturnType<typeof temporaryFolder>>;
  readonly means: ProcessMeans;
}

/** Gives each test of a suite a folder and means of its own; whatever processes are left are ended with it. */
export function eachInProcessWorld(enter: (world: ProcessWorld) => void): void {
  let world: ProcessWorld;
  beforeEach(async () => {
    const root = await temporaryFolder();
    world = { root, means: processMeans(join(root.path, 'state')) };
    enter(world);
  });
  afterEach(async () => {
    await sweepOrphans(new Set(), { ...world.means, graceMs: 0 });
    await world.root.remove();
  });
}

/** Opens a bench for an executor that spawns. */
export async function openProcessBench(script: Script): Promise<ContractBench> {
  const root = await temporaryFolder();
  const means = processMeans(join(root.path, 'state'));
  const goFiles = new Map<string, string>();
  let count = 0;
  return {
    executor: () => script.create(means, createSubprocesses(means)),
    async assignment(behaviour) {
      count += 1;
      const goFile = join(root.path, `go-${count}`);
      const assignment = await script.assignment(root.path, behaviour, goFile);
      goFiles.set(assignment.run, goFile);
      return assignment;
    },
    underWay: (assignment) =>
      eventually('the work is under way', async () =>
        script.ready.test(await contentOf(join(assignment.folder, script.sign))),
      ),
    release: (assignment) => writeFile(goFiles.get(assignment.run) ?? '', ''),
    async remains(assignment) {
      const { escaped } = await remainsOf(assignment.run, null, means);
      return escaped.map((one) => `process ${one.pid}`);
    },
    async outputComplete(assignment: Assignment) {
      return script.flood(await contentOf(join(assignment.folder, script.sign)));
    },
    async killLeader(_assignment, handle) {
      if (handle.process === null) throw new Error('the leader is not known');
      process.kill(handle.process.pid, 'SIGKILL');
    },
    async close() {
      await sweepOrphans(new Set(), { ...means, graceMs: 0 });
      await root.remove();
    },
  };
}
