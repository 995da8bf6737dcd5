// Syncs SQLite's write-ahead log outside the event loop: a commit in WAL mode survives a power cut once its log is
// synced, no matter which caller syncs. Knows no SQL.

import { closeSync, fdatasync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { systemCode } from '../domain/errors.ts';

const syncData = promisify(fdatasync);

export interface LogSync {
  /** Resolves once everything committed before the call is on the disk. */
  sync(): Promise<void>;
  close(): void;
}

/** Takes the path of the ledger file. The log file is opened once, and stays the same while the ledger is open. */
export function createLogSync(file: string): LogSync {
  let log: number | null = null;
  let underWay = 0;
  let closed = false;

  function open(): number | null {
    try {
      log = openSync(`${file}-wal`, 'r');
    } catch (thrown) {
      // A file system without shared memory has no such log: there SQLite syncs with every commit.
      if (systemCode(thrown) === 'ENOENT') return null;
      throw thrown;
    }
    // A new file survives a power cut only once its folder is synced, too.
    const folder = openSync(dirname(file), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    return log;
  }

  const letGo = () => {
    if (!closed || underWay > 0 || log === null) return;
    closeSync(log);
    log = null;
  };

  return {
    async sync() {
      if (closed) throw new Error(`ledger ${file} used after it was closed`);
      const fd = log ?? open();
      if (fd === null) return;
      underWay++;
      try {
        await syncData(fd);
      } finally {
        underWay--;
        letGo();
      }
    },
    close() {
      closed = true;
      letGo();
    },
  };
}
