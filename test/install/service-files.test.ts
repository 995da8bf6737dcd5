import { expect, test } from '@jest/globals';
import { launchdPlist, systemdUnit } from '../../src/install/service-files.ts';

const FACTS = {
  command: ['/opt/node 20/bin/node', '/srv/100%/main.js', '--config', '/home/$USER/"odd".toml', 'run'],
  path: '/usr/bin:/opt/a b',
  logDir: '/Users/x/Logs & more',
};

test('the unit leaves agents alone, restarts after crashes only, and takes every word literally', () => {
  const unit = systemdUnit(FACTS);
  expect(unit).toContain('KillMode=process\n');
  expect(unit).toContain('RestartPreventExitStatus=3 4\n');
  expect(unit).toContain(
    'ExecStart="/opt/node 20/bin/node" /srv/100%%/main.js --config "/home/$$USER/\\"odd\\".toml" run\n',
  );
  expect(unit).toContain('Environment="PATH=/usr/bin:/opt/a b"\n');
});

test('the property list is well formed whatever the paths hold', () => {
  const plist = launchdPlist(FACTS);
  expect(plist).toContain('<key>AbandonProcessGroup</key><true/>');
  expect(plist).toContain('<string>/Users/x/Logs &amp; more/stderr.log</string>');
  expect(plist.match(/<string>/g)?.length).toBe(plist.match(/<\/string>/g)?.length);
});
