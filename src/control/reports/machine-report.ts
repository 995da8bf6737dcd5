// The machine as reports show it.

import type { MachineView } from '../../decide/capacity/machine-room.ts';
import type { MachineReport } from '../../domain/report.ts';
import { isoTime } from '../../platform/clock.ts';

/** The last look at the machine and what is short by it. */
export function machineReport({ reading, short }: MachineView): MachineReport {
  const { memory, load, at } = reading;
  return {
    at: isoTime(at),
    memory: memory && {
      available_bytes: memory.availableBytes,
      total_bytes: memory.totalBytes,
      pressure: memory.pressure,
    },
    load: load && { average: load.average, cores: load.cores, pressure: load.pressure },
    short: short.map(({ kind, because, since }) => ({ kind, because, since: isoTime(since) })),
  };
}
