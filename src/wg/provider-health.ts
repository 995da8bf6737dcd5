// wg's own pause of all spawning: service/provider_health.json. Read only.

import { join } from 'node:path';
import { GRAPH_FILES } from '../domain/graph-files.ts';
import type { GraphPath } from '../domain/ids.ts';
import { readTextNow } from '../platform/regular-file.ts';

export interface ServicePause {
  readonly because: string;
  /** ms; null: until `wg service resume`. */
  readonly until: number | null;
}

/** wg's pause of a graph, or null. An expired one counts as none. */
export function readServicePause(graph: GraphPath, now: number): ServicePause | null {
  let health: unknown;
  try {
    const text = readTextNow(join(graph, GRAPH_FILES.providerHealth.path), GRAPH_FILES.providerHealth);
    if (text === null) return null;
    health = JSON.parse(text);
  } catch {
    // Torn while wg writes it, or foreign: not a usable pause.
    return null;
  }
  if (typeof health !== 'object' || health === null) return null;
  const { service_paused, pause_reason, auto_resume_at } = health as Record<string, unknown>;
  if (service_paused !== true) return null;
  const resume = typeof auto_resume_at === 'string' ? Date.parse(auto_resume_at) : Number.NaN;
  const until = Number.isNaN(resume) ? null : resume;
  if (until !== null && until <= now) return null;
  const reason = typeof pause_reason === 'string' && pause_reason !== '' ? `: ${pause_reason}` : '';
  return { because: `wg paused its service${reason} (wg service resume ends that)`, until };
}
