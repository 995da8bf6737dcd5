import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type Address,
  classifyAddress,
  parseEndpoint,
  resolveEndpoint,
} from '../../../src/executors/http/address.ts';

const four = (address: string): Address => ({ address, family: 4 });

describe('classifyAddress', () => {
  test.each([
    ['169.254.169.254', 'forbidden'],
    ['0.0.0.0', 'forbidden'],
    ['224.0.0.1', 'forbidden'],
    ['255.255.255.255', 'forbidden'],
    ['100.100.100.200', 'forbidden'],
    ['168.63.129.16', 'forbidden'],
    ['::', 'forbidden'],
    ['fe80::1%eth0', 'forbidden'],
    ['ff02::1', 'forbidden'],
    ['fd00:ec2::254', 'forbidden'],
    ['::ffff:169.254.169.254', 'forbidden'],
    ['::ffff:a9fe:a9fe', 'forbidden'],
    ['::169.254.169.254', 'forbidden'],
    ['64:ff9b::a9fe:a9fe', 'forbidden'],
    ['2002:a9fe:a9fe::1', 'forbidden'],
    ['not an address', 'forbidden'],
    ['127.0.0.1', 'loopback'],
    ['127.9.9.9', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['10.1.2.3', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd12:3456::1', 'private'],
    ['::ffff:10.0.0.1', 'private'],
    ['172.32.0.1', 'public'],
    ['93.184.216.34', 'public'],
    ['2606:4700::1111', 'public'],
  ])('%s is %s', (address, expected) => {
    expect(classifyAddress(address)).toBe(expected);
  });

  test('an IPv4 address and its mapped form are judged alike', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(classifyAddress(`::ffff:${address}`)).toBe(classifyAddress(address));
      }),
    );
  });
});

describe('parseEndpoint', () => {
  test.each([
    'http://unix/var/run/docker.sock:/containers',
    'http://unix:/var/run/docker.sock:/containers',
    'unix:/var/run/docker.sock:/x',
    'file:///etc/passwd',
    'ftp://example.com/',
    'javascript:alert(1)',
    '/api/task',
    '',
  ])('%j cannot be dispatched to', (text) => {
    expect(parseEndpoint(text)).toHaveProperty('because');
  });

  test('odd spellings of an address are seen for what they are', () => {
    for (const text of [
      'http://0xa9fea9fe/',
      'http://2852039166/',
      'http://169.254.43518/',
      'http://0251.0376.0251.0376/',
    ]) {
      const url = parseEndpoint(text);
      expect(url instanceof URL ? classifyAddress(url.hostname) : null).toBe('forbidden');
    }
  });
});

describe('resolveEndpoint', () => {
  const resolve = (text: string, namedBy: 'configured' | 'task', addresses: readonly Address[] = []) =>
    resolveEndpoint(new URL(text), namedBy, async () => addresses);

  test.each([
    ['http://169.254.169.254/latest/meta-data', []],
    ['http://metadata.example/', [four('169.254.169.254')]],
    ['http://rebinding.example/', [four('93.184.216.34'), four('169.254.169.254')]],
    ['http://[::ffff:169.254.169.254]/', []],
    ['http://[::]/', []],
  ])('%s is always refused', async (text, addresses) => {
    for (const namedBy of ['configured', 'task'] as const)
      expect(await resolve(text, namedBy, addresses)).toMatchObject({ kind: 'refused' });
  });

  test.each([
    'http://metadata.google.internal/computeMetadata/v1/',
    'http://METADATA.google.internal./',
    'http://metadata/',
    'http://instance-data.ec2.internal/',
  ])('%s is refused by its name, before anyone is asked what it resolves to', async (text) => {
    const asked: string[] = [];
    const answer = await resolveEndpoint(new URL(text), 'configured', async (name) => {
      asked.push(name);
      return [four('93.184.216.34')];
    });
    expect(answer).toEqual({ kind: 'refused', because: expect.stringContaining('metadata') });
    expect(asked).toEqual([]);
  });

  test.each<[string, Address[]]>([
    ['the first of several', [four('169.254.169.254'), four('93.184.216.34')]],
    [
      'the last of several',
      [four('93.184.216.34'), { address: '2606:4700::1', family: 6 }, four('224.0.0.1')],
    ],
    ['a mapped one among public ones', [four('93.184.216.34'), { address: '::ffff:a9fe:a9fe', family: 6 }]],
    ['unspecified, which means this machine', [four('0.0.0.0')]],
    ['unspecified in IPv6', [{ address: '::', family: 6 }]],
    ['link-local with a zone', [{ address: 'fe80::1%eth0', family: 6 }]],
  ])('one forbidden address spoils the name: %s', async (_which, addresses) => {
    expect(await resolve('https://agent.example/', 'configured', addresses)).toMatchObject({
      kind: 'refused',
    });
  });

  test.each<[string, Address[]]>([
    ['private', [four('93.184.216.34'), four('192.168.0.9')]],
    ['private in IPv6', [{ address: 'fd12::1', family: 6 }]],
    ['carrier-grade', [four('100.64.0.1')]],
    ['mapped', [{ address: '::ffff:10.0.0.1', family: 6 }]],
  ])('a task may not name what leads into a private network by any of its addresses: %s', async (_which, addresses) => {
    expect(await resolve('https://agent.example/', 'task', addresses)).toMatchObject({ kind: 'refused' });
    expect(await resolve('https://agent.example/', 'configured', addresses)).toMatchObject({
      kind: 'addresses',
    });
  });

  test('private addresses are for configured endpoints; a task is told what to do', async () => {
    expect(await resolve('http://10.0.0.5:8080/t', 'configured')).toEqual({
      kind: 'addresses',
      addresses: [four('10.0.0.5')],
    });
    expect(await resolve('https://intranet.example/t', 'task', [four('10.0.0.5')])).toEqual({
      kind: 'refused',
      because: expect.stringContaining('[executors.NAME]'),
    });
  });

  test('a task may name this machine, and public agents by https only', async () => {
    expect(await resolve('http://127.0.0.1:3530/api/task', 'task')).toMatchObject({ kind: 'addresses' });
    expect(await resolve('http://localhost:3530/', 'task', [{ address: '::1', family: 6 }])).toMatchObject({
      kind: 'addresses',
    });
    expect(await resolve('https://agent.example/', 'task', [four('93.184.216.34')])).toMatchObject({
      kind: 'addresses',
    });
    expect(await resolve('http://agent.example/', 'task', [four('93.184.216.34')])).toMatchObject({
      kind: 'refused',
      because: expect.stringContaining('https'),
    });
  });

  test('a name that cannot be looked up is trouble, not a refusal', async () => {
    const failing = resolveEndpoint(new URL('http://nowhere.invalid/'), 'configured', async () => {
      throw new Error('getaddrinfo ENOTFOUND nowhere.invalid');
    });
    expect(await failing).toMatchObject({
      kind: 'unresolved',
      because: expect.stringContaining('ENOTFOUND'),
    });
    expect(await resolve('http://empty.example/', 'configured', [])).toMatchObject({ kind: 'unresolved' });
  });
});
