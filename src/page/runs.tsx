// The runs of a day as bars, by worktree or by executor; a gap says what kept everything waiting then. The list below says
// the same.

import { useMemo, useState } from 'preact/hooks';
import type { OverviewReport } from '../domain/overview.ts';
import type { RunReport } from '../domain/report.ts';
import { useAnswer, useApp, useCell, useNow } from './app.ts';
import { Ago, Nothing, type Place, placesOf, Said, State, Trouble, Where } from './parts.tsx';
import { routeTo, taskRoute } from './route.ts';
import { Axis, placeOf } from './waterfall.tsx';
import { counted, fullTime, moneyText, plainText, spanText } from './words.ts';

const HOUR = 3_600_000;
/** Nothing shorter is worth a look. */
const LEAST_MS = 1000;
const SPANS = [1, 6, 24] as const;
const MOST = 1500;
const MOST_LANES = 40;
const MOST_ROWS = 300;

export function Runs() {
  const app = useApp();
  const { params } = useCell(app.route);
  const now = useNow();
  const { data, refusal } = useAnswer<{ runs: readonly RunReport[] }>(`/api/runs?limit=${MOST}`);
  const overview = useAnswer<OverviewReport>('/api/overview').data;
  const places = useMemo(() => placesOf(overview?.worktrees ?? []), [overview]);
  const hours = Number(params.hours ?? '24') || 24;
  const by = params.by === 'executor' ? 'executor' : 'worktree';
  const only = params.only ?? '';
  const part = partIn(params);
  const scale: readonly [number, number] = part ?? [now - hours * HOUR, now];
  const runs = (data?.runs ?? []).filter(
    (run) =>
      endOf(run, now) >= scale[0] &&
      (startOf(run) ?? Number.POSITIVE_INFINITY) <= scale[1] &&
      (only === '' || stateOf(run) === only),
  );
  const turn = (changed: Readonly<Record<string, string>>) => {
    location.hash = routeTo('runs', '', { ...params, ...changed });
  };
  return (
    <div class="screen">
      <header class="head">
        <h1>Runs</h1>
        <span class="count" role="status">
          {counted(runs.length, 'run')} in {part ? spanText(part[1] - part[0]) : counted(hours, 'hour')}
        </span>
        <div class="actions">
          <fieldset class="segments" aria-label="Only">
            {['', 'succeeded', 'failed', 'running'].map((state) => (
              <button
                key={state}
                type="button"
                aria-pressed={state === only}
                onClick={() => turn({ only: state })}
              >
                {state === '' ? 'all' : state}
              </button>
            ))}
          </fieldset>
          <fieldset class="segments" aria-label="By">
            {(['worktree', 'executor'] as const).map((one) => (
              <button key={one} type="button" aria-pressed={one === by} onClick={() => turn({ by: one })}>
                by {one}
              </button>
            ))}
          </fieldset>
          <fieldset class="segments" aria-label="Span">
            {SPANS.map((one) => (
              <button
                key={one}
                type="button"
                aria-pressed={part === null && one === hours}
                onClick={() => turn({ hours: String(one), from: '', to: '' })}
              >
                {one} h
              </button>
            ))}
          </fieldset>
        </div>
      </header>
      <Trouble refusal={refusal} />
      {data && runs.length === 0 ? <Nothing>Nothing ran then.</Nothing> : null}
      {runs.length > 0 || part ? (
        <Lanes
          runs={runs}
          by={by}
          scale={scale}
          places={places}
          onZoom={([from, to]) => turn({ from: String(Math.round(from)), to: String(Math.round(to)) })}
        />
      ) : null}
      <List runs={runs} places={places} />
    </div>
  );
}

/** A part of the time that was chosen; null for the last hours. */
function partIn({ from, to }: Readonly<Record<string, string>>): readonly [number, number] | null {
  const [start, end] = [Number(from), Number(to)];
  return from && to && end - start >= LEAST_MS ? [start, end] : null;
}

const startOf = ({ started_at }: RunReport) => (started_at === null ? null : Date.parse(started_at));
const endOf = ({ finished_at }: RunReport, now: number) =>
  finished_at === null ? now : Date.parse(finished_at);
const stateOf = (run: RunReport) => run.outcome?.kind ?? (run.finished_at === null ? 'running' : run.phase);

function Lanes(props: {
  readonly runs: readonly RunReport[];
  readonly by: 'worktree' | 'executor';
  readonly scale: readonly [number, number];
  readonly places: ReadonlyMap<string, Place>;
  readonly onZoom: (part: readonly [number, number]) => void;
}) {
  const { runs, by, scale, places, onZoom } = props;
  const now = useNow();
  const lanes = useMemo(() => {
    const found = new Map<string, RunReport[]>();
    for (const run of runs) {
      const list = found.get(run[by]);
      if (list) list.push(run);
      else found.set(run[by], [run]);
    }
    return [...found].sort((a, b) => b[1].length - a[1].length);
  }, [runs, by]);
  return (
    <section class="card waterfall" aria-label={`Runs by ${by}`}>
      {lanes.slice(0, MOST_LANES).map(([name, list]) => (
        <div key={name} class="lane">
          <span class="lane-name">
            {by === 'worktree' ? <Where places={places} path={name} /> : <Said text={name} most={40} />}
          </span>
          <div class="track stacked" style={{ height: `${heightOf(list, now) * 12 + 4}px` }}>
            {stacked(list, now).map(({ run, level }) => (
              // biome-ignore lint/a11y/useAnchorContent: its label says what it is
              <a
                key={run.run}
                class={`bar is-${stateOf(run)} ${run.finished_at === null ? 'is-open' : ''}`}
                href={taskRoute(run.task, run.worktree)}
                style={{
                  ...placeOf(startOf(run) ?? now, endOf(run, now), scale),
                  top: `${2 + level * 12}px`,
                }}
                aria-label={`${plainText(run.task, 80)} ${stateOf(run)}`}
                title={`${plainText(run.task, 100)}: ${stateOf(run)}\n${fullTime(run.started_at)}\n${spanText(endOf(run, now) - (startOf(run) ?? now))}`}
              />
            ))}
          </div>
        </div>
      ))}
      {lanes.length > MOST_LANES ? <p class="count">and {lanes.length - MOST_LANES} more</p> : null}
      <Brush scale={scale} onPick={onZoom} />
      <Gaps runs={runs} scale={scale} />
      <Axis scale={scale} />
    </section>
  );
}

/** A strip of the whole time: dragging over a part of it chooses that. */
function Brush(props: {
  readonly scale: readonly [number, number];
  readonly onPick: (part: readonly [number, number]) => void;
}) {
  const { scale, onPick } = props;
  const [drag, setDrag] = useState<readonly [number, number] | null>(null);
  const instant = (strip: Element, clientX: number) => {
    const { left, width } = strip.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (clientX - left) / Math.max(1, width)));
    return scale[0] + share * (scale[1] - scale[0]);
  };
  const ordered = (): readonly [number, number] | null =>
    drag && (drag[0] < drag[1] ? drag : [drag[1], drag[0]]);
  const end = () => {
    const part = ordered();
    setDrag(null);
    if (part && part[1] - part[0] >= LEAST_MS) onPick(part);
  };
  const part = ordered();
  return (
    <div class="lane">
      <span class="lane-name">zoom</span>
      <div
        class="track brush"
        title="drag over a part of the time"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          const at = instant(event.currentTarget, event.clientX);
          setDrag([at, at]);
        }}
        onPointerMove={(event) => drag && setDrag([drag[0], instant(event.currentTarget, event.clientX)])}
        onPointerUp={end}
        onPointerCancel={() => setDrag(null)}
      >
        {part ? <i class="bar is-running" style={placeOf(part[0], part[1], scale)} /> : null}
      </div>
    </div>
  );
}

/** Runs at the same time stand below each other. */
function stacked(
  runs: readonly RunReport[],
  now: number,
): { readonly run: RunReport; readonly level: number }[] {
  const ends: number[] = [];
  return [...runs]
    .sort((a, b) => (startOf(a) ?? 0) - (startOf(b) ?? 0))
    .map((run) => {
      const start = startOf(run) ?? now;
      const free = ends.findIndex((end) => end <= start);
      const level = free < 0 ? Math.min(ends.length, 7) : free;
      ends[level] = Math.max(ends[level] ?? 0, endOf(run, now));
      return { run, level };
    });
}

const heightOf = (runs: readonly RunReport[], now: number) =>
  Math.max(1, ...stacked(runs, now).map(({ level }) => level + 1));

/** When nothing ran at all for long, and where to look for why. */
function Gaps({
  runs,
  scale,
}: {
  readonly runs: readonly RunReport[];
  readonly scale: readonly [number, number];
}) {
  const now = useNow();
  const gaps = useMemo(() => {
    const spans = runs
      .map((run): [number, number] => [startOf(run) ?? now, endOf(run, now)])
      .sort((a, b) => a[0] - b[0]);
    const found: [number, number][] = [];
    let end = scale[0];
    for (const [from, to] of spans) {
      if (from - end > (scale[1] - scale[0]) / 24) found.push([end, from]);
      end = Math.max(end, to);
    }
    if (scale[1] - end > (scale[1] - scale[0]) / 24) found.push([end, scale[1]]);
    return found;
  }, [runs, Math.floor(scale[0] / 60_000)]);
  if (gaps.length === 0) return null;
  return (
    <div class="lane">
      <span class="lane-name">idle</span>
      <div class="track">
        {gaps.map(([from, to]) => (
          <a
            key={from}
            class="bar is-gap is-waiting"
            href={to >= scale[1] - 60_000 ? routeTo('capacity') : routeTo('runs', '', { hours: '24' })}
            style={placeOf(from, to, scale)}
            title={`nothing ran for ${spanText(to - from)}\n${fullTime(from)}`}
          >
            <span>{spanText(to - from)}</span>
          </a>
        ))}
      </div>
    </div>
  );
}

function List({
  runs,
  places,
}: {
  readonly runs: readonly RunReport[];
  readonly places: ReadonlyMap<string, Place>;
}) {
  const now = useNow();
  if (runs.length === 0) return null;
  return (
    <section class="card">
      <ul class="rows" aria-label="Runs">
        {runs.slice(0, MOST_ROWS).map((run) => (
          <li key={run.run} class="run" data-row>
            <p class="line">
              <a class="id" href={taskRoute(run.task, run.worktree)} data-open>
                <Said text={run.task} most={70} />
              </a>
              <State state={stateOf(run)} />
              <span class="end">
                {run.usage?.cost_usd ? `${moneyText(run.usage.cost_usd)} · ` : ''}
                {spanText(endOf(run, now) - (startOf(run) ?? now))} · <Ago at={run.started_at} />
              </span>
            </p>
            <p class="meta">
              <Where places={places} path={run.worktree} />
              <span>
                <Said text={run.executor} most={40} />
              </span>
              {run.attempt > 1 ? <span>attempt {run.attempt}</span> : null}
              {run.outcome?.kind === 'failed' ? (
                <span>
                  <Said text={run.outcome.message} most={160} />
                </span>
              ) : null}
            </p>
          </li>
        ))}
      </ul>
      {runs.length > MOST_ROWS ? <p class="count">and {runs.length - MOST_ROWS} more</p> : null}
    </section>
  );
}
