// The tasks around one task as boxes and lines, with a table beside it that says the same in words. Follows what runs if
// it is told to.

import { useEffect, useMemo } from 'preact/hooks';
import type { NeighbourReport, NeighboursReport, OverviewReport } from '../domain/overview.ts';
import { taskPath } from './api.ts';
import { useAnswer, useApp, useCell } from './app.ts';
import { layoutOf } from './layout.ts';
import { Card, Nothing, placesOf, Said, State, Trouble, Where } from './parts.tsx';
import { type Route, routeTo, taskRoute } from './route.ts';
import { shownState } from './tasks.tsx';
import { counted, plainText } from './words.ts';

const BOX = { width: 190, height: 46, gapX: 64, gapY: 18, margin: 14 } as const;
const STEPS = [1, 2, 3, 5] as const;

export function Graph() {
  const app = useApp();
  const route = useCell(app.route);
  const { task, params } = route;
  const worktree = params.in ?? '';
  const steps = Number(params.steps ?? '2') || 2;
  const path = taskPath(task, worktree, '/neighbours');
  const reach = `up=${steps}&down=${steps}&limit=80`;
  const { data, refusal } = useAnswer<NeighboursReport>(`${path}${path.includes('?') ? '&' : '?'}${reach}`);
  const overview = useAnswer<OverviewReport>('/api/overview').data;
  const places = useMemo(() => placesOf(overview?.worktrees ?? []), [overview]);
  useFollowing(route, overview);
  const turn = (changed: Readonly<Record<string, string>>) => {
    location.hash = routeTo('graph', task, { ...params, ...changed });
  };
  if (!data) return refusal ? <Trouble refusal={refusal} /> : <Nothing>Looking…</Nothing>;
  return (
    <div class="screen">
      <header class="head">
        <div class="what">
          <h1>
            Around{' '}
            <a class="id" href={taskRoute(data.task, data.worktree)}>
              <Said text={data.task} most={100} />
            </a>
          </h1>
          <p class="meta">
            <Where places={places} path={data.worktree} />
            <span>{counted(data.nodes.length, 'task')} shown</span>
            {data.critical_tasks > 1 ? <span>{data.critical_tasks} tasks on the longest way</span> : null}
          </p>
        </div>
        <div class="actions">
          <fieldset class="segments" aria-label="Steps">
            {STEPS.map((n) => (
              <button
                key={n}
                type="button"
                aria-pressed={n === steps}
                onClick={() => turn({ steps: String(n) })}
              >
                {n === 1 ? '1 step' : n}
              </button>
            ))}
          </fieldset>
          <button
            type="button"
            class="button"
            data-key="f"
            aria-keyshortcuts="f"
            aria-pressed={params.follow === '1'}
            onClick={() => turn({ follow: params.follow === '1' ? '' : '1' })}
          >
            Follow what runs
            <span class="key" aria-hidden="true">
              f
            </span>
          </button>
        </div>
      </header>
      <Trouble refusal={refusal} />
      <Picture data={data} />
      <Table data={data} />
    </div>
  );
}

/** While it follows, the task in the middle is one that runs in this worktree, whichever began last. */
function useFollowing(route: Route, overview: OverviewReport | null): void {
  const { task, params } = route;
  const running = (overview?.runs ?? [])
    .filter(({ worktree }) => worktree === params.in)
    .sort((a, b) => (b.started_at ?? '').localeCompare(a.started_at ?? ''));
  const isStillRunning = running.some((run) => run.task === task);
  const next = running[0]?.task ?? null;
  useEffect(() => {
    if (params.follow === '1' && !isStillRunning && next !== null && next !== task)
      location.replace(routeTo('graph', next, params));
  }, [params.follow, isStillRunning, next, task]);
}

function Picture({ data }: { readonly data: NeighboursReport }) {
  const layout = useMemo(
    () => layoutOf({ nodes: data.nodes.map(({ task }) => task), edges: data.edges }),
    [data],
  );
  const place = (task: string) => {
    const spot = layout.spots.get(task) ?? { column: 0, row: 0 };
    return {
      x: BOX.margin + spot.column * (BOX.width + BOX.gapX),
      y: BOX.margin + spot.row * (BOX.height + BOX.gapY),
    };
  };
  const width = layout.columns * (BOX.width + BOX.gapX) - BOX.gapX + 2 * BOX.margin;
  const lowest = Math.max(...data.nodes.map(({ task }) => place(task).y));
  const height = lowest + BOX.height + BOX.margin;
  return (
    <section class="card picture" aria-label="Graph">
      {/* biome-ignore lint/a11y/useSemanticElements: an svg is no fieldset */}
      <svg
        style={{ width: `${width}px`, minWidth: `${Math.round(width * 0.7)}px` }}
        viewBox={`0 0 ${width} ${height}`}
        role="group"
        aria-label={`Tasks around ${plainText(data.task, 100)}`}
      >
        <defs>
          <marker
            id="tip"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="10"
            markerHeight="10"
            orient="auto"
            markerUnits="userSpaceOnUse"
          >
            <path d="M0 1 7 4 0 7" />
          </marker>
        </defs>
        {data.edges.map(({ from, to, critical }) => {
          const [a, b] = [place(from), place(to)];
          const [x1, y1] = [a.x + BOX.width, a.y + BOX.height / 2];
          const [x2, y2] = [b.x - 2, b.y + BOX.height / 2];
          const bend = Math.max(24, (x2 - x1) / 2);
          return (
            <path
              key={`${from} ${to}`}
              class={`edge ${critical ? 'is-critical' : ''}`}
              d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}
              marker-end="url(#tip)"
            />
          );
        })}
        {data.nodes.map((node) => (
          <Box
            key={node.task}
            node={node}
            isMiddle={node.task === data.task}
            worktree={data.worktree}
            {...place(node.task)}
          />
        ))}
      </svg>
    </section>
  );
}

function Box(props: {
  readonly node: NeighbourReport;
  readonly isMiddle: boolean;
  readonly worktree: string;
  readonly x: number;
  readonly y: number;
}) {
  const { node, isMiddle, worktree, x, y } = props;
  const state = shownState(node);
  const more = node.hidden_up + node.hidden_down;
  const name = short(plainText(node.task, 80), 21);
  const note = short(plainText(node.title, 80), more > 0 ? 22 : 28);
  return (
    <a href={isMiddle ? taskRoute(node.task, worktree) : routeTo('graph', node.task, { in: worktree })}>
      <title>{`${plainText(node.task, 80)}, ${state}\n${plainText(node.title, 200)}\n${plainText(node.because, 300)}`}</title>
      <g
        class={`box is-${state} ${isMiddle ? 'is-middle' : ''} ${node.critical ? 'is-critical' : ''}`}
        transform={`translate(${x} ${y})`}
      >
        <rect width={BOX.width} height={BOX.height} rx="10" />
        <circle cx="15" cy="16" r="4.5" />
        <text x="27" y="20" class="name">
          {name}
        </text>
        <text x="15" y="37" class="note">
          {note}
        </text>
        {more > 0 ? (
          <text x={BOX.width - 10} y="37" class="note more">
            +{more}
          </text>
        ) : null}
      </g>
    </a>
  );
}

function short(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function Table({ data }: { readonly data: NeighboursReport }) {
  const rows = [...data.nodes].sort((a, b) => a.depth - b.depth);
  const word = (depth: number) => (depth === 0 ? 'this' : depth < 0 ? `${-depth} before` : `${depth} after`);
  return (
    <Card title="The same in words">
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Where</th>
              <th scope="col">Task</th>
              <th scope="col">State</th>
              <th scope="col">Because</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((node) => (
              <tr key={node.task} data-row>
                <td>{word(node.depth)}</td>
                <td>
                  <a class="id" href={taskRoute(node.task, data.worktree)} data-open>
                    <Said text={node.task} most={80} />
                  </a>
                </td>
                <td>
                  <State state={shownState(node)} />
                </td>
                <td>
                  <Said text={node.because} most={200} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
