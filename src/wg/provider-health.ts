// wg's own word that nothing may be spawned just now: service/provider_health.json. Read only.

import { join } from 'node:path';
import { GRAPH_FILES } from '../domain/graph-files.ts';
import type { GraphPath } from '../domain/ids.ts';
import { readTextNow } from '../platform/regular-file.ts';

export interface ServicePause {
  readonly because: string;
  /** ms; null: until somebody says `wg service resume`. */
  readonly until: number | null;
}

/** The pause that wg keeps for a graph, or null. One whose time is over is none. */
export function readServicePause(graph: GraphPath, now: number): ServicePause | null {
  let health: unknown;
  try {
    const text = readTextNow(join(graph, GRAPH_FILES.providerHealth.path), GRAPH_FILES.providerHealth);
    if (text === null) return null;
    health = JSON.parse(text);
  } catch {
    // Torn while wg writes it, or foreign: no pause that anybody could name.
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
