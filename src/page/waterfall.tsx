// Time as bars: the life of a task, one line for each attempt, where waiting is a bar as well; and the runs of a day.

import type { HistoryReport, HistorySpan } from '../domain/overview.ts';
import { useNow } from './app.ts';
import { fullTime, plainText, spanText } from './words.ts';

interface Bar {
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly tone: string;
  readonly label: string;
  readonly title: string;
  readonly isOpen: boolean;
}

/** A bar's place on a scale, as percentages. */
export function placeOf(
  from: number,
  to: number,
  scale: readonly [number, number],
): { left: string; width: string } {
  const whole = Math.max(1, scale[1] - scale[0]);
  const start = Math.min(1, Math.max(0, (from - scale[0]) / whole));
  const end = Math.min(1, Math.max(0, (to - scale[0]) / whole));
  return { left: `${start * 100}%`, width: `${Math.max(0.4, (end - start) * 100)}%` };
}

/** The life of a task. Picking an attempt shows its output. */
export function History(props: {
  readonly history: HistoryReport;
  readonly chosen: string | null;
  readonly onPick: (run: string) => void;
}) {
  const now = useNow();
  const { history, chosen, onPick } = props;
  const scale: readonly [number, number] = [
    Date.parse(history.from),
    history.to === null ? now : Math.max(Date.parse(history.to), Date.parse(history.from) + 1000),
  ];
  const lines = linesOf(history.spans);
  return (
    <div class="waterfall">
      {lines.map((spans) => {
        const run = spans.find((span) => span.run !== undefined);
        const bars = spans.map((span) => barOf(span, now));
        const isChosen = run?.run !== undefined && run.run === chosen;
        return (
          <div key={spans[0]?.from} class={`lane ${isChosen ? 'is-chosen' : ''}`}>
            {run?.run ? (
              <button
                type="button"
                class="quiet lane-name"
                aria-pressed={isChosen}
                onClick={() => onPick(run.run ?? '')}
              >
                attempt {run.attempt}
              </button>
            ) : (
              <span class="lane-name">now</span>
            )}
            <div class="track">
              {bars.map((bar) => (
                <span
                  key={bar.key}
                  class={`bar ${bar.tone} ${bar.isOpen ? 'is-open' : ''}`}
                  style={placeOf(bar.from, bar.to, scale)}
                  title={bar.title}
                >
                  <span>{bar.label}</span>
                </span>
              ))}
            </div>
            <ul class="reasons">
              {spans.map((span) => (
                <li key={span.from}>
                  <i class={`dot ${toneOf(span)}`} aria-hidden="true" />
                  <span>{plainText(wordsOf(span), 200)}</span>
                  <b>{spanText((span.to === null ? now : Date.parse(span.to)) - Date.parse(span.from))}</b>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
      <Axis scale={scale} />
    </div>
  );
}

/** Waiting leads up to a run: each run and what came before it is one line. */
function linesOf(spans: readonly HistorySpan[]): HistorySpan[][] {
  const lines: HistorySpan[][] = [];
  let line: HistorySpan[] = [];
  for (const span of spans) {
    // What had finished at once explains nothing.
    if (span.kind === 'waits' && span.to !== null && Date.parse(span.to) - Date.parse(span.from) < 1000)
      continue;
    line.push(span);
    if (span.run === undefined) continue;
    lines.push(line);
    line = [];
  }
  if (line.length > 0) lines.push(line);
  return lines.slice(-12);
}

function wordsOf(span: HistorySpan): string {
  if (span.kind === 'waits') return span.because;
  const where = span.kind === 'elsewhere' ? 'elsewhere' : 'ran';
  return `${span.to === null && span.kind === 'runs' ? 'runs' : where} by ${span.executor ?? ''}: ${span.code}`;
}

function toneOf(span: HistorySpan): string {
  if (span.kind === 'waits') return span.code === 'dependency' ? 'is-waiting' : 'is-held';
  if (span.to === null) return 'is-running';
  return `is-${span.code}`;
}

function barOf(span: HistorySpan, now: number): Bar {
  const from = Date.parse(span.from);
  const to = span.to === null ? now : Date.parse(span.to);
  const what = wordsOf(span);
  return {
    key: `${span.kind} ${span.from}`,
    from,
    to,
    tone: `${toneOf(span)} ${span.kind === 'waits' ? 'is-gap' : ''}`,
    label: spanText(to - from),
    title: `${plainText(what, 300)}\n${fullTime(from)}\n${spanText(to - from)}`,
    isOpen: span.to === null,
  };
}

const STEPS = [1, 5, 10, 30, 60, 120, 240, 720, 1440, 2880, 10_080, 43_200].map(
  (minutes) => minutes * 60_000,
);

/** Instants below the bars, about six of them. */
export function Axis({ scale }: { readonly scale: readonly [number, number] }) {
  const whole = scale[1] - scale[0];
  const step = STEPS.find((one) => whole / one <= 6) ?? STEPS.at(-1) ?? whole;
  // In this browser's zone, a step of hours begins at midnight.
  const shift = new Date(scale[0]).getTimezoneOffset() * 60_000;
  const first = Math.ceil((scale[0] - shift) / step) * step + shift;
  const marks: number[] = [];
  // A mark at the very end has no room for its text.
  const last = scale[1] - whole / 20;
  for (let at = first; at <= last && marks.length < 12; at += step) marks.push(at);
  const isFirst = (at: number, n: number) =>
    n === 0 || new Date(at).getDate() !== new Date(marks[n - 1] ?? at).getDate();
  return (
    <div class="axis" aria-hidden="true">
      {marks.map((at, n) => (
        <span key={at} style={{ left: placeOf(at, at, scale).left }}>
          {step >= DAY_MS ? dayText(at) : isFirst(at, n) && n > 0 ? dayText(at) : timeText(at)}
        </span>
      ))}
    </div>
  );
}

const DAY_MS = 86_400_000;

const timeText = (at: number) =>
  new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
const dayText = (at: number) => new Date(at).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
