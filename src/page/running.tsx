// What runs now: on the first screen.

import type { OverviewReport } from '../domain/overview.ts';
import type { ClaimedReport, RunReport } from '../domain/report.ts';
import { ActionButton, cancelAction } from './action.tsx';
import { useNow } from './app.ts';
import { Card, Meter, Nothing, type Place, Said, Where } from './parts.tsx';
import { routeTo, taskRoute } from './route.ts';
import { counted, spanText } from './words.ts';

type Places = ReadonlyMap<string, Place>;

/** The runs of this supervisor, then what others have claimed. */
export function Running({
  overview,
  places,
}: {
  readonly overview: OverviewReport;
  readonly places: Places;
}) {
  const { limits, runs, claimed = [] } = overview;
  const used = counted(limits.running, 'place');
  return (
    <Card
      title="Running"
      more={
        <a class="count" href={routeTo('capacity')}>
          {limits.running} of {limits.max_concurrent}
        </a>
      }
    >
      <Meter
        value={limits.running}
        most={limits.max_concurrent}
        label={`${used} of ${limits.max_concurrent} used`}
      />
      {runs.length + claimed.length === 0 ? <Nothing>Nothing runs.</Nothing> : null}
      <ul class="rows">
        {runs.slice(0, 14).map((run) => (
          <RunningRow key={run.run} run={run} places={places} />
        ))}
        {claimed.slice(0, 14).map((one) => (
          <ClaimedRow key={`${one.worktree} ${one.task}`} claimed={one} places={places} />
        ))}
      </ul>
      {claimed.length > 14 ? (
        <a href={routeTo('tasks', '', { q: 'state:running' })}>{claimed.length} are claimed by others</a>
      ) : null}
      {runs.length > 14 ? <a href={routeTo('runs')}>all {runs.length}</a> : null}
    </Card>
  );
}

function RunningRow({ run, places }: { readonly run: RunReport; readonly places: Places }) {
  const now = useNow();
  const since = run.started_at === null ? null : now - Date.parse(run.started_at);
  return (
    <li class="run" data-row>
      <p class="line">
        <span class={`pulse ${run.phase === 'handed-off' ? 'is-elsewhere' : ''}`} aria-hidden="true" />
        <a class="id" href={taskRoute(run.task, run.worktree)} data-open>
          <Said text={run.task} most={60} />
        </a>
        <span class="end">{since === null ? run.phase : spanText(since)}</span>
      </p>
      <p class="meta">
        <Where places={places} path={run.worktree} />
        <span>
          <Said text={run.executor} most={40} />
          {run.phase === 'handed-off' ? ', elsewhere' : ''}
        </span>
        {run.attempt > 1 ? <span>attempt {run.attempt}</span> : null}
      </p>
      {run.progress === null ? null : (
        <p class="progress">
          <Said text={run.progress} most={120} />
        </p>
      )}
      <span class="hidden-until">
        <ActionButton action={cancelAction(run.task, run.worktree)} />
      </span>
    </li>
  );
}

/** Work of an agent or person outside of this supervisor: there is no run to cancel. */
function ClaimedRow({ claimed, places }: { readonly claimed: ClaimedReport; readonly places: Places }) {
  const now = useNow();
  const { task, worktree, agent, since } = claimed;
  const long = since === null ? Number.NaN : now - Date.parse(since);
  return (
    <li class="run" data-row>
      <p class="line">
        <span class="pulse is-elsewhere" aria-hidden="true" />
        <a class="id" href={taskRoute(task, worktree)} data-open>
          <Said text={task} most={60} />
        </a>
        <span class="end">{long >= 0 ? spanText(long) : 'claimed'}</span>
      </p>
      <p class="meta">
        <Where places={places} path={worktree} />
        <span>
          claimed by <Said text={agent ?? 'an unnamed agent'} most={40} />
        </span>
      </p>
    </li>
  );
}
