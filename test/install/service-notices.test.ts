import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { createServiceNotices } from '../../src/install/service-notices.ts';
import { createBus } from '../../src/platform/bus.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { type DatagramReceiver, receiveDatagrams, withDatagrams } from '../support/datagrams.ts';
import { createFakeClock } from '../support/fake-clock.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of undo.splice(0)) await each();
});

function notices(variables: Record<string, string>) {
  const clock = createFakeClock('2026-11-02T09:00:00Z');
  const bus = createBus(clock);
  const told: string[] = [];
  const warned: string[] = [];
  let refusal: string | null = null;
  const service = createServiceNotices({
    environment: { variables, home: '/h', platform: 'linux' },
    bus,
    clock,
    log: { ...silentLog, warn: (_event, fields) => void warned.push(String(fields?.because)) },
    send: (_address, text) => {
      if (refusal === null) told.push(text);
      return refusal;
    },
  });
  undo.push(() => service.close());
  return {
    service,
    clock,
    told,
    warned,
    refuse: (because: string) => {
      refusal = because;
    },
    tick: () => bus.emit('tick.finished', { dispatched: 0, wakeAt: null }),
  };
}

const UNDER_SYSTEMD = {
  NOTIFY_SOCKET: '/run/notify',
  WATCHDOG_USEC: '180000000',
  WATCHDOG_PID: `${process.pid}`,
};

test('while a successor takes over, nothing feeds the watchdog but the successor itself', () => {
  const { service, told, tick } = notices(UNDER_SYSTEMD);
  service.ready(() => 'running');
  told.length = 0;
  service.handingOver();
  tick();
  expect(told).toEqual(['RELOADING=1\nSTATUS=a successor takes over; agents run on']);
});

test('ready, alive with each finished tick but not more than once a second, and what is done when it changed', () => {
  const { service, clock, told, tick } = notices(UNDER_SYSTEMD);
  let doing = '0 under way';
  tick();
  expect(told).toEqual([]);
  service.ready(() => doing);
  expect(told).toEqual(['READY=1\nSTATUS=0 under way']);
  for (let tenth = 0; tenth < 9; tenth++) tick();
  doing = '2 under way\nREADY=0';
  expect(told).toHaveLength(1);
  clock.advance(1000);
  expect(told.slice(1)).toEqual(['WATCHDOG=1\nSTATUS=2 under way READY=0']);
  clock.advance(59_000);
  expect(told).toHaveLength(2);
  tick();
  expect(told.slice(2)).toEqual(['WATCHDOG=1']);
});

test('a new reading of the configuration and the end are said, and after the end no sign of life', () => {
  const { service, clock, told, tick } = notices(UNDER_SYSTEMD);
  service.ready(() => 'working');
  service.reloading();
  service.reloaded();
  service.stopping();
  clock.advance(5000);
  tick();
  expect(told.slice(1)).toEqual([
    'RELOADING=1\nSTATUS=reading the configuration again',
    'READY=1\nSTATUS=working',
    'STOPPING=1\nSTATUS=stopping; agents run on',
  ]);
});

test.each([
  ['no watchdog', { NOTIFY_SOCKET: '/run/notify' }],
  ['the watchdog of another process', { ...UNDER_SYSTEMD, WATCHDOG_PID: '1' }],
])('%s is not fed', (_name, variables) => {
  const { service, clock, told, tick } = notices(variables);
  service.ready(() => 'working');
  clock.advance(5000);
  tick();
  expect(told).toEqual(['READY=1\nSTATUS=working']);
});

test('without a service manager nothing is said', () => {
  const { service, clock, told, tick } = notices({});
  service.ready(() => 'working');
  clock.advance(5000);
  tick();
  expect(told).toEqual([]);
});

test('a manager that does not listen is reported once', () => {
  const { service, clock, warned, refuse, tick } = notices(UNDER_SYSTEMD);
  refuse('no one is there');
  service.ready(() => 'working');
  clock.advance(5000);
  tick();
  expect(warned).toEqual(['no one is there']);
});

withDatagrams('all of it through a real socket', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'notices-'));
  undo.push(() => rm(folder, { recursive: true }));
  const receiver: DatagramReceiver = await receiveDatagrams(join(folder, 'notify'));
  undo.unshift(() => receiver.close());
  const clock = systemClock();
  const service = createServiceNotices({
    environment: { variables: { NOTIFY_SOCKET: receiver.address }, home: '/h', platform: 'linux' },
    bus: createBus(clock),
    clock,
    log: silentLog,
  });
  undo.unshift(() => service.close());
  service.ready(() => 'working');
  expect(await receiver.next()).toBe('READY=1\nSTATUS=working');
  service.stopping();
  expect(await receiver.next()).toBe('STOPPING=1\nSTATUS=stopping; agents run on');
});
