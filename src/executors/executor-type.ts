// What the program knows of an executor type: the settings of its profiles, and how its executor is made. A type is defined in a
// file of its own, and executor-types.ts lists them. Its profile's interface stands there too (`declare module`), unless deciding
// has rules for it: then it is in domain/profile.ts.

import { z } from 'zod';
import type { RetryPolicy } from '../domain/config.ts';
import { parseDuration } from '../domain/duration.ts';
import { nearest } from '../domain/nearest.ts';
import { PLACEHOLDERS, placeholdersIn } from '../domain/placeholder.ts';
import type { ExecutorType, Origin, Profile, ProfileBase } from '../domain/profile.ts';
import type { Identity } from '../platform/identity.ts';
import type { Log } from '../platform/log.ts';
import { duration, withDefault } from '../settings/setting.ts';
import type { Executor } from './executor.ts';
import type { ProcessMeans, Subprocesses } from './process/lifecycle/subprocess.ts';
import type { QueueExecutorParts } from './queue/executor.ts';
import { commonShape, overRetry } from './shared-settings.ts';

/** A problem inside a profile; the path is relative to the profile's own table. */
export interface Trouble {
  readonly path: readonly (string | number)[];
  readonly sentence: string;
}

/** What executors are made of. */
export interface ExecutorMeans extends ProcessMeans {
  readonly identity: Identity;
  readonly log: Log;
  readonly version: string;
  readonly subprocesses: Subprocesses;
  /** What handing work to a queue needs; absent: this program does not. */
  readonly queue?: Pick<QueueExecutorParts, 'replies' | 'offers' | 'trouble'>;
}

/** An executor type, as the rest of the program sees it. */
export interface ExecutorDefinition {
  readonly type: ExecutorType;
  /** The settings of its profiles. */
  readonly schema: z.ZodObject;
  /** The name under which a profile of it exists without configuration. Absent: none does. */
  readonly builtIn?: string;
  /** Profiles that show its settings in supervisor.toml.example; `without`: keys that exclude another one. */
  readonly examples: readonly { readonly name: string; readonly without?: readonly string[] }[];
  /** Reads a profile's table: the profile, or what is wrong with it. */
  read(name: string, origin: Origin, table: Readonly<Record<string, unknown>>, retry: RetryPolicy): ReadTable;
  /** What its profiles wait for, in words, where they start no program. Absent: nothing that is known. */
  readonly waitsFor?: string;
  /** Its executor; null: this program has no means for it. Absent: its tasks are decided, not run. */
  create?(means: ExecutorMeans): Promise<Executor | null>;
}

type ReadTable =
  | { readonly profile: Profile }
  | { readonly issues: readonly z.core.$ZodIssue[] }
  | { readonly troubles: readonly Trouble[] };

/** The settings of a type's profiles: those that every type has, and its own. `timeout`: the default, and why. */
export function profileSchema<const T extends ExecutorType, S extends z.ZodRawShape>(
  type: T,
  about: string,
  timeout: { readonly is: string; readonly why: string },
  shape: S,
) {
  return z.strictObject({
    type: z.literal(type).meta({ description: about }),
    ...commonShape,
    timeout: withDefault(
      duration,
      timeout.is,
      `Longest time one attempt may take; "0" means none. ${timeout.why}`,
    ),
    ...shape,
  });
}

const everyProfile = z.object({ ...commonShape, timeout: duration });
type Common = z.output<typeof everyProfile>;

/** A schema that `profileSchema` made. */
export type ProfileSchema = z.ZodObject<{ type: z.ZodLiteral<ExecutorType> }> & z.ZodType<Common>;

/** Puts a type together. */
export function executorType<S extends ProfileSchema>(
  options: Pick<ExecutorDefinition, 'builtIn' | 'examples' | 'waitsFor' | 'create'> & {
    readonly schema: S;
    /** Keys whose texts may hold placeholders, besides `env`. */
    readonly templates?: readonly string[];
    /** Defaults of a profile that works for repositories that are not trusted. */
    readonly untrustedDefaults?: Readonly<Record<string, unknown>>;
    /** Rules beyond single keys. */
    troubles?(written: z.output<S>, name: string): readonly Trouble[];
    /** The profile of a checked table. Durations are milliseconds there. */
    profile(written: z.output<S>, base: ProfileBase): Profile;
  },
): ExecutorDefinition {
  const { schema, templates = [], untrustedDefaults, troubles, profile, ...facts } = options;
  const type = schema.shape.type.value;
  return {
    ...facts,
    type,
    schema,
    read(name, origin, table, retry) {
      const parsed = schema.safeParse({
        ...(table.untrusted === true ? untrustedDefaults : {}),
        ...table,
        type,
      });
      if (!parsed.success) return { issues: parsed.error.issues };
      const written: z.output<S> = parsed.data;
      const found = [
        ...(troubles?.(written, name) ?? []),
        ...['env', ...templates].flatMap((key) => placeholderTroubles([key], Reflect.get(written, key))),
      ];
      if (found.length > 0) return { troubles: found };
      return { profile: profile(written, baseOf(written, name, origin, retry)) };
    },
  };
}

function baseOf(written: Common, name: string, origin: Origin, retry: RetryPolicy): ProfileBase {
  const { match = [], tag_match: tag, route } = written;
  return {
    name,
    origin,
    maxConcurrent: written.max_concurrent ?? null,
    timeoutMs: parseDuration(written.timeout),
    retry: overRetry(written.retry ?? {}, retry),
    match: [...new Set([...match, ...(tag === undefined ? [] : [tag])])],
    ...(route === undefined ? {} : { route: [...new Set(route)] }),
    env: written.env ?? {},
    overridable: written.overridable,
    ...(written.untrusted ? { untrusted: true as const } : {}),
  };
}

function placeholderTroubles(path: Trouble['path'], value: unknown): Trouble[] {
  if (typeof value === 'string')
    return placeholdersIn(value)
      .filter((name) => !(PLACEHOLDERS as readonly string[]).includes(name))
      .map((name) => {
        const near = nearest(name, PLACEHOLDERS);
        const advice = near === null ? `known are ${PLACEHOLDERS.join(', ')}` : `did you mean {{${near}}}?`;
        return { path, sentence: `unknown placeholder {{${name}}}; ${advice}` };
      });
  if (typeof value !== 'object' || value === null) return [];
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return entries.flatMap(([key, inner]) => placeholderTroubles([...path, key], inner));
}
