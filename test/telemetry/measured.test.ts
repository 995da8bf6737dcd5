import { expect, test } from '@jest/globals';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { measuredFrom } from '../../src/telemetry/measured.ts';

test('histograms are one value for each set of labels, with the count of each bucket alone', async () => {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: 'c_total', help: 'C', labelNames: ['a'], registers }).inc({ a: 'x' }, 3);
  new Gauge({ name: 'g', help: 'G', registers }).set(1.5);
  const histogram = new Histogram({ name: 'h', help: 'H', labelNames: ['a'], buckets: [1, 5], registers });
  for (const value of [0.5, 1, 3, 9, 10]) histogram.observe({ a: 'x' }, value);
  histogram.observe({ a: 'y' }, 2);
  expect(measuredFrom(await registry.getMetricsAsJSON())).toEqual([
    { name: 'c_total', help: 'C', kind: 'counter', samples: [{ labels: { a: 'x' }, value: 3 }] },
    { name: 'g', help: 'G', kind: 'gauge', samples: [{ labels: {}, value: 1.5 }] },
    {
      name: 'h',
      help: 'H',
      kind: 'histogram',
      samples: [
        {
          labels: { a: 'x' },
          value: { buckets: { boundaries: [1, 5], counts: [2, 1, 2] }, sum: 23.5, count: 5 },
        },
        {
          labels: { a: 'y' },
          value: { buckets: { boundaries: [1, 5], counts: [0, 1, 0] }, sum: 2, count: 1 },
        },
      ],
    },
  ]);
});
