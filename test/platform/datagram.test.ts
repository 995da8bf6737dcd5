import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { datagramSender } from '../../src/platform/datagram.ts';
import { type DatagramReceiver, receiveDatagrams, withDatagrams } from '../support/datagrams.ts';

let folder: string;
let receiver: DatagramReceiver | null = null;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dgram-'));
});
afterEach(async () => {
  await receiver?.close();
  receiver = null;
  await rm(folder, { recursive: true });
});

withDatagrams('text arrives whole, at a path and in the abstract space', async () => {
  const send = datagramSender('linux');
  for (const address of [join(folder, 'socket'), `@supervisor-test-${process.pid}`]) {
    receiver = await receiveDatagrams(address);
    expect(send?.(address, 'READY=1\nSTATUS=fünf läuft')).toBeNull();
    expect(await receiver.next()).toBe('READY=1\nSTATUS=fünf läuft');
    await receiver.close();
  }
});

test('what does not arrive is said and harms nothing', () => {
  const send = datagramSender(process.platform);
  if (process.platform !== 'linux') {
    expect(send).toBeNull();
    return;
  }
  expect(send?.(join(folder, 'nobody'), 'x')).toContain('errno 2');
  expect(send?.('vsock:2:3', 'x')).toContain('no address');
  expect(send?.(`/${'x'.repeat(200)}`, 'x')).toContain('no address');
  expect(send?.('/a\0b', 'x')).toContain('no address');
  expect(datagramSender('darwin')).toBeNull();
});
