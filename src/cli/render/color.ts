// The one home of picocolors: whether to use colours, and their meaning.

import picocolors from 'picocolors';

/** Wraps text in a colour, or returns it unchanged. */
export type Paint = (text: string) => string;

/** Colours by meaning. */
export interface Colors {
  readonly good: Paint;
  readonly bad: Paint;
  readonly busy: Paint;
  readonly caution: Paint;
  readonly faint: Paint;
  readonly strong: Paint;
}

/**
 * Whether output is coloured: only on a terminal, never with --no-color or NO_COLOR (no-color.org), always with
 * FORCE_COLOR unless that is 0 or false.
 */
export function wantsColor(facts: {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly isTTY: boolean;
  readonly noColor: boolean;
}): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = facts.variables;
  if (facts.noColor || (NO_COLOR !== undefined && NO_COLOR !== '')) return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '')
    return !['0', 'false'].includes(FORCE_COLOR.toLowerCase());
  return facts.isTTY && TERM !== 'dumb';
}

/** Painters that add colours, or do nothing. */
export function colors(enabled: boolean): Colors {
  const paint = picocolors.createColors(enabled);
  return {
    good: paint.green,
    bad: paint.red,
    busy: paint.cyan,
    caution: paint.yellow,
    faint: paint.dim,
    strong: paint.bold,
  };
}

/** The colour of a verdict's state, a task's status or a run's phase. */
export function statePaint(state: string, { good, bad, busy, caution, faint }: Colors): Paint {
  switch (state) {
    case 'done':
    case 'settled':
    case 'succeeded':
    case 'ready':
    case 'ok':
      return good;
    case 'failed':
    case 'held':
    case 'missing':
    case 'no-login':
    case 'unreadable':
    case 'graph-gone':
    case 'interrupted':
      return bad;
    case 'running':
    case 'started':
    case 'claimed':
    case 'handed-off':
    case 'in-progress':
      return busy;
    case 'queued':
    case 'scheduled':
    case 'polling':
    case 'prunable':
    case 'note':
      return caution;
    case 'finished':
    case 'waiting':
    case 'paused':
    case 'copy':
    case 'abandoned':
    case 'alias':
    case 'own':
    case 'bare':
    case 'excluded':
    case 'no-graph':
      return faint;
    default:
      return (text) => text;
  }
}
