// The settings in wg's own config.toml that concern the work of its daemon (wg-rules 8.2), with wg's defaults. Takes
// a parsed document; knows no file.

import { durationOrNull, parseWgTimeout } from '../domain/duration.ts';

export interface WgSettings {
  readonly autoAssign: boolean;
  readonly autoEvaluate: boolean;
  readonly evalGateThreshold: number;
  readonly gateMaxAttempts: number;
  /** Failed verify commands after which the task fails. */
  readonly maxVerifyFailures: number;
  readonly verifyTimeoutMs: number;
}

type Table = Readonly<Record<string, unknown>>;

/**
 * Reads merged documents, global first. Without any `[agency]` its pipeline is on; with one, missing keys are off
 * (wg-rules 4.8).
 */
export function wgSettings(documents: readonly Table[]): WgSettings {
  const agency = merged(documents, ['agency']);
  const dispatcher = merged(documents, ['coordinator', 'dispatcher']);
  const flag = (key: string) => (agency === null ? true : agency[key] === true);
  return {
    autoAssign: flag('auto_assign'),
    autoEvaluate: flag('auto_evaluate'),
    evalGateThreshold: numberOr(agency?.eval_gate_threshold, 0.7),
    gateMaxAttempts: numberOr(agency?.gate_max_attempts, 2),
    maxVerifyFailures: numberOr(dispatcher?.max_verify_failures ?? dispatcher?.max_eval_rescues, 3),
    verifyTimeoutMs: timeoutOr(dispatcher?.verify_default_timeout, 900_000),
  };
}

/** A verify timeout as wg reads it, ms: s, m, h or bare seconds. */
export function timeoutOr(value: unknown, otherwise: number): number {
  if (typeof value === 'number' && value > 0) return value * 1000;
  if (typeof value !== 'string' || value.trim() === '') return otherwise;
  return parseWgTimeout(value) ?? durationOrNull(value) ?? otherwise;
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

/** The tables of these names, later ones overriding key by key; null if there is none. */
function merged(documents: readonly Table[], names: readonly string[]): Table | null {
  let found: Table | null = null;
  for (const document of documents)
    for (const name of names) {
      const table = document[name];
      if (typeof table === 'object' && table !== null && !Array.isArray(table))
        found = { ...(found ?? {}), ...(table as Table) };
    }
  return found;
}
