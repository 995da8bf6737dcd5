// What a run prints, read in windows from its end: it follows while the run does, and goes back as far as one likes.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { OutputReport } from '../domain/overview.ts';
import type { RunReport } from '../domain/report.ts';
import { Refusal } from './api.ts';
import { useApp, useCell } from './app.ts';
import { after } from './browser.ts';
import { Nothing } from './parts.tsx';
import { plainText, sizeText } from './words.ts';

const FOLLOW_MS = 1000;
/** More than this is not kept in the document, characters: the oldest is dropped. */
const MOST_TEXT = 2_000_000;

interface Seen {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  readonly size: number;
  readonly over: boolean;
}

export function Log({ run }: { readonly run: RunReport }) {
  const { seen, see, trouble, read } = useOutput(run, '');
  const [isFollowing, follow] = useState(true);
  const [search, setSearch] = useState('');
  const box = useRef<HTMLPreElement>(null);

  useEffect(() => {
    if (isFollowing && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [seen, isFollowing]);

  const earlier = async () => {
    if (!seen) return;
    const report = await read({ before: seen.from });
    follow(false);
    see({ ...seen, text: report.text + seen.text, from: report.from });
  };

  if (!seen) return <Nothing>{trouble === '' ? 'Looking…' : plainText(trouble)}</Nothing>;
  const wanted = search.trim().toLowerCase();
  const lines = seen.text.split('\n');
  const text =
    wanted === '' ? seen.text : lines.filter((line) => line.toLowerCase().includes(wanted)).join('\n');
  return (
    <div class="log">
      <div class="log-bar">
        <input
          type="search"
          aria-label="Search the log"
          placeholder="Search"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
        {seen.from > 0 ? (
          <button type="button" class="button quiet" onClick={() => void earlier()}>
            Earlier ({sizeText(seen.from)})
          </button>
        ) : null}
        <label>
          <input
            type="checkbox"
            checked={isFollowing}
            onChange={(event) => follow(event.currentTarget.checked)}
          />
          follow
        </label>
        <span class="count">
          {sizeText(seen.size)}
          {seen.over ? '' : ', writing'}
        </span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <pre ref={box} tabIndex={0} role="log" aria-label="Output">
        {text === ''
          ? wanted === ''
            ? seen.over
              ? '(it printed nothing, or nothing is kept any more)'
              : '(nothing printed yet)'
            : '(no line is like that)'
          : plainText(text, MOST_TEXT)}
      </pre>
    </div>
  );
}

/** What a hook of the run printed; nothing where it printed nothing. */
export function HookLog({
  run,
  hook,
}: {
  readonly run: RunReport;
  readonly hook: 'before_run' | 'after_run';
}) {
  const { seen } = useOutput(run, hook);
  if (!seen || seen.text === '') return null;
  return (
    <details class="log hook-log">
      <summary>
        {hook} <span class="count">{sizeText(seen.size)}</span>
      </summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <pre tabIndex={0} role="log" aria-label={`Output of ${hook}`}>
        {plainText(seen.text, MOST_TEXT)}
      </pre>
    </details>
  );
}

/** The output of a run, or of a hook of it, as far as it was read; it follows while there is a connection. */
function useOutput(run: RunReport, hook: string) {
  const app = useApp();
  const { kind } = useCell(app.live.link);
  const [seen, see] = useState<Seen | null>(null);
  const [trouble, setTrouble] = useState('');
  const read = (place: { readonly from?: number; readonly before?: number }) => {
    const query = new URLSearchParams(hook === '' ? {} : { of: hook });
    for (const [name, at] of Object.entries(place)) query.set(name, String(at));
    return app.api.get<OutputReport>(`/api/runs/${encodeURIComponent(run.run)}/output?${query}`);
  };

  useEffect(() => {
    see(null);
    setTrouble('');
  }, [run.run]);

  useEffect(() => {
    if (kind !== 'live') return;
    const isFinished = run.finished_at !== null;
    return followOutput({
      read: (from) => read(from === null ? {} : { from }),
      isFinished,
      see,
      tell: setTrouble,
    });
  }, [run.run, hook, kind, run.finished_at]);

  return { seen, see, trouble, read };
}

interface Following {
  read(from: number | null): Promise<OutputReport>;
  readonly isFinished: boolean;
  see(seen: Seen): void;
  /** Why it cannot be read; empty: it can. */
  tell(trouble: string): void;
}

/** Reads on until the output is complete and all of it was read; the result ends that. */
function followOutput({ read, isFinished, see, tell }: Following): () => void {
  let isGone = false;
  let cancel = () => {};
  let known: Seen | null = null;
  const again = (ms: number) => {
    cancel = after(ms, () => void ask());
  };
  const take = (report: OutputReport) => {
    // A file that shrank was started again.
    known = known === null || report.size < known.to ? seenOf(report) : grown(known, report);
    tell('');
    see(known);
    const isBehind = known.to < known.size;
    if (!known.over || isBehind) again(isBehind ? 50 : FOLLOW_MS);
  };
  const ask = async () => {
    try {
      const report = await read(known?.to ?? null);
      if (!isGone) take(report);
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      if (isGone) return;
      tell(thrown.message);
      if (thrown.status !== 401 && !isFinished) again(3 * FOLLOW_MS);
    }
  };
  void ask();
  return () => {
    isGone = true;
    cancel();
  };
}

const seenOf = ({ text, from, to, size, over }: OutputReport): Seen => ({ text, from, to, size, over });

function grown(known: Seen, report: OutputReport): Seen {
  const text = known.text + report.text;
  return {
    text: text.length > MOST_TEXT ? text.slice(-MOST_TEXT) : text,
    from: known.from,
    to: report.to,
    size: report.size,
    over: report.over,
  };
}
