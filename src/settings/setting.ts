// How a setting is declared: its rule, its default and the reason. Validation, the example file and the JSON Schema
// for editors are all derived from this declaration.

import { z } from 'zod';
import { BYTE_SIZE_RULE, byteSizeOrNull } from '../domain/byte-size.ts';
import { DURATION_RULE, durationOrNull } from '../domain/duration.ts';
import { isTimezone } from './timezone.ts';

/** The example file's text about a setting, besides its default. */
export interface SettingNote {
  /** Its effect and the reason for the default. Plain sentences. */
  readonly text: string;
  /** Shown if there is no default. */
  readonly example?: unknown;
}

/** A setting with a default, which is what the example shows. */
export function withDefault<S extends z.ZodType>(
  schema: S,
  value: z.util.NoUndefined<z.output<S>>,
  text: string,
) {
  return schema.default(value).meta({ description: text });
}

/** An optional setting. */
export function optional<S extends z.ZodType>(schema: S, note: SettingNote) {
  return schema.optional().meta({ description: note.text, examples: [note.example] });
}

/** A required setting. */
export function required<S extends z.ZodType>(schema: S, note: SettingNote) {
  return schema.meta({ description: note.text, examples: [note.example] });
}

/** A duration string; 0 needs no unit. */
export const duration = z
  .union([z.string(), z.literal(0)], { error: `must be ${DURATION_RULE}` })
  .refine((value) => durationOrNull(value) !== null, { error: `must be ${DURATION_RULE}` });

/** A duration above zero: pauses and intervals that would otherwise become a busy loop. */
export const rhythm = z
  .string({ error: `must be ${DURATION_RULE}` })
  .refine((value) => (durationOrNull(value) ?? 0) > 0, { error: `must be ${DURATION_RULE}, longer than 0` });

/** How much of large output is kept; less than this would be too little to understand it. */
const LEAST_KEPT_BYTES = 64 * 1024;

/** An amount of bytes to keep; 0 keeps everything. */
export const keptBytes = z
  .union([z.string(), z.int()], { error: `must be ${BYTE_SIZE_RULE}` })
  .refine((value) => byteSizeOrNull(value) !== null, { error: `must be ${BYTE_SIZE_RULE}`, abort: true })
  .refine((value) => byteSizeOrNull(value) === 0 || (byteSizeOrNull(value) ?? 0) >= LEAST_KEPT_BYTES, {
    error: 'must be 64KiB at least, or 0 for no limit',
  });

/** An amount of bytes. */
export const bytes = z
  .union([z.string(), z.int()], { error: `must be ${BYTE_SIZE_RULE}` })
  .refine((value) => byteSizeOrNull(value) !== null, { error: `must be ${BYTE_SIZE_RULE}` });

/** A concurrency limit; at least one. */
export const places = z.int().min(1).max(100_000);

/** A non-empty string. */
export const text = z.string().min(1);

/** A string, or the name of an environment variable that contains it. */
export const secretValue = z.union([z.string(), z.strictObject({ env: z.string().min(1) })], {
  error: 'must be a text or { env = "NAME" }',
});

/** Names to strings or environment variables. */
export const secretValues = z.record(z.string().min(1), secretValue);

/** A zone name of the IANA database. */
export const zone = z
  .string()
  .refine(isTimezone, { error: 'must be a time zone such as "Europe/Berlin" or "UTC"' });
