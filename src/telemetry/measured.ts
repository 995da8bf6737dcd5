// What prom-client keeps, as other protocols want it: a histogram is one value for each set of labels, not a row for each
// of its buckets. Pure.

/** A histogram as OTLP has it. */
export interface Buckets {
  /** Upper bounds; one count more than bounds. */
  readonly buckets: { readonly boundaries: number[]; readonly counts: number[] };
  readonly sum: number;
  readonly count: number;
}

export interface Point<T> {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: T;
}

interface Named {
  readonly name: string;
  readonly help: string;
}

export type MeasuredMetric = Named &
  (
    | { readonly kind: 'counter' | 'gauge'; readonly samples: readonly Point<number>[] }
    | { readonly kind: 'histogram'; readonly samples: readonly Point<Buckets>[] }
  );

/** A metric as prom-client gives it. */
export interface RegisteredMetric extends Named {
  readonly type: unknown;
  readonly values: readonly {
    readonly value: number;
    readonly labels: Readonly<Record<string, string | number | undefined>>;
    readonly metricName?: string;
  }[];
}

/** Every metric of these. Other types than ours are left out. */
export function measuredFrom(metrics: readonly RegisteredMetric[]): readonly MeasuredMetric[] {
  return metrics.flatMap(({ name, help, type, values }): MeasuredMetric[] => {
    if (type === 'counter' || type === 'gauge')
      return [
        {
          ...{ name, help, kind: type },
          samples: values.map(({ labels, value }) => ({ labels: textOf(labels), value })),
        },
      ];
    return type === 'histogram' ? [{ name, help, kind: type, samples: histograms(name, values) }] : [];
  });
}

function histograms(name: string, rows: RegisteredMetric['values']): Point<Buckets>[] {
  const byLabels = new Map<
    string,
    { labels: Record<string, string>; rows: (readonly [string, number, string])[] }
  >();
  for (const { labels: all, value, metricName = '' } of rows) {
    const { le = '', ...labels } = textOf(all);
    const key = JSON.stringify(labels);
    const known = byLabels.get(key) ?? { labels, rows: [] };
    known.rows.push([metricName.slice(name.length), value, le]);
    byLabels.set(key, known);
  }
  return [...byLabels.values()].map(({ labels, rows: own }) => ({ labels, value: bucketsOf(own) }));
}

/** Prometheus counts in each bucket what is in those before, too. */
function bucketsOf(rows: readonly (readonly [string, number, string])[]): Buckets {
  const boundaries: number[] = [];
  const counts: number[] = [];
  let before = 0;
  for (const [part, value, le] of rows) {
    if (part !== '_bucket') continue;
    if (le !== '+Inf') boundaries.push(Number(le));
    counts.push(value - before);
    before = value;
  }
  const of = (part: string) => rows.find(([name]) => name === part)?.[1] ?? 0;
  return { buckets: { boundaries, counts }, sum: of('_sum'), count: of('_count') };
}

const textOf = (labels: Readonly<Record<string, string | number | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value ?? '')]));
