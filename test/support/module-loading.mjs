// How much processor time of this thread went into loading modules on demand (`await import`): Jest reads, translates and
// links them in one go, which is its own affair and nothing that the program does when it runs.

import { readFileSync } from 'node:fs';
import process from 'node:process';
import vm from 'node:vm';

/** Processor time of this thread so far, ms. Linux knows it of each thread; elsewhere the whole process stands for it. */
export function threadTime() {
  const { user, system } = process.cpuUsage();
  if (process.platform !== 'linux') return (user + system) / 1000;
  const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'latin1');
  // After the name, which may hold anything, come state, …; user and system time are the 12th and 13th, in 1/100 s.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Under this name a sandbox finds `loadingTime`. */
export const LOADING_TIME = Symbol.for('supervisor.test.loading-time');

let loads = 0;
let begunAt = 0;
let total = 0;

/** Of that, what went into loading. */
export const loadingTime = () => total + (loads > 0 ? threadTime() - begunAt : 0);

async function timed(load) {
  if (loads++ === 0) begunAt = threadTime();
  try {
    return await load();
  } finally {
    if (--loads === 0) total += threadTime() - begunAt;
  }
}

/** Times what is imported on demand by modules that are made from now on. For the process in which Jest itself runs. */
export function timeLoading() {
  const Module = vm.SourceTextModule;
  if (Module === undefined || Module.isTimed) return;
  vm.SourceTextModule = class extends Module {
    static isTimed = true;
    constructor(code, options) {
      const load = options?.importModuleDynamically;
      super(
        code,
        load ? { ...options, importModuleDynamically: (...args) => timed(() => load(...args)) } : options,
      );
    }
  };
}
