// The service under a real systemd: what is written into the unit is what the process gets, and its life follows.

import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/actors.ts';
import { NO_SYSTEMD, startUserSystemd, type UserSystemd } from '../support/user-systemd.ts';

const UNIT = 'workgraph-supervisor.service';

let home: string;
let systemd: UserSystemd | null = null;
afterEach(async () => {
  await systemd?.run('systemctl', ['--user', 'stop', UNIT]);
  await systemd?.stop();
  systemd = null;
  await rm(home, { recursive: true, force: true });
});

async function start(): Promise<UserSystemd> {
  home = await mkdtemp(join(tmpdir(), 'service-'));
  systemd = await startUserSystemd(home);
  return systemd;
}

const variablesOf = (pid: string) => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');

/** Named, it must be there; otherwise a test says in one line why it is not run. */
const IS_NAMED = process.env.SYSTEMD === '1';
const besideSystemd = (name: string, run: () => Promise<void>) =>
  NO_SYSTEMD === null || IS_NAMED ? test(name, run) : test.skip(`${name} (${NO_SYSTEMD})`, () => {});

describe('under a real systemd --user', () => {
  besideSystemd('installed, changed, stopped, broken, removed', async () => {
    const { cli, run, show } = await start();
    // Everything that systemd might take for something of its own.
    const state = join(home, 'a $HOME 100% "q" \\ ü');
    const config = join(home, '$x-%h.toml');
    await writeFile(config, '[supervisor]\nmax_concurrent = 2\n');
    const env = { SUPERVISOR_STATE_DIR: state, SUPERVISOR_CONFIG: config, TZ: 'Asia/Tokyo' };

    const installed = await cli(['service', 'install', '--json'], env);
    expect(installed.err).toBe('');
    expect(JSON.parse(installed.out)).toMatchObject({ done: 'started' });
    expect(await show(UNIT, 'ActiveState')).toBe('active');
    expect(await show(UNIT, 'StatusText')).toMatch(/^running: 0 under way/);
    const pid = await show(UNIT, 'MainPID');
    const variables = variablesOf(pid);
    for (const [name, value] of Object.entries(env)) expect(variables).toContain(`${name}=${value}`);
    // Ready means that it answers.
    const { supervisor } = JSON.parse((await cli(['status', '--json'], env)).out);
    expect(supervisor).toMatchObject({ running: true, pid: Number(pid) });

    expect(JSON.parse((await cli(['service', 'install', '--json'], env)).out).done).toBe('unchanged');
    expect(await show(UNIT, 'MainPID')).toBe(pid);
    const moved = { ...env, TZ: 'Europe/Paris' };
    expect(JSON.parse((await cli(['service', 'install', '--json'], moved)).out).done).toBe('restarted');
    const next = await show(UNIT, 'MainPID');
    expect(next).not.toBe(pid);
    expect(variablesOf(next)).toContain('TZ=Europe/Paris');

    await run('systemctl', ['--user', 'reload', UNIT]);
    expect(await show(UNIT, 'MainPID')).toBe(next);
    // A successor takes over in the same process: systemd sees a reload, and neither an end nor a start.
    const restarts = await show(UNIT, 'NRestarts');
    const again = await cli(['restart'], moved);
    expect([again.status, again.out]).toEqual([0, expect.stringMatching(/^restarted: version /)]);
    expect(await show(UNIT, 'MainPID')).toBe(next);
    expect(variablesOf(next)).toContain('TZ=Europe/Paris');
    expect(variablesOf(next).join()).toContain('SUPERVISOR_HANDOVER');
    await eventually(async () => /^running/.test(await show(UNIT, 'StatusText')));
    await eventually(async () => (await show(UNIT, 'ActiveState')) === 'active');
    expect(await show(UNIT, 'NRestarts')).toBe(restarts);
    // The manager's own restart ends it and starts it.
    expect((await cli(['service', 'restart'], moved)).status).toBe(0);
    expect(await show(UNIT, 'MainPID')).not.toBe(next);
    await eventually(async () => (await show(UNIT, 'ActiveState')) === 'active');
    await eventually(async () => /^running/.test(await show(UNIT, 'StatusText')));

    expect((await cli(['service', 'stop'], env)).status).toBe(0);
    expect((await cli(['service', 'status'], env)).status).toBe(5);
    await writeFile(config, '[supervisor]\nmax_concurrent = "many"\n');
    // Exit status 3 is final: the same start would fail the same way for ever.
    expect((await cli(['service', 'start'], env)).status).toBe(9);
    expect(await show(UNIT, 'ExecMainStatus')).toBe('3');
    expect(await show(UNIT, 'ActiveState')).toBe('failed');
    expect(await show(UNIT, 'NRestarts')).toBe('0');

    expect((await cli(['service', 'uninstall'], env)).status).toBe(0);
    await expect(readFile(join(home, '.config/systemd/user', UNIT))).rejects.toMatchObject({
      code: 'ENOENT',
    });
    expect(await show(UNIT, 'LoadState')).toBe('not-found');
  });

  const inFull = IS_NAMED
    ? besideSystemd
    : (name: string) => test.skip(`${name} (npm run test:systemd)`, () => {});
  inFull('a supervisor that does not finish its ticks is restarted', async () => {
    const { cli, run, show } = await start();
    const dropIn = join(home, '.config/systemd/user', `${UNIT}.d`);
    await mkdir(dropIn, { recursive: true });
    await writeFile(join(dropIn, 'soon.conf'), '[Service]\nWatchdogSec=3\nRestartSec=100ms\n');
    await mkdir(join(home, '.config/workgraph-supervisor'), { recursive: true });
    await writeFile(
      join(home, '.config/workgraph-supervisor/supervisor.toml'),
      '[limits]\nsafety_pass = "1s"\n',
    );
    expect((await cli(['service', 'install'])).status).toBe(0);
    const pid = await show(UNIT, 'MainPID');
    const fedAt = await show(UNIT, 'WatchdogTimestampMonotonic');
    await eventually(async () => (await show(UNIT, 'WatchdogTimestampMonotonic')) > fedAt);
    expect(await show(UNIT, 'MainPID')).toBe(pid);
    await run('kill', ['-STOP', pid]);
    await eventually(async () => {
      const now = await show(UNIT, 'MainPID');
      return now !== pid && now !== '0' && (await show(UNIT, 'ActiveState')) === 'active';
    });
    expect(await show(UNIT, 'NRestarts')).toBe('1');
  });
});
