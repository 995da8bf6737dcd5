// The folders of graphs, in memory: the file that everyone writes, its locks, the registry and the records of runs.
// Outlives every life. Knows no rule of the supervisor.

import { SupervisorError } from '../../src/domain/errors.ts';
import type { GraphPath } from '../../src/domain/ids.ts';
import { tooLarge } from '../../src/graph/format.ts';
import { type FileState, type GraphFiles, keepsChanging } from '../../src/graph/graph-file.ts';
import { type ByteSource, rereadText } from '../../src/graph/incremental-read.ts';
import { PieceTable } from '../../src/graph/piece-table.ts';
import { isoTime } from '../../src/platform/clock.ts';
import type { FileLock, Locker } from '../../src/platform/flock.ts';
import type { InstanceLock } from '../../src/platform/instance-lock.ts';
import type { RememberedRun, RunFiles } from '../../src/runs/run-file.ts';
import { rowOf, runOf } from '../../src/runs/run-row.ts';
import { NO_PID, type Registry } from '../../src/wg/registry.ts';
import type { RegistryEntry } from '../../src/wg/registry-file.ts';
import type { Chance } from './chance.ts';
import type { Life, Scheduler } from './scheduler.ts';

/** File systems count time in steps, ms: two writes within one may have the same time. */
const TIME_STEP_MS = 4;
const READS_AT_MOST = 5;
/** How often an fsync takes long, and how long then, ms. */
const SLOW_SYNC = 0.02;
const SLOW_SYNC_MS = 1500;

interface Inode {
  readonly number: number;
  bytes: Buffer;
  modifiedAt: number;
  /** Its time was set back a little, as our own writes do. */
  isMarked: boolean;
}

interface Held {
  readonly life: Life;
}

interface Queued extends Held {
  grant(): void;
}

interface Lock {
  holder: Held | null;
  readonly queue: Queued[];
}

/** One graph folder. */
export class GraphFolder {
  readonly path: GraphPath;
  inode: Inode | null = null;
  readonly agents = new Map<string, RegistryEntry>();
  nextAgent = 1;
  readonly runs = new Map<string, string>();
  /** Who serves it. */
  server: Life | null = null;
  readonly #disk: Disk;

  constructor(path: GraphPath, disk: Disk) {
    this.path = path;
    this.#disk = disk;
  }

  get text(): string | null {
    return this.inode?.bytes.toString('utf8') ?? null;
  }

  /** By a rename: readers of the old file see it whole. */
  replace(bytes: Buffer, isMarked = false): void {
    const { scheduler } = this.#disk;
    const modifiedAt = Math.floor(scheduler.now / TIME_STEP_MS) * TIME_STEP_MS;
    this.inode = { number: this.#disk.nextInode(), bytes, modifiedAt, isMarked };
    this.#disk.changed(this.path);
  }

  /** In place: readers see what is there at that moment. */
  overwrite(bytes: Buffer): void {
    if (!this.inode) {
      this.replace(bytes);
      return;
    }
    this.inode.bytes = bytes;
    this.inode.modifiedAt = Math.floor(this.#disk.scheduler.now / TIME_STEP_MS) * TIME_STEP_MS;
    this.inode.isMarked = false;
    this.#disk.changed(this.path);
  }

  remove(): void {
    this.inode = null;
    this.#disk.changed(this.path);
  }
}

function stateOf(inode: Inode): FileState {
  const { number, bytes, modifiedAt, isMarked } = inode;
  return {
    print: `${number}:${modifiedAt}${isMarked ? '-' : ''}:${bytes.length}`,
    modifiedAt: isMarked ? modifiedAt - 1 : modifiedAt,
    inode: String(number),
    size: bytes.length,
    mode: 0o644,
    uid: 1,
    gid: 1,
  };
}

function refused(path: string, code: string): SupervisorError {
  return new SupervisorError('graph', `cannot write ${path}: ${code}`, {
    hint: 'free some space on that disk; nothing was changed',
    details: { file: path, code },
  });
}

export class Disk {
  readonly scheduler: Scheduler;
  readonly #chance: Chance;
  readonly folders = new Map<GraphPath, GraphFolder>();
  readonly #locks = new Map<string, Lock>();
  readonly #hearers = new Set<(graph: GraphPath) => void>();
  #inodes = 0;
  isFull = false;

  constructor(scheduler: Scheduler, chance: Chance) {
    this.scheduler = scheduler;
    this.#chance = chance;
  }

  nextInode(): number {
    return ++this.#inodes;
  }

  folder(path: GraphPath): GraphFolder {
    const known = this.folders.get(path) ?? new GraphFolder(path, this);
    this.folders.set(path, known);
    return known;
  }

  changed(graph: GraphPath): void {
    for (const hear of this.#hearers) hear(graph);
  }

  onChange(hear: (graph: GraphPath) => void): () => void {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  files(life: Life): GraphFiles {
    const { scheduler } = this;
    const stateNow = (graph: GraphPath) => {
      const { inode } = this.folder(graph);
      return inode ? stateOf(inode) : null;
    };
    return {
      stateNow,
      stateOfOpened: stateNow,
      lockFiles: (graph) => [`${graph}/graph.lock`],
      read: async (graph, maxBytes, before = null) => {
        for (let attempt = 0; attempt < READS_AT_MOST; attempt++) {
          const inode = await scheduler.do(life, () => this.folder(graph).inode);
          if (inode === null) {
            const message = `${graph}/graph.jsonl does not exist; make the graph with "wg init"`;
            return { kind: 'problem', problem: { code: 'missing', message } };
          }
          const stood = stateOf(inode);
          if (stood.size > maxBytes)
            return { kind: 'problem', problem: tooLarge(graph, stood.size, maxBytes) };
          const reading = await rereadText(
            this.#source(life, inode),
            stood.size,
            before ?? PieceTable.of(Buffer.alloc(0)),
          );
          const state = await scheduler.do(life, () => stateOf(inode));
          if (reading !== null && state.print === stood.print) return { kind: 'text', reading, state };
        }
        return { kind: 'problem', problem: keepsChanging(graph) };
      },
      write: async (graph, text, previous) => {
        const folder = this.folder(graph);
        const bytes = text.slice(0, text.length);
        await scheduler.do(
          life,
          () => {
            if (this.isFull) throw refused(graph, 'ENOSPC');
          },
          this.#chance.below(3),
        );
        // The fsync takes time, and editors take no lock.
        await scheduler.do(life, () => {}, this.#syncMs());
        const made = await scheduler.do(life, () => {
          if (stateNow(graph)?.print !== previous?.print) return null;
          folder.replace(Buffer.from(bytes), true);
          return folder.inode;
        });
        if (made === null) return null;
        const state = stateOf(made);
        return await scheduler.do(life, () => ({ state, isSure: stateNow(graph)?.print === state.print }));
      },
    };
  }

  #syncMs(): number {
    return this.#chance.is(SLOW_SYNC) ? this.#chance.below(SLOW_SYNC_MS) : this.#chance.below(12);
  }

  #source(life: Life, inode: Inode): ByteSource {
    return {
      read: (into, offset, length, position) =>
        this.scheduler.do(life, () => ({
          bytesRead: inode.bytes.copy(into, offset, position, position + length),
        })),
    };
  }

  locker(life: Life): Locker {
    const lockOf = (path: string): Lock => {
      const known = this.#locks.get(path) ?? { holder: null, queue: [] };
      this.#locks.set(path, known);
      return known;
    };
    const taken = (lock: Lock, held: Held): FileLock => ({
      fd: -1,
      release: () => {
        if (lock.holder === held) this.#passOn(lock);
      },
    });
    life.onDeath(() => {
      for (const lock of this.#locks.values()) {
        lock.queue.splice(0, lock.queue.length, ...lock.queue.filter((one) => one.life !== life));
        if (lock.holder?.life === life) this.#passOn(lock);
      }
    });
    return {
      // No program of this world replaces itself.
      adopt: () => null,
      tryAcquire: (path) => {
        const lock = lockOf(path);
        if (lock.holder) return null;
        const held = { life };
        lock.holder = held;
        return taken(lock, held);
      },
      acquire: (path, { timeoutMs, signal }) =>
        new Promise((resolve, reject) => {
          const lock = lockOf(path);
          let cancel = () => {};
          const queued: Queued = {
            life,
            grant: () => {
              cancel();
              resolve(taken(lock, queued));
            },
          };
          const giveUp = () => {
            const at = lock.queue.indexOf(queued);
            if (at < 0) return;
            lock.queue.splice(at, 1);
            cancel();
            reject(new SupervisorError('graph', `${path} is locked`, { hint: 'try again' }));
          };
          this.scheduler.after(life, 0, () => {
            if (!lock.holder) {
              lock.holder = queued;
              return queued.grant();
            }
            lock.queue.push(queued);
            cancel = this.scheduler.after(life, timeoutMs, giveUp);
            signal?.addEventListener('abort', giveUp, { once: true });
          });
        }),
    };
  }

  #passOn(lock: Lock): void {
    lock.holder = null;
    const next = lock.queue.shift();
    if (!next) return;
    lock.holder = next;
    this.scheduler.after(next.life, 0, () => next.grant());
  }

  /** One supervisor per graph. */
  async lockGraph(life: Life, graph: GraphPath): Promise<InstanceLock> {
    const folder = this.folder(graph);
    return await this.scheduler.do(life, () => {
      if (folder.server !== null && folder.server !== life && folder.server.isAlive)
        throw new SupervisorError('already-running', `${graph} is served by ${folder.server.name}`);
      folder.server = life;
      return {
        handOver: () => Promise.reject(new Error('no program of this world replaces itself')),
        release: () =>
          this.scheduler.do(life, () => {
            if (folder.server === life) folder.server = null;
          }),
      };
    });
  }

  registry(life: Life, graph: GraphPath): Registry {
    const folder = this.folder(graph);
    const write = <T>(act: () => T) =>
      this.scheduler.do(
        life,
        () => {
          if (this.isFull) throw refused(`${graph}/service/registry.json`, 'ENOSPC');
          return act();
        },
        this.#chance.below(8),
      );
    return {
      allocate: (agents) =>
        write(() =>
          agents.map(({ task_id, executor, worktree_path, pid }) => {
            const id = `agent-${folder.nextAgent++}`;
            const at = isoTime(this.scheduler.now);
            folder.agents.set(id, {
              ...{ id, task_id, executor, pid: pid ?? NO_PID, status: 'stopping' },
              ...{ started_at: at, last_heartbeat: at, output_file: `agents/${id}/output.log` },
              ...(worktree_path === undefined ? {} : { worktree_path }),
            });
            return id;
          }),
        ),
      update: (changes) =>
        write(() =>
          changes.flatMap(({ agent, pid, status }) => {
            const known = folder.agents.get(agent);
            if (!known) return [agent];
            const now = pid === undefined ? {} : { pid, status: 'working' as const };
            folder.agents.set(agent, { ...known, ...now, ...(status === undefined ? {} : { status }) });
            return [];
          }),
        ),
      flush: async () => {},
      entries: () => new Map(folder.agents),
    };
  }

  runFiles(life: Life): RunFiles {
    const folderOf = (path: string) => this.folder(path.slice(0, path.indexOf('/agents/')));
    return {
      read: (path) => {
        const text = folderOf(path).runs.get(path);
        if (text === undefined) return null;
        const { row, ...rest } = JSON.parse(text) as { row: Record<string, unknown> } & Omit<
          RememberedRun,
          'run'
        >;
        return { ...rest, run: runOf(row) };
      },
      write: (path, { run, ...rest }) =>
        this.scheduler.do(
          life,
          () => {
            if (this.isFull) throw refused(path, 'ENOSPC');
            folderOf(path).runs.set(path, JSON.stringify({ ...rest, row: rowOf(run) }));
          },
          this.#chance.below(4),
        ),
    };
  }
}
