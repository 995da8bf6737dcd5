// The small things that every screen is made of.

import type { ComponentChildren } from 'preact';
import type { WorktreeReport } from '../domain/report.ts';
import type { Refusal } from './api.ts';
import { useNow } from './app.ts';
import { agoText, fullTime, pathTail, plainText } from './words.ts';

/** Text that came from a graph or an agent. */
export function Said({ text, most }: { readonly text: string; readonly most?: number }) {
  return <bdi>{plainText(text, most)}</bdi>;
}

/** How long ago, kept current. */
export function Ago({ at }: { readonly at: string | null }) {
  const now = useNow();
  if (at === null) return null;
  return (
    <time dateTime={at} title={fullTime(at)}>
      {agoText(at, now)}
    </time>
  );
}

/** A state in words, with its colour. */
export function State({ state }: { readonly state: string }) {
  return <span class={`state is-${state}`}>{state}</span>;
}

/** A titled box. `more`: a link or number beside the title. */
export function Card({
  title,
  more,
  class: extra = '',
  children,
}: {
  readonly title: string;
  readonly more?: ComponentChildren;
  readonly class?: string;
  readonly children: ComponentChildren;
}) {
  return (
    <section class={`card ${extra}`} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {more}
      </header>
      {children}
    </section>
  );
}

/** Nothing is there, and that it is so is said. */
export function Nothing({ children }: { readonly children: ComponentChildren }) {
  return <p class="nothing">{children}</p>;
}

/** What came instead of an answer. */
export function Trouble({ refusal }: { readonly refusal: Refusal | null }) {
  if (!refusal) return null;
  return (
    <p class="trouble" role="alert">
      {plainText(refusal.message)} {plainText(refusal.hint)}
    </p>
  );
}

/** Which repository and branch a path is. */
export interface Place {
  readonly repo: string;
  readonly branch: string;
  readonly path: string;
}

/** Places by path. */
export function placesOf(worktrees: readonly WorktreeReport[]): ReadonlyMap<string, Place> {
  return new Map(
    worktrees.map(({ path, repo, branch }) => [path, { repo, branch: branch ?? pathTail(path), path }]),
  );
}

/** Repository and branch of a worktree; the end of its path where it is not known. */
export function Where({
  places,
  path,
}: {
  readonly places: ReadonlyMap<string, Place>;
  readonly path: string;
}) {
  const place = places.get(path);
  return (
    <span class="where" title={path}>
      {place ? (
        <>
          <Said text={place.repo} most={40} />
          <i aria-hidden="true">/</i>
          <Said text={place.branch} most={60} />
        </>
      ) : (
        <Said text={pathTail(path)} most={80} />
      )}
    </span>
  );
}

/** A share of a whole, as a bar. */
export function Meter({
  value,
  most,
  label,
  state = 'running',
}: {
  readonly value: number;
  readonly most: number;
  readonly label: string;
  readonly state?: string;
}) {
  const share = most > 0 ? Math.min(1, value / most) : 0;
  return (
    <span class={`meter is-${state}`} role="img" aria-label={label} title={label}>
      <span style={{ width: `${share * 100}%` }} />
    </span>
  );
}

const GLYPHS: Readonly<Record<string, string>> = {
  home: 'M3 10.5 12 3l9 7.5M5.5 9v11h13V9',
  worktrees: 'M6 4v10a4 4 0 0 0 4 4h8M6 8h8a4 4 0 0 1 4 4M18 15l3 3-3 3',
  tasks: 'M9 6h12M9 12h12M9 18h12M3.5 6l1 1 2-2.5M3.5 12l1 1 2-2.5M3.5 18l1 1 2-2.5',
  graph: 'M6 6h.01M18 6h.01M12 18h.01M7.5 7.5 11 16M16.5 7.5 13 16M8 6h8',
  runs: 'M3 6h9M8 12h10M5 18h7M18 18h3',
  capacity: 'M4 20V12M10 20V5M16 20v-9M21 20H3',
  schedules: 'M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18',
  check: 'M5 12.5 10 17 19 7',
  question: 'M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.01',
  failed: 'M7 7l10 10M17 7 7 17',
  parked: 'M9 6v12M15 6v12',
  configuration: 'M12 8v5M12 16.5v.01M12 3 2.5 20h19Z',
  untrusted: 'M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6Z',
  stale: 'M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18',
  rewound: 'M4 9h10a5 5 0 0 1 0 10h-3M8 5 4 9l4 4',
  budget: 'M12 4v16M16 7.5C15 6.5 13.5 6 12 6c-2 0-4 1-4 3s2 2.600 4 3 4 1 4 3-2 3-4 3c-1.500 0-3-.5-4-1.500',
  worktree: 'M6 4v10a4 4 0 0 0 4 4h8M6 8h8a4 4 0 0 1 4 4',
  menu: 'M5 7h14M5 12h14M5 17h14',
};

/** A small drawing; what it means is said beside it. */
export function Glyph({ name }: { readonly name: string }) {
  return (
    <svg class="glyph" viewBox="0 0 24 24" aria-hidden="true">
      <path d={GLYPHS[name] ?? GLYPHS.menu} />
    </svg>
  );
}
