// What of the machine's environment reaches tests and the processes that they start. Everything else stays outside: an
// outer agent's variables, a git hook's GIT_DIR, a person's git identity, proxies, colours.

/** Variables by which someone says how long, or beside what, tests run. A new one must be named here. */
export const KNOBS = [
  'AGENT_CLIS',
  'BUDGET_DAYS',
  'HISTORY_DAY',
  'HISTORY_INSTANTS',
  'CHROMIUM_BIN',
  'CI',
  'CRASH_BUILD',
  'CRASH_KILLS',
  'DRILL_ONLY',
  'DRILL_RUNS',
  'DRILL_SECONDS',
  'EXTERNAL_TASKS',
  'FUZZ_REQUESTS',
  'GIT_SEED',
  'GIT_SEEDS',
  'GIT_FROM',
  'MCP_CONFORMANCE',
  'MACHINE_SEED',
  'MODEL_TRACES',
  'MACHINE_WALKS',
  'PACKAGE',
  'PACKAGE_CA',
  'RESTARTS',
  'SIMULATION_SEEDS',
  'SYSTEMD',
  'PAGE_TESTS',
  'RACE_TASKS',
  'RECORD',
  'SOAK_TASKS',
  'STRESS_EDITS',
  'TEST_CLOCK',
  'TEST_STALL_MS',
  'TEST_UNTIL',
  'WG_BIN',
  'WORKER_KILLS',
  'WORKER_TASKS',
  'WORKERS_SEED',
  'WG_PATCHES',
  'WG_SEED',
];

/** What programs need to run at all, and what libfaketime is told. */
const NEEDED =
  /^(?:PATH|TZ|USER|LOGNAME|SHELL|TERM|LANG|LC_\w+|NODE_ENV|NODE_V8_COVERAGE|JEST_WORKER_ID|LD_PRELOAD|FAKETIME\w*)$/;

const GIT = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'test',
  GIT_AUTHOR_EMAIL: 'test@localhost',
  GIT_COMMITTER_NAME: 'test',
  GIT_COMMITTER_EMAIL: 'test@localhost',
};

/** Changes `variables` in place to what tests may see; `home` and `temporary` are folders of the suite's own. */
export function isolate(variables, { home, temporary }) {
  for (const name of Object.keys(variables))
    if (!NEEDED.test(name) && !KNOBS.includes(name)) delete variables[name];
  Object.assign(variables, GIT, { HOME: home, TMPDIR: temporary });
}
