// The built supervisor with a clock that runs fast, which tells what it holds: memory after a collection, open files,
// watches, timers, locks. node --expose-gc watched-supervisor.mjs BUILD CONFIG STATE_DIR SPEED

import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const [build, config, stateDir, speed] = process.argv.slice(2);
const { composeSupervisor } = await import(pathToFileURL(resolve(build, 'compose/daemon.js')).href);
const { systemClock } = await import(pathToFileURL(resolve(build, 'platform/clock.js')).href);

/** Timers and sleeps that wait; each is ended or cancelled, or it is a leak. */
let timers = 0;

/** Hours pass in minutes. */
function fastClock(factor) {
  const real = systemClock();
  const begun = real.now();
  return {
    now: () => begun + (real.now() - begun) * factor,
    elapsed: () => real.elapsed() * factor,
    after(ms, act) {
      timers++;
      let waits = true;
      const over = () => {
        if (waits) timers--;
        waits = false;
      };
      const cancel = real.after(ms / factor, () => {
        over();
        act();
      });
      return () => {
        over();
        cancel();
      };
    },
    async sleep(ms, signal) {
      timers++;
      await real.sleep(ms / factor, signal);
      timers--;
    },
  };
}

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

const running = await composeSupervisor({
  environment: { variables: process.env, home: homedir(), platform: process.platform },
  cwd: join(stateDir, '..'),
  config,
  stateDir,
  clock: fastClock(Number(speed)),
});

function held() {
  // Twice: what the first frees may be all that kept something else.
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  const delayP99 = delay.percentile(99) / 1e6;
  delay.reset();
  return { heapUsed, external, rss, ...descriptors(), timers, locks: locks(), delayP99 };
}

/** Open descriptors, and how many inotify watches they hold. */
function descriptors() {
  const open = [];
  let watches = 0;
  for (const number of readdirSync('/proc/self/fd'))
    try {
      const target = readlinkSync(`/proc/self/fd/${number}`);
      if (target === 'anon_inode:inotify')
        watches += readFileSync(`/proc/self/fdinfo/${number}`, 'utf8').split('\ninotify').length - 1;
      // The folder that is being listed just now is not ours.
      if (target !== `/proc/${process.pid}/fd`) open.push(target.replace(/:\[\d+\]$/, ''));
    } catch {
      // Closed in between.
    }
  return { descriptors: open.length, open, watches };
}

function locks() {
  const ours = (line) => line.split(/\s+/)[4] === String(process.pid);
  return readFileSync('/proc/locks', 'utf8').split('\n').filter(ours).length;
}

/** What of the ledger is on the disk. */
function ledgerBytes() {
  return readdirSync(stateDir)
    .filter((name) => name.startsWith('ledger.sqlite'))
    .reduce((sum, name) => sum + lstatSync(join(stateDir, name)).size, 0);
}

process.on('message', () => process.send({ ...held(), ledgerBytes: ledgerBytes() }));
process.once('SIGTERM', async () => {
  await running.stop({ cancelAgents: true });
  process.exit(0);
});
await running.start();
process.send('started');
