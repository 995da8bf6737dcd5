// How wg spells what is written into a task's line: failure classes, token usage, log entries.

import type { FailureKind, Usage } from '../domain/outcome.ts';
import type { LogEntry } from '../domain/task.ts';
import { graphTime } from './instant.ts';

/** wg's failure_class as it is spelt on disk; the command line's spelling would make the file unloadable. */
export function failureClass(failure: FailureKind): string | null {
  switch (failure) {
    case 'exit':
      return 'agent-exit-nonzero';
    case 'timeout':
    case 'silent':
      return 'agent-hard-timeout';
    case 'rate-limited':
      return 'api-error429-rate-limit';
    case 'provider':
      return 'api-error5xx-transient';
    case 'interrupted':
    case 'unreachable':
      return 'wrapper-internal';
    case 'reported':
    case 'refused':
      return null;
  }
}

/** wg's token_usage: whole numbers, all five keys; undefined if the executor reports nothing. */
export function usageFields(usage: Usage | undefined): Record<string, unknown> {
  if (!usage) return {};
  const { costUsd, inputTokens, outputTokens, cacheReadInputTokens, cacheCreationInputTokens } = usage;
  const known = [costUsd, inputTokens, outputTokens, cacheReadInputTokens, cacheCreationInputTokens];
  if (known.every((number) => number === undefined)) return {};
  return {
    token_usage: {
      cost_usd: Number.isFinite(costUsd) ? (costUsd ?? 0) : 0,
      input_tokens: whole(inputTokens),
      output_tokens: whole(outputTokens),
      cache_read_input_tokens: whole(cacheReadInputTokens),
      cache_creation_input_tokens: whole(cacheCreationInputTokens),
    },
  };
}

function whole(number: number | undefined): number {
  return Number.isFinite(number) ? Math.max(0, Math.trunc(number ?? 0)) : 0;
}

/** Longer texts belong in the run's output, not in every rewrite of the graph. */
const LONGEST_MESSAGE = 2000;

/** The text, cut if it is too long for a graph line. */
export function shortened(text: string): string {
  return text.length <= LONGEST_MESSAGE ? text : `${text.slice(0, LONGEST_MESSAGE - 1)}…`;
}

/** wg's respawn throttle counts log lines with these words; an agent's text must not trigger it. */
const THROTTLE_WORDS: readonly (readonly [RegExp, string])[] = [
  [/process exited/g, 'process ended'],
  [/PID reused/g, 'pid was reused'],
  [/Triage:/g, 'Triage -'],
];

/** One entry of a task's log. */
export function logLine(now: number, actor: string, message: string): LogEntry {
  const quiet = THROTTLE_WORDS.reduce((text, [words, other]) => text.replace(words, other), message);
  return { timestamp: graphTime(now), actor, message: shortened(quiet) };
}
