// What a supervisor leaves to the program that takes its place in the same process: the lock and the listening sockets,
// by their descriptors. Passed on in a variable, which the successor takes out of its environment.

/** The variable that names what is left. */
export const HANDOVER_VARIABLE = 'SUPERVISOR_HANDOVER';

/** Sockets that listen all the while: who connects waits in their queues. */
export interface Listening {
  /** The unix socket's descriptor. */
  readonly socket: number;
  readonly tcp: readonly { readonly host: string; readonly port: number; readonly fd: number }[];
}

export interface Handover extends Listening {
  /** The descriptor that the machine's lock is held by. */
  readonly lock: number;
}

/** What an earlier supervisor left, for its successor. */
export interface Inherited extends Handover {
  /** Removes an agent that has ended from the process table; true while it has not. */
  reap(pid: number): boolean;
}

export const handoverText = (left: Handover): string => JSON.stringify(left);

/** The descriptors in it. */
export const descriptorsOf = ({ lock, socket, tcp }: Handover): readonly number[] => [
  lock,
  socket,
  ...tcp.map(({ fd }) => fd),
];

/** Null for a text that no supervisor wrote. */
export function readHandover(text: string | undefined): Handover | null {
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isHandover(value) ? value : null;
  } catch {
    // Set by a person or by another program: the start is an ordinary one.
    return null;
  }
}

const isNumber = (value: unknown, least: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= least;

function isHandover(value: unknown): value is Handover {
  if (typeof value !== 'object' || value === null) return false;
  const { lock, socket, tcp } = value as Record<string, unknown>;
  return (
    isNumber(lock, 3) &&
    isNumber(socket, 3) &&
    Array.isArray(tcp) &&
    tcp.every((one: unknown) => {
      const { host, port, fd } = (one ?? {}) as Record<string, unknown>;
      return typeof host === 'string' && isNumber(port, 1) && isNumber(fd, 3);
    })
  );
}
