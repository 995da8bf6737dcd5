// The built supervisor with a mine in it: ends itself by SIGKILL at the n-th passing of one step of the order of writes.
// node under-fire.mjs BUILD CONFIG STATE_DIR STEP before|after N

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [build, config, stateDir, step, side, nth] = process.argv.slice(2);
const { composeSupervisor } = await import(pathToFileURL(resolve(build, 'compose/daemon.js')).href);

let left = Number(nth);
function pass(name, where) {
  if (name !== step || where !== side || --left > 0) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal is delivered before the next statement, or a moment after it: nothing may happen in between.
  for (;;);
}
const mined = (name, act) => {
  pass(name, 'before');
  const result = act();
  pass(name, 'after');
  return result;
};
const minedLater = async (name, act) => {
  pass(name, 'before');
  const result = await act();
  pass(name, 'after');
  return result;
};

/** A move that keeps the phase only adds facts: the agent's name. */
const phaseName = (before, to) => (before?.phase === to ? `${to}-noted` : to);

const running = await composeSupervisor({
  environment: { variables: process.env, home: homedir(), platform: process.platform },
  cwd: join(stateDir, '..'),
  config,
  stateDir,
  wrap: {
    ledger: (ledger) => ({
      ...ledger,
      openAll: (...given) => mined('ledger-opened', () => ledger.openAll(...given)),
      move: (id, to, facts) =>
        mined(`ledger-${phaseName(ledger.run(id), to)}`, () => ledger.move(id, to, facts)),
      deliveries: {
        ...ledger.deliveries,
        // Between the note and the first byte of the request.
        beginDispatch: (...given) => mined('delivery-noted', () => ledger.deliveries.beginDispatch(...given)),
      },
      advance: (id, to, facts) =>
        minedLater(`ledger-${phaseName(ledger.run(id), to)}`, () => ledger.advance(id, to, facts)),
    }),
    registry: (registry) => ({
      ...registry,
      allocate: (agents) => minedLater('registry-allocated', () => registry.allocate(agents)),
      update: (...given) => minedLater('registry-updated', () => registry.update(...given)),
    }),
    store: (store) => ({
      ...store,
      snapshot: () => store.snapshot(),
      change: (...given) => minedLater('graph-written', () => store.change(...given)),
    }),
    executor: (executor) => ({
      ...executor,
      begin: (...given) => minedLater('begun', () => executor.begin(...given)),
    }),
  },
});
for (const name of ['SIGTERM', 'SIGINT'])
  process.once(name, async () => {
    await running.stop({ cancelAgents: false });
    process.exit(0);
  });
await running.start();
process.stdout.write('started\n');
