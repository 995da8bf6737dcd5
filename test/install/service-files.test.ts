import { expect, test } from '@jest/globals';
import { launchdPlist, systemdUnit } from '../../src/install/service-files.ts';

const FACTS = {
  service: 'supervisor' as const,
  command: ['/opt/node $20/bin/node', '/srv/100%/main.js', '--config', '/home/$USER/"odd".toml', 'run'],
  variables: { PATH: '/usr/bin:/opt/a b', SUPERVISOR_STATE_DIR: '/s/$x/100%\n\\' },
  environmentFile: '/home/100%/env',
  logDir: '/Users/x/Logs & more',
  version: '1.2.3',
  notifies: true,
};

test('the unit leaves agents alone, restarts after crashes only, and takes every word literally', () => {
  const unit = systemdUnit(FACTS);
  expect(unit).toContain('KillMode=process\n');
  expect(unit).toContain('RestartPreventExitStatus=3 4\n');
  expect(unit).toContain(
    'ExecStart="/opt/node $20/bin/node" /srv/100%%/main.js --config "/home/$$USER/\\"odd\\".toml" run\n',
  );
  expect(unit).toContain('Environment="PATH=/usr/bin:/opt/a b"\n');
  expect(unit).toContain('Environment="SUPERVISOR_STATE_DIR=/s/$x/100%%\\n\\\\"\n');
  expect(unit).toContain('EnvironmentFile=-/home/100%%/env\n');
});

test('systemd waits for a sign of life only where the program can give one', () => {
  expect(systemdUnit(FACTS)).toMatch(/^Type=notify\nWatchdogSec=180$/m);
  const silent = systemdUnit({ ...FACTS, notifies: false });
  expect(silent).toContain('Type=exec\n');
  expect(silent).not.toContain('WatchdogSec');
});

test('the property list is well formed whatever the paths hold', () => {
  const plist = launchdPlist(FACTS);
  expect(plist).toContain('<key>AbandonProcessGroup</key><true/>');
  expect(plist).toContain('<string>/Users/x/Logs &amp; more/stderr.log</string>');
  expect(plist).toContain('<key>SUPERVISOR_UNDER_LAUNCHD</key><string>1</string>');
  expect(plist.match(/<string>/g)?.length).toBe(plist.match(/<\/string>/g)?.length);
});

test('a worker has a unit of its own, with its options and time to complete what runs', () => {
  const worker = { ...FACTS, service: 'worker' as const, notifies: false };
  const command = [
    '/bin/node',
    '/m.js',
    'worker',
    '--connect',
    'https://supervisor.example',
    '--profile',
    'farm',
  ];
  const unit = systemdUnit({ ...worker, command });
  expect(unit).toContain(
    'ExecStart=/bin/node /m.js worker --connect https://supervisor.example --profile farm\n',
  );
  expect(unit).toContain('SyslogIdentifier=workgraph-worker\n');
  expect(unit).toContain('TimeoutStopSec=600\n');
  expect(unit).toContain('KillMode=process\n');
  // Wrong options would be wrong again.
  expect(unit).toContain('RestartPreventExitStatus=2 3 4\n');
  expect(launchdPlist(worker)).toContain('<string>dev.workgraph.worker</string>');
});
