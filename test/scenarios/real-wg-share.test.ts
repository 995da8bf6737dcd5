// How much of a graph that a real wg made goes through to done by us alone: one task of each kind that its commands can
// make, and what happens to it. `WG_BIN=/path/to/wg npm run test:wg`.

import { afterEach, beforeEach, expect } from '@jest/globals';
import { eventually } from '../support/actors.ts';
import {
  AUGUST,
  besideRealWg,
  forAges,
  linesOf,
  type WgProject,
  type Wish,
  wgProject,
} from '../support/real-wg.ts';

/** A profile for the system that wg's own settings ask for. */
const CONFIG = `[limits]
safety_pass = "1s"
[executors.pi]
type = "command"
command = ["sh", "-c", "echo $WG_TASK_ID >>ran"]
`;

/** A kind of task, and how it ends: done, or the code of why it is not started. */
interface Kind {
  readonly id: string;
  readonly wish?: Wish;
  /** What is done to the draft. */
  make?(wg: WgProject['wg']): Promise<unknown>;
  /** What is done once it is released. */
  released?(wg: WgProject['wg']): Promise<unknown>;
  readonly ends: string;
}

const ran = (id: string, wish: Wish = {}): Wish => ({ exec: `echo ${id} >>ran`, ...wish });

const KINDS: readonly Kind[] = [
  { id: 'plain', wish: ran('plain'), ends: 'done' },
  { id: 'after', wish: ran('after', { after: ['plain'] }), ends: 'done' },
  { id: 'urgent', wish: ran('urgent', { flags: ['--priority', 'critical'] }), ends: 'done' },
  { id: 'limited', wish: ran('limited', { flags: ['--timeout', '5m'] }), ends: 'done' },
  {
    id: 'described',
    wish: ran('described', { flags: ['-d', 'what to do', '--skill', 'rust'] }),
    ends: 'done',
  },
  { id: 'delayed', wish: ran('delayed', { flags: ['--delay', '1s'] }), ends: 'done' },
  { id: 'for-a-model', wish: { flags: ['--model', 'pi:openai:gpt-5'] }, ends: 'done' },
  { id: 'for-any-model', ends: 'done' },
  { id: 'for-codex', wish: { flags: ['--model', 'codex:gpt-5.5'] }, ends: 'no-route' },
  {
    id: 'report',
    wish: ran('report'),
    make: (wg) => wg('contract', 'report', 'report'),
    ends: 'done',
  },
  { id: 'reader', wish: ran('reader', { after: ['report'] }), ends: 'dependency-contract' },
  {
    id: 'given-back',
    wish: ran('given-back'),
    released: async (wg) => {
      await wg('claim', 'given-back', '--actor', 'alice');
      await wg('unclaim', 'given-back');
    },
    ends: 'done',
  },
  {
    id: 'tried-again',
    wish: ran('tried-again'),
    released: async (wg) => {
      await wg('fail', 'tried-again', '--reason', 'not today');
      await wg('retry', 'tried-again');
    },
    ends: 'done',
  },
  {
    id: 'gone',
    wish: ran('gone'),
    released: (wg) => wg('abandon', 'gone', '--reason', 'no use'),
    ends: 'abandoned',
  },
  { id: 'after-gone', wish: ran('after-gone', { after: ['gone'] }), ends: 'dependency-abandoned' },
  {
    id: 'messaged',
    wish: ran('messaged'),
    released: (wg) => wg('msg', 'send', 'messaged', 'hello'),
    ends: 'done',
  },
  {
    id: 'theirs',
    wish: ran('theirs'),
    released: (wg) => wg('claim', 'theirs', '--actor', 'bob'),
    ends: 'status-in-progress',
  },
];

/** A kind of task that must not be done by any tool. */
const NOT_TO_BE_DONE: ReadonlySet<string> = new Set([
  'abandoned',
  'status-in-progress',
  'dependency-abandoned',
]);

besideRealWg('the share of its tasks that goes through', () => {
  let project: WgProject;
  beforeEach(async () => {
    project = await wgProject(CONFIG);
  });
  afterEach(() => project.remove());

  forAges(
    [AUGUST],
    'older ones end every task by `wg done`',
    'all but those that wg itself would hold',
    async () => {
      for (const { id, wish, make } of KINDS) {
        await project.draft(id, wish);
        await make?.(project.wg);
      }
      for (const { id, released } of KINDS) {
        await project.release(id);
        await released?.(project.wg);
      }
      const { control } = await project.ours();
      const endOf = async ({ id, ends }: Kind): Promise<string> => {
        const { status } = await project.show(id);
        if (status !== 'open' && status !== 'in-progress') return status;
        const { code } = await control.why({ task: id });
        return ends === 'done' ? status : code;
      };
      for (const kind of KINDS) await eventually(async () => (await endOf(kind)) === kind.ends);
      const startable = KINDS.filter(({ ends }) => !NOT_TO_BE_DONE.has(ends));
      const done = startable.filter(({ ends }) => ends === 'done').map(({ id }) => id);
      expect(linesOf(project).sort()).toEqual([...done].sort());
      process.stderr.write(`${done.length} of ${startable.length} kinds of startable tasks were done here\n`);
    },
  );
});
