// A long list of which only what is seen is in the document.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** This many rows above and below what is visible. */
const MARGIN = 12;

/** Rows of one height, in px, drawn when they come into sight. */
export function Windowed<T>(props: {
  readonly rows: readonly T[];
  readonly height: number;
  readonly keyOf: (row: T) => string;
  readonly draw: (row: T) => ComponentChildren;
  readonly label: string;
}) {
  const { rows, height } = props;
  const box = useRef<HTMLDivElement>(null);
  const [seen, see] = useState<readonly [number, number]>([0, 60]);
  useEffect(() => {
    const scroller = box.current?.closest('main');
    if (!scroller) return;
    const look = () => {
      const above = scroller.getBoundingClientRect().top - (box.current?.getBoundingClientRect().top ?? 0);
      const first = Math.max(0, Math.floor(above / height) - MARGIN);
      const last = Math.ceil((above + scroller.clientHeight) / height) + MARGIN;
      see((known) => (known[0] === first && known[1] === last ? known : [first, Math.max(last, first)]));
    };
    look();
    scroller.addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      scroller.removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [height, rows.length]);
  const [first, last] = seen;
  return (
    <div ref={box} class="windowed" style={{ height: `${rows.length * height}px` }}>
      <ul class="rows" aria-label={props.label} style={{ transform: `translateY(${first * height}px)` }}>
        {rows.slice(first, last).map((row) => (
          <li key={props.keyOf(row)} data-row style={{ height: `${height}px` }}>
            {props.draw(row)}
          </li>
        ))}
      </ul>
    </div>
  );
}
