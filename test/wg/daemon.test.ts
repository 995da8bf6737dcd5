import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Clock, systemClock } from '../../src/platform/clock.ts';
import { createDaemonDetector, detectDaemon, scanDaemons } from '../../src/wg/daemon.ts';
import { eventually } from '../support/actors.ts';

const nobody = async () => new Map<string, number>();

let folder: string;
let graph: string;
let children: ChildProcess[];
let servers: { server: Server; sockets: Set<Socket> }[];

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'daemon-')));
  graph = join(folder, '.workgraph');
  mkdirSync(join(graph, 'service'), { recursive: true });
  children = [];
  servers = [];
});

afterEach(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  for (const { server, sockets } of servers) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

/** A process with the arguments of wg's daemon. */
async function daemonProcess(dir: string, cwd = '/', flags = ['--dir', dir]): Promise<number> {
  const code = 'process.stdout.write("up"); setInterval(() => {}, 1e6)';
  const child = spawn(process.execPath, ['-e', code, '--', ...flags, 'service', 'daemon', '--socket', 'x'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
  return child.pid ?? 0;
}

/** A process of another kind. */
async function bystander(): Promise<number> {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child.pid ?? 0;
}

async function listen(path: string, answer: string | null): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => {
      if (answer !== null) socket.write(answer);
    });
  });
  server.listen(path);
  await once(server, 'listening');
  servers.push({ server, sockets });
}

function state(pid: unknown, socket_path: unknown = join(graph, 'service', 'daemon.sock')): void {
  const content = JSON.stringify({ pid, socket_path, started_at: '2027-01-01T00:00:00Z' });
  writeFileSync(join(graph, 'service', 'state.json'), content);
}

const detect = (scan = nobody) => detectDaemon(graph, systemClock(), scan);

describe('a wg daemon is seen', () => {
  test('by its state file while its process lives, even when it does not answer', async () => {
    const pid = await daemonProcess(graph);
    state(pid);
    await listen(join(graph, 'service', 'daemon.sock'), null);
    expect(await detect()).toEqual({
      pid,
      socket: join(graph, 'service', 'daemon.sock'),
      because: expect.stringContaining(`${pid}`),
    });
  });

  test('by its socket when the state file is gone or names a dead process', async () => {
    await listen(join(graph, 'service', 'daemon.sock'), '{"ok":true,"status":"running","pid":4711}\n');
    expect(await detect()).toMatchObject({ pid: 4711, because: expect.stringContaining('answers') });
    state(2 ** 22 + 5);
    expect(await detect()).toMatchObject({ pid: 4711 });
  });

  test('by the socket that its state file names', async () => {
    const elsewhere = join(folder, 'other.sock');
    await listen(elsewhere, '{"ok":true}\n');
    state(await bystander(), elsewhere);
    expect(await detect()).toMatchObject({ pid: null, socket: elsewhere });
  });

  test('by its process alone, whichever way its folder was given', async () => {
    symlinkSync(folder, `${folder}-link`);
    try {
      const ways: [string, string, string[]?][] = [
        [graph, '/'],
        ['.workgraph', folder],
        [join(`${folder}-link`, '.workgraph'), '/'],
        ['', '/', [`--dir=${graph}`]],
      ];
      for (const [dir, cwd, flags] of ways) {
        const pid = await daemonProcess(dir, cwd, flags);
        expect((await scanDaemons()).get(graph)).toBe(pid);
        expect(await detect(scanDaemons)).toMatchObject({ pid, socket: null });
        const child = children.pop();
        child?.kill('SIGKILL');
        if (child) await once(child, 'exit');
        expect(await detect(scanDaemons)).toBeNull();
      }
    } finally {
      rmSync(`${folder}-link`);
    }
  });
});

describe('no daemon is seen', () => {
  test('where there is no service folder at all', async () => {
    rmSync(join(graph, 'service'), { recursive: true });
    expect(await detect()).toBeNull();
  });

  test('when the pid of an old state file belongs to another program by now', async () => {
    state(await bystander());
    expect(await detect()).toBeNull();
  });

  test('when the process is a zombie', async () => {
    // Its parent is one that waits for no one, and is so before it ends.
    const go = join(graph, 'go');
    const script = `(until [ -e ${go} ]; do sleep 0.02; done) & echo $!; exec sleep 1000`;
    const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    await eventually(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8') === 'sleep\n');
    writeFileSync(go, '');
    await eventually(() => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
    state(pid);
    expect(await detect()).toBeNull();
  });

  test.each([
    ['torn', '{"pid": 12'],
    ['empty', ''],
    ['a list', '[]'],
    ['null', 'null'],
    ['with pid 1', '{"pid": 1, "socket_path": "/x"}'],
    ['with a negative pid', '{"pid": -1, "socket_path": "/x"}'],
    ['with a text for a pid', '{"pid": "77"}'],
  ])('when the state file is %s', async (_what, content) => {
    writeFileSync(join(graph, 'service', 'state.json'), content);
    expect(await detect()).toBeNull();
  });

  test.each([
    ['speaks another language', 'HTTP/1.1 400 Bad Request\n'],
    ['answers without end', 'x'.repeat(3 * 1024 * 1024)],
    ['is silent', null],
  ])('when what listens on the socket %s', async (_what, answer) => {
    await listen(join(graph, 'service', 'daemon.sock'), answer);
    expect(await detect()).toBeNull();
  });

  test('when the socket path is too long for the system, or is a plain file', async () => {
    state(2 ** 22 + 5, join(folder, 'x'.repeat(300)));
    expect(await detect()).toBeNull();
    writeFileSync(join(graph, 'service', 'daemon.sock'), '');
    rmSync(join(graph, 'service', 'state.json'));
    expect(await detect()).toBeNull();
  });
});

describe('many graphs', () => {
  test('share one look at the process list until it is old, or failed', async () => {
    let now = 1000;
    let looks = 0;
    let broken = false;
    const clock: Clock = { ...systemClock(), now: () => now };
    const scan = async () => {
      looks += 1;
      if (broken) throw new Error('no /proc just now');
      return new Map<string, number>();
    };
    const detector = createDaemonDetector({ clock, scan, scanEveryMs: 100 });
    await Promise.all(['a', 'b', 'c'].map((name) => detector.detect(join(folder, name))));
    expect(looks).toBe(1);
    now += 100;
    await detector.detect(graph);
    expect(looks).toBe(2);
    now -= 5000;
    broken = true;
    await expect(detector.detect(graph)).rejects.toThrow('no /proc');
    broken = false;
    await detector.detect(graph);
    expect(looks).toBe(4);
  });
});
