// What if, and when: how long the past takes to replay, how true the replay is, and how often forecasts hold.

import { courseOf } from '../src/forecast/course.ts';
import { replayOf, reproduction } from '../src/forecast/replay.ts';
import { backtest } from '../test/forecast/backtest.ts';
import { lived } from '../test/forecast/weeks.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';

const LEAST_RUNS = 20_000;
const ROUNDS = 3;

export const forecast: Benchmark = {
  name: 'forecast',
  about: `${LEAST_RUNS} recorded runs replayed, whose floor is reading the record from JSON; and forecasts from points of 30 weeks, whose floor is a forecast that knows durations and no graph`,
  async run() {
    return [...replaying(), ...forecasting()];
  },
};

function replaying(): Figure[] {
  const { before, course, record, until } = lived({ seed: 1, graphs: 50, tasks: 450, places: 16, days: 28 });
  if (course.runs.length < LEAST_RUNS) throw new Error(`only ${course.runs.length} runs`);
  const text = JSON.stringify(record);
  const [took, read]: [number[], number[]] = [[], []];
  let share = 0;
  for (let n = 0; n < ROUNDS; n++) {
    const [replayed, ms] = timed(() => {
      const replay = replayOf(before, record);
      return reproduction(replay, courseOf(replay.world, replay.script, replay.events, until));
    });
    took.push(ms);
    read.push(timed(() => JSON.parse(text))[1]);
    share = replayed.same / replayed.runs;
  }
  const seconds = (samples: readonly number[]) => quantile(samples, 0.5) / 1000;
  return [
    {
      name: `replay of ${course.runs.length} runs`,
      value: seconds(took),
      unit: 'CPU s',
      floor: seconds(read),
      aim: '<= 10 s',
    },
    { name: 'starts repeated within 1 s', value: 100 * share, unit: '%', aim: '>= 99 %' },
  ];
}

function forecasting(): Figure[] {
  const [{ told, inside, loss, referenceLoss }, ms] = timed(() =>
    backtest({ weeks: 30, points: 6, draws: 200 }),
  );
  return [
    {
      name: `ends within the 80 % range, of ${told}`,
      value: (100 * inside) / told,
      unit: '%',
      aim: '75-85 %',
    },
    { name: 'mean pinball loss', value: loss / 60_000, unit: 'min', floor: referenceLoss / 60_000 },
    { name: 'forecast of 120 tasks, 200 futures', value: ms / 180 / 1000, unit: 'CPU s' },
  ];
}

/** Processor time, ms: what else the machine does is not the replay's. */
function timed<T>(act: () => T): [T, number] {
  const begun = process.cpuUsage();
  const result = act();
  const { user, system } = process.cpuUsage(begun);
  return [result, (user + system) / 1000];
}
