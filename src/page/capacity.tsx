// Where work waits for room: the machine, its executors and accounts, its repositories; what is paused, and why.

import { amountText } from '../domain/budget.ts';
import { bytesText } from '../domain/machine.ts';
import type { OverviewReport, PauseReport, PressureReport, ProfilePressure } from '../domain/overview.ts';
import type { BudgetReport, WorkerReport } from '../domain/report.ts';
import { ActionButton, pauseAction } from './action.tsx';
import { useAnswer } from './app.ts';
import { Ago, Card, Meter, Nothing, Said, State, Trouble } from './parts.tsx';
import { routeTo } from './route.ts';
import { counted, countText, moneyText, pathTail } from './words.ts';

export function Capacity() {
  const { data, refusal } = useAnswer<PressureReport>('/api/pressure');
  const overview = useAnswer<OverviewReport>('/api/overview').data;
  if (!data) return refusal ? <Trouble refusal={refusal} /> : <Nothing>Looking…</Nothing>;
  return (
    <div class="screen">
      <header class="head">
        <h1>Capacity</h1>
        <div class="actions">
          <ActionButton action={pauseAction(null, data.paused !== null)} />
        </div>
      </header>
      <Card
        title="This machine"
        more={
          <a class="count" href={routeTo('tasks', '', { q: 'state:queued' })}>
            {data.queued} queued
          </a>
        }
      >
        <Meter
          value={data.running}
          most={data.max_concurrent}
          label={`${data.running} of ${data.max_concurrent} slots used`}
        />
        <p class="meta">
          <a href={routeTo('tasks', '', { q: 'state:running' })}>
            {data.running} of {counted(data.max_concurrent, 'slot')} used
          </a>
        </p>
        <Pause pause={data.paused} />
        <Machine machine={data.machine} />
      </Card>
      <div class="columns">
        {data.profiles.map((profile) => (
          <Profile key={`${profile.name} ${profile.origin}`} profile={profile} />
        ))}
      </div>
      <Budgets budgets={overview?.budgets ?? []} />
      <Workers workers={overview?.workers ?? []} />
      <div class="columns">
        <Card title="Why tasks wait">
          {data.reasons.length === 0 ? <Nothing>No task waits.</Nothing> : null}
          <ul class="rows">
            {data.reasons.map(({ state, code, because, tasks }) => (
              <li key={`${state} ${code} ${because}`} data-row>
                <p class="line">
                  <State state={state} />
                  <a href={routeTo('tasks', '', { q: `code:${code}` })} data-open>
                    {counted(tasks, 'task')}
                  </a>
                  <span class="end">{code}</span>
                </p>
                <p class="meta">
                  <Said text={because} most={240} />
                </p>
              </li>
            ))}
          </ul>
        </Card>
        <Card title="Repositories">
          <ul class="rows">
            {data.repos.map(({ repo, running, queued, max_concurrent: most, paused }) => (
              <li key={repo} data-row>
                <p class="line">
                  <a class="id" href={routeTo('tasks', '', { q: `in:${repo}` })} data-open>
                    <Said text={repo} most={60} />
                  </a>
                  <span class="end">
                    <ActionButton action={pauseAction(repo, paused !== null)} />
                  </span>
                </p>
                <p class="meta">
                  <span>
                    {running}
                    {most === null ? '' : ` of ${most}`} running
                  </span>
                  <span>{queued} queued</span>
                </p>
                <Pause pause={paused} />
              </li>
            ))}
          </ul>
        </Card>
      </div>
    </div>
  );
}

function Pause({ pause }: { readonly pause: PauseReport | null }) {
  if (pause === null) return null;
  return (
    <p class="pause">
      <State state="paused" /> <Said text={pause.because} most={300} />
      {pause.until === null ? null : (
        <>
          {' '}
          until <Ago at={pause.until} />
        </>
      )}
    </p>
  );
}

/** Figures of the last look, which is taken while something is to start. */
function Machine({ machine }: { readonly machine: PressureReport['machine'] }) {
  if (machine === undefined) return null;
  const { memory, load, short } = machine;
  return (
    <>
      <p class="meta">
        {memory === null ? null : (
          <span>
            {bytesText(memory.available_bytes)} of {bytesText(memory.total_bytes)} memory available
          </span>
        )}
        {load === null ? null : (
          <span>
            load {load.average.toFixed(1)} on {counted(load.cores, 'core')}
          </span>
        )}
      </p>
      {short.map(({ kind, because }) => (
        <p key={because} class="pause">
          <span class="state is-failed">{kind}</span> <Said text={because} most={300} />
        </p>
      ))}
    </>
  );
}

function Profile({ profile }: { readonly profile: ProfilePressure }) {
  const {
    name,
    type,
    origin,
    max_concurrent: most,
    running,
    elsewhere,
    queued,
    account,
    paused,
    day,
    footprint,
  } = profile;
  const used = running + elsewhere;
  return (
    <Card
      title={name}
      more={
        <span class="count">
          {type}
          {account === null ? '' : ` · ${account}`}
        </span>
      }
    >
      {most === null ? null : <Meter value={used} most={most} label={`${used} of ${most} used`} />}
      <dl class="figures small">
        <Figure
          word="running"
          n={most === null ? String(running) : `${running} of ${most}`}
          query={`by:${name} state:running`}
        />
        {elsewhere > 0 ? (
          <Figure word="elsewhere" n={String(elsewhere)} query={`by:${name} state:running`} />
        ) : null}
        <Figure word="queued" n={String(queued)} query={`by:${name} state:queued`} />
        <Figure word="runs, 24 h" n={countText(day.runs)} query={`by:${name}`} />
        {day.failed > 0 ? (
          <Figure word="failed" n={countText(day.failed)} query={`by:${name} state:failed`} />
        ) : null}
        {day.cost_usd > 0 ? <Figure word="spent" n={moneyText(day.cost_usd)} query={`by:${name}`} /> : null}
        {footprint ? <Figure word="memory, p90" n={bytesText(footprint.bytes)} query={`by:${name}`} /> : null}
        {day.tokens > 0 ? <Figure word="tokens" n={countText(day.tokens)} query={`by:${name}`} /> : null}
      </dl>
      <Pause pause={paused} />
      <p class="foot">
        <span class="count" title={origin}>
          {origin === 'built-in' ? origin : pathTail(origin)}
        </span>
        <ActionButton action={pauseAction(name, paused !== null)} />
      </p>
    </Card>
  );
}

function Figure({ word, n, query }: { readonly word: string; readonly n: string; readonly query: string }) {
  return (
    <div>
      <dt>{word}</dt>
      <dd>
        <a href={routeTo('tasks', '', { q: query })}>{n}</a>
      </dd>
    </div>
  );
}

function Budgets({ budgets }: { readonly budgets: readonly BudgetReport[] }) {
  if (budgets.length === 0) return null;
  return (
    <Card title="Budgets">
      <ul class="rows">
        {budgets.map((budget) => (
          <li key={`${budget.name} ${budget.task}`} data-row>
            <Budget budget={budget} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** What is spent, and what those that run are expected to add. */
function Budget({ budget }: { readonly budget: BudgetReport }) {
  const { name, unit, cap, per, spent, running, left, state, next_at: nextAt } = budget;
  const share = (amount: number) => `${Math.min(100, cap > 0 ? (100 * amount) / cap : 100)}%`;
  const tone = state === 'ok' ? 'running' : state === 'warn' ? 'held' : 'failed';
  const said = `${amountText(spent, unit)} spent and ${amountText(running, unit)} expected of ${amountText(cap, unit)}`;
  return (
    <>
      <p class="line">
        <b>
          <Said text={name} most={60} />
        </b>
        <span class={`state is-${tone}`}>{state}</span>
        <span class="end">
          {amountText(left, unit)} left of {amountText(cap, unit)} a {per}
        </span>
      </p>
      <span class="progress-bar" role="img" aria-label={said} title={said}>
        <i class={`is-${tone}`} style={{ width: share(spent) }} />
        <i class={`is-${tone} is-expected`} style={{ width: share(running) }} />
      </span>
      {nextAt === null ? null : (
        <p class="meta">
          anew <Ago at={nextAt} />
        </p>
      )}
    </>
  );
}

function Workers({ workers }: { readonly workers: readonly WorkerReport[] }) {
  if (workers.length === 0) return null;
  return (
    <Card title="Workers" more={<span class="count">{workers.length} connected</span>}>
      <ul class="rows">
        {workers.map(({ name, profiles, resting }) => (
          <li key={name} data-row>
            <p class="line">
              <b>
                <Said text={name} most={60} />
              </b>
              <span class="end">
                <Said text={profiles.join(', ')} most={120} />
              </span>
            </p>
            {resting.map(({ executor, because }) => (
              <p key={executor} class="meta">
                <Said text={`${executor}: ${because}`} most={240} />
              </p>
            ))}
          </li>
        ))}
      </ul>
    </Card>
  );
}
