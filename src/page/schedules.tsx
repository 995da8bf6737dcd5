// Schedules: the next day as a strip, and the results of the last instants as dots.

import type { OverviewReport, TimetableReport, TimetableRow } from '../domain/overview.ts';
import { useAnswer, useNow } from './app.ts';
import { Ago, Nothing, type Place, placesOf, Said, State, Trouble, Where } from './parts.tsx';
import { taskRoute } from './route.ts';
import { Axis, placeOf } from './waterfall.tsx';
import { clockText, counted, fullTime, plainText } from './words.ts';

export function Schedules() {
  const { data, refusal } = useAnswer<TimetableReport>('/api/schedules');
  const overview = useAnswer<OverviewReport>('/api/overview').data;
  if (!data) return refusal ? <Trouble refusal={refusal} /> : <Nothing>Looking…</Nothing>;
  const places = placesOf(overview?.worktrees ?? []);
  const scale: readonly [number, number] = [Date.parse(data.from), Date.parse(data.to)];
  return (
    <div class="screen">
      <header class="head">
        <h1>Schedules</h1>
        <span class="count" role="status">
          {counted(data.schedules.length, 'schedule')}; the next 24 hours in your own time
        </span>
      </header>
      {data.schedules.length === 0 ? <Nothing>No task has a schedule.</Nothing> : null}
      {data.schedules.length === 0 ? null : (
        <section class="card">
          <ul class="rows" aria-label="Schedules">
            {data.schedules.map((row) => (
              <Row key={`${row.worktree} ${row.task}`} row={row} places={places} scale={scale} />
            ))}
          </ul>
          <div class="timetable-axis">
            <Axis scale={scale} />
          </div>
        </section>
      )}
    </div>
  );
}

function Row(props: {
  readonly row: TimetableRow;
  readonly places: ReadonlyMap<string, Place>;
  readonly scale: readonly [number, number];
}) {
  const { row, places, scale } = props;
  const now = useNow();
  return (
    <li class="timetable" data-row>
      <div class="what">
        <p class="line">
          <a class="id" href={taskRoute(row.task, row.worktree)} data-open>
            <Said text={row.task} most={60} />
          </a>
          <State state={row.state} />
        </p>
        <p class="meta">
          <Where places={places} path={row.worktree} />
          <code>
            <Said text={row.schedule} most={60} />
          </code>
          <span>
            <Said text={row.zone} most={40} />
          </span>
        </p>
        <p class="meta">
          {row.next_at === null ? (
            <span>
              <Said text={row.because} most={160} />
            </span>
          ) : (
            <span title={fullTime(row.next_at)}>
              next {clockText(row.next_at, now)}, <Ago at={row.next_at} />
            </span>
          )}
          <Last row={row} />
        </p>
      </div>
      <div
        class="track strip"
        role="img"
        aria-label={`${counted(row.next.length, 'instant')} in the next 24 hours`}
      >
        {row.next.map((at) => {
          const when = Date.parse(at);
          return (
            <span
              key={at}
              class="tick"
              style={{ left: placeOf(when, when, scale).left }}
              title={fullTime(at)}
            />
          );
        })}
      </div>
    </li>
  );
}

function Last({ row }: { readonly row: TimetableRow }) {
  if (row.last.length === 0) return null;
  const words = row.last.map(({ result }) => result).join(', ');
  return (
    <span class="dots" role="img" aria-label={`The last ${row.last.length}: ${words}`}>
      {row.last.map(({ at, result, because }) => (
        <i
          key={at}
          class={`dot is-${result}`}
          title={`${result}, ${fullTime(at)}\n${plainText(because, 200)}`}
        />
      ))}
    </span>
  );
}
