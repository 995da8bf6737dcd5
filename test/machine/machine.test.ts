// Every order in which a run may come to its end: agents end, report, are cancelled and released, the graph is rewound or
// locked, the supervisor is killed. MACHINE_WALKS=500 makes it the long form, MACHINE_SEED=N walks a reported seed again.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Stage, TASKS, type TaskName } from './stage.ts';

const WALKS = Number(process.env.MACHINE_WALKS ?? 8);
const SEED = process.env.MACHINE_SEED;

/** What decides whether a step may be taken. */
interface Model {
  alive: boolean;
  locked: boolean;
}
type Step = fc.AsyncCommand<Model, Stage>;

function step(
  name: string,
  run: (stage: Stage) => unknown,
  when: (model: Model) => boolean = () => true,
): Step {
  return {
    check: when,
    async run(model, stage) {
      await run(stage);
      model.alive = stage.isAlive;
      model.locked = stage.isLocked;
      if (stage.faults.length > 0) throw new Error(stage.faults.join('\n'));
    },
    toString: () => name,
  };
}

const alive = ({ alive }: Model) => alive;
const task = fc.constantFrom<TaskName>(...TASKS);
const STEPS: fc.Arbitrary<Step>[] = [
  fc
    .tuple(task, fc.boolean())
    .map(([id, good]) => step(`end(${id}, ${good})`, (stage) => stage.end(id, good))),
  fc
    .tuple(
      task,
      fc.constantFrom<'operator' | 'worker'>('operator', 'worker'),
      fc.constantFrom<'complete' | 'fail'>('complete', 'complete', 'fail'),
    )
    .map(([id, who, what]) => step(`${who}.${what}(${id})`, (stage) => stage.report(id, who, what), alive)),
  task.map((id) =>
    step(
      `wgDone(${id})`,
      (stage) => stage.wgDone(id),
      ({ locked }) => !locked,
    ),
  ),
  task.map((id) => step(`cancel(${id})`, (stage) => stage.cancel(id), alive)),
  task.map((id) => step(`retry(${id})`, (stage) => stage.retry(id), alive)),
  fc.constant(step('claim', (stage) => stage.claim(), alive)),
  fc.constant(step('release', (stage) => stage.release(), alive)),
  fc.constant(step('kill', (stage) => stage.kill(), alive)),
  fc.constant(
    step(
      'start',
      (stage) => stage.start(),
      (model) => !model.alive,
    ),
  ),
  fc.constant(
    step(
      'lock',
      (stage) => stage.lock(),
      ({ locked }) => !locked,
    ),
  ),
  fc.constant(
    step(
      'unlock',
      (stage) => stage.unlock(),
      ({ locked }) => locked,
    ),
  ),
  fc.constant(step('save', (stage) => stage.save())),
  fc
    .constantFrom<'saved' | 'first'>('saved', 'first')
    .map((how) => step(`rewind(${how})`, (stage) => stage.rewind(how))),
  fc.constantFrom(100, 1500, 6000).map((ms) => step(`pass(${ms})`, (stage) => stage.pass(ms))),
  fc.constant(step('look', (stage) => stage.look())),
  fc.constant(step('look', (stage) => stage.look())),
];

test(
  `${WALKS} walks: nothing twice, nothing lost, nothing stranded, no 5xx, no illegal move`,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(STEPS, { maxCommands: 40, size: 'max' }), async (steps) => {
        const stage = await Stage.open();
        try {
          await fc.asyncModelRun(() => ({ model: { alive: true, locked: false }, real: stage }), steps);
          const faults = await stage.finish();
          if (faults.length > 0) throw new Error(faults.join('\n'));
        } catch (thrown) {
          throw new Error(
            `${thrown instanceof Error ? thrown.stack : String(thrown)}\n${stage.story.join('\n')}`,
          );
        } finally {
          await stage.close();
        }
      }),
      { numRuns: WALKS, endOnFailure: true, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
    );
    expect(WALKS).toBeGreaterThan(0);
  },
  60_000 + WALKS * 20_000,
);
