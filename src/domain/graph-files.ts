// The files of a graph's folder by name, and how much of each is read at most. Everything else in the folder is left
// alone.

const KIB = 1024;
const MIB = 1024 * KIB;

/** A file of a graph's folder. */
interface GraphFile {
  readonly path: string;
  /** From this size on it is a mistake rather than content, bytes; null: never read whole. */
  readonly maxBytes: number | null;
  /** Users link such a file on purpose to where they keep it; it is never written. */
  readonly links?: 'follow';
}

/** Files that are read, locked or appended to. */
export const GRAPH_FILES = {
  config: { path: 'config.toml', maxBytes: 4 * MIB, links: 'follow' },
  federation: { path: 'federation.yaml', maxBytes: MIB, links: 'follow' },
  selection: { path: 'profile-selection.json', maxBytes: 4 * MIB, links: 'follow' },
  lock: { path: 'graph.lock', maxBytes: null, links: 'follow' },
  registry: { path: 'service/registry.json', maxBytes: 64 * MIB },
  registryLock: { path: 'service/.registry.lock', maxBytes: null },
  supervisorLock: { path: 'service/.supervisor.lock', maxBytes: null },
  supervisorHolder: { path: 'service/.supervisor.json', maxBytes: MIB },
  daemonState: { path: 'service/state.json', maxBytes: MIB },
  providerHealth: { path: 'service/provider_health.json', maxBytes: MIB },
  operations: { path: 'log/operations.jsonl', maxBytes: null },
} as const satisfies Readonly<Record<string, GraphFile>>;

/** Folders that are written to. */
export const GRAPH_FOLDERS = ['agents', 'service', 'log', 'results'] as const;

/** What agents and hooks print, in a run's folder; programs of before there were hooks take only the first two. */
export const OUTPUT_FILES = ['output.log', 'raw_stream.jsonl', 'before_run.log', 'after_run.log'] as const;
export type OutputName = (typeof OUTPUT_FILES)[number];

/** Messages to one task; more is a conversation that is never read whole, bytes. */
export const MESSAGES_MAX_BYTES = 16 * MIB;
/** One evaluation, bytes. */
export const EVALUATION_MAX_BYTES = MIB;
/** A file of a run's folder that is read whole, bytes. */
export const RUN_FILE_MAX_BYTES = 8 * MIB;
/** A file of git's that is a line or a page of settings, bytes. */
export const GIT_FILE_MAX_BYTES = MIB;
