// A datagram socket that really is one, in Python: Node has none.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from '@jest/globals';

export interface DatagramReceiver {
  readonly address: string;
  /** The next datagram. */
  next(): Promise<string>;
  close(): Promise<void>;
}

const PROGRAM = `
import json, socket, sys
at = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\\0' + at[1:] if at.startswith('@') else at)
print('ready', flush=True)
while True: print(json.dumps(s.recv(65536).decode()), flush=True)
`;

/** Listens at a path, or after `@` at a name in the abstract space. */
export async function receiveDatagrams(address: string): Promise<DatagramReceiver> {
  const child: ChildProcess = spawn('python3', ['-c', PROGRAM, address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!child.stdout) throw new Error('no output');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the receiver at ${address} ended`);
    return value;
  };
  await line();
  return {
    address,
    next: async () => JSON.parse(await line()) as string,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const canReceive = process.platform === 'linux' && spawnSync('python3', ['-c', '1']).status === 0;

/** A test with a real datagram socket; skipped in one line where there is nothing to listen with. */
export function withDatagrams(name: string, run: () => Promise<void>): void {
  if (canReceive) test(name, run);
  else test.skip(`${name} (python3 on Linux listens to it)`, () => {});
}
