import { describe, expect, test } from '@jest/globals';
import { readListen } from '../../src/config/listen.ts';

const LOCAL = { allowRemote: false, publicUrl: null };
const allowed = { allowRemote: true, publicUrl: 'https://x.example' };

describe('[api] listen', () => {
  test.each([
    ['127.0.0.1:0', {}, { kind: 'at', host: '127.0.0.1', port: 0 }],
    ['localhost:80', {}, { kind: 'at', host: '127.0.0.1', port: 80 }],
    ['[::1]:7420', {}, { kind: 'at', host: '::1', port: 7420 }],
    ['127.8.9.1:7420', {}, { kind: 'at', host: '127.8.9.1', port: 7420 }],
    ['0.0.0.0:7420', allowed, { kind: 'at', host: '0.0.0.0', port: 7420 }],
    ['auto', {}, { kind: 'auto' }],
    ['off', {}, { kind: 'off' }],
  ])('%s is understood', (listen, context, setting) => {
    expect(readListen(listen, { ...LOCAL, ...context })).toEqual(setting);
  });

  test.each([
    ['0.0.0.0:7420', {}, /allow_remote/],
    ['[::]:7420', {}, /allow_remote/],
    ['192.168.1.5:7420', {}, /allow_remote/],
    ['example.org:7420', {}, /allow_remote/],
    ['127.0.0.1.evil.example:7420', {}, /allow_remote/],
    ['0.0.0.0:7420', { allowRemote: true }, /public_url with https/],
    ['0.0.0.0:7420', { allowRemote: true, publicUrl: 'http://x.example' }, /public_url with https/],
    ['0.0.0.0:7420', { allowRemote: false, publicUrl: 'https://x.example' }, /allow_remote/],
    ['7420', {}, /HOST:PORT/],
    ['127.0.0.1', {}, /HOST:PORT/],
    ['127.0.0.1:70000', {}, /HOST:PORT/],
    ['', {}, /HOST:PORT/],
  ])('%s with %j is refused, and the reason says what to write', (listen, context, reason) => {
    expect(readListen(listen, { ...LOCAL, ...context })).toMatch(reason);
  });
});
