// How tasks end beside a real wg: verify commands, validation, evaluations and candidates, as each age has them, seen from
// both sides. `WG_BIN=/path/to/wg npm run test:wg`.

import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import {
  AUGUST,
  besideRealWg,
  eachInProject,
  forAges,
  forEveryAge,
  linesOf,
  MARCH,
  MAY,
  REAL,
  type WgProject,
} from '../support/real-wg.ts';

besideRealWg('how tasks end', () => {
  let project: WgProject;
  eachInProject((made) => {
    project = made;
  });

  /** Gives a task keys that this age has no flag for, or lines that its daemon would write. */
  async function rewrite(id: string, keys: object, more: readonly object[] = []): Promise<void> {
    const file = join(project.graph(), 'graph.jsonl');
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    const tasks = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const all = [...tasks.map((task) => (task.id === id ? { ...task, ...keys } : task)), ...more];
    await writeFile(`${file}.next`, all.map((task) => `${JSON.stringify(task)}\n`).join(''));
    await rename(`${file}.next`, file);
  }
  const doneByWg = async (id: string) =>
    (await readFile(join(project.graph(), 'log', 'operations.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { op: string; task_id: string; detail?: object })
      .filter(({ op, task_id }) => op === 'done' && task_id === id).length;
  const readyIds = async () =>
    (JSON.parse(await project.wg('--json', 'ready')) as { id: string }[]).map(({ id }) => id);
  const statusInList = async (id: string) =>
    (JSON.parse(await project.wg('--json', 'list')) as { id: string; status: string }[]).find(
      (task) => task.id === id,
    )?.status;

  forAges(
    [MARCH],
    'later ones have no --verify',
    'what is to be verified is words for a reviewer: its wg ends the task without running them',
    async () => {
      await project.add('checked', {
        exec: 'echo ran >>ran',
        flags: ['--verify', 'echo verified >>ran; false'],
      });
      await project.draft('next', { exec: 'echo next >>ran', after: ['checked'] });
      await project.ours();
      expect(await project.reaches('checked', 'done')).toMatchObject({
        verify: 'echo verified >>ran; false',
      });
      await project.release('next');
      await project.reaches('next', 'done');
      expect(linesOf(project)).toEqual(['ran', 'next']);
      expect(await doneByWg('checked')).toBe(1);
    },
  );

  forAges(
    [MAY, AUGUST],
    'March runs no verify command',
    'a verify command that does not pass fails the task with its output; passed, it is done',
    async () => {
      // Neither has a flag for it; graphs that an older one made carry the key.
      await project.draft('checked', { exec: 'echo ran >>ran' });
      await rewrite('checked', { verify: 'test -e proof || { echo no proof yet; exit 3; }' });
      await project.release('checked');
      await project.ours();
      expect(await project.reaches('checked', 'failed')).toMatchObject({
        failure_reason: expect.stringMatching(/no proof yet|exit code 3/),
      });
      await project.weSay('checked', 'finished');
      await writeFile(join(project.playground.repo, 'proof'), '');
      await project.wg('retry', 'checked');
      await project.reaches('checked', 'done');
      expect(await statusInList('checked')).toBe('done');
      expect(linesOf(project)).toEqual(['ran', 'ran']);
    },
  );

  forAges(
    [MAY],
    'March has no validation; the newest validates candidates only',
    'validation: external ends by its word and ours, integrated wants a log entry first',
    async () => {
      await project.draft('outside', { exec: 'true' });
      await rewrite('outside', { validation: 'external' });
      await project.draft('silent', { exec: 'true' });
      await rewrite('silent', { validation: 'integrated' });
      await project.draft('told', { exec: 'wg log told "Validated: looked at it"' });
      await rewrite('told', { validation: 'integrated', validation_commands: ['echo validated >>ran'] });
      for (const id of ['outside', 'silent', 'told']) await project.release(id);
      await project.ours();
      await project.reaches('outside', 'done');
      expect(await doneByWg('outside')).toBe(1);
      expect(await project.reaches('silent', 'failed')).toMatchObject({
        failure_reason: expect.stringContaining('requires a validation log entry'),
      });
      await project.reaches('told', 'done');
      expect(linesOf(project)).toEqual(['validated']);
    },
  );

  forAges(
    [MAY],
    'March has no validation; the newest validates candidates only',
    'validation that a person keeps is left to that person, on both sides',
    async () => {
      await project.draft('kept', { exec: 'true', tags: ['human-review'] });
      await rewrite('kept', { validation: 'external' });
      await project.add('next', { exec: 'echo next >>ran', after: ['kept'] });
      await project.release('kept');
      await project.ours();
      await project.reaches('kept', 'pending-validation');
      await project.weSay('next', 'waiting');
      expect(linesOf(project)).toEqual([]);
      await project.wg('approve', 'kept');
      await project.reaches('next', 'done');
    },
  );

  const EVALUATED = '[agency]\nauto_assign = false\nauto_evaluate = true\nflip_enabled = false\n';
  async function switchOnEvaluations(): Promise<void> {
    const file = join(project.graph(), 'config.toml');
    const rest = (await readFile(file, 'utf8')).replace(/^\[agency\][^[]*/m, '');
    await writeFile(file, EVALUATED + rest);
  }

  forEveryAge(
    'evaluations switched on, none made: only its daemon makes them, so the task is done',
    async () => {
      await switchOnEvaluations();
      await project.add('judged', { exec: 'echo judged >>ran' });
      await project.add('next', { exec: 'echo next >>ran', after: ['judged'] });
      await project.ours();
      await project.reaches('next', 'done');
      expect(await statusInList('judged')).toBe('done');
      expect(await project.wg('list')).not.toContain('.evaluate-');
      expect(linesOf(project)).toEqual(['judged', 'next']);
    },
  );

  forAges(
    [MAY],
    'March cannot read a task that waits for its evaluation; the newest retires such evaluations as it writes',
    'an evaluation that its daemon left is waited for; when it has finished the task is done',
    async () => {
      await switchOnEvaluations();
      await project.draft('judged', { exec: 'echo judged >>ran' });
      await project.add('next', { exec: 'echo next >>ran', after: ['judged'] });
      const created_at = '2026-02-01T00:00:00+00:00';
      const evaluation = {
        kind: 'task',
        id: '.evaluate-judged',
        title: 'Evaluate',
        status: 'open',
        created_at,
      };
      await rewrite('judged', {}, [{ ...evaluation, paused: true, after: ['judged'] }]);
      await project.release('judged');
      await project.ours();
      await project.reaches('judged', 'pending-eval');
      await project.weSay('next', 'waiting');
      expect(await doneByWg('judged')).toBe(1);
      expect(linesOf(project)).toEqual(['judged']);
      await project.wg('abandon', '.evaluate-judged', '--reason', 'no one judges');
      await project.reaches('next', 'done');
      expect(await statusInList('judged')).toBe('done');
    },
  );

  forAges(
    [AUGUST],
    'older ones wait for them',
    'an evaluation that an older daemon left is retired by its next write, and holds up no one',
    async () => {
      await project.draft('judged', { exec: 'echo judged >>ran' });
      const created_at = '2026-02-01T00:00:00+00:00';
      const evaluation = {
        kind: 'task',
        id: '.evaluate-judged',
        title: 'Evaluate',
        status: 'open',
        created_at,
      };
      await rewrite('judged', {}, [{ ...evaluation, paused: true, after: ['judged'] }]);
      await project.release('judged');
      expect((await project.show('.evaluate-judged')).status).toBe('abandoned');
      await project.ours();
      await project.reaches('judged', 'done');
    },
  );

  forAges(
    [AUGUST],
    'older ones end tasks by `wg done` alone',
    'its own `wg done` and `wg submit` end nothing from outside; what we end, it accepts',
    async () => {
      expect(REAL?.can).toMatchObject({ candidates: true, lifecycle: true });
      await project.add('plain', { exec: 'echo plain >>ran; wg done plain || echo refused >>ran' });
      await project.add('next', { exec: 'exec sleep 300', after: ['plain'] });
      const { event } = await project.ours();
      const plain = await project.reaches('plain', 'done');
      expect(linesOf(project)).toEqual(['plain', 'refused']);
      expect(plain).toHaveProperty('completed_at');
      await event('run.started', 'next');
      expect(await statusInList('plain')).toBe('done');
      expect(await project.show('next')).toMatchObject({ status: 'in-progress' });
      await project.draft('later', { after: ['plain'], exec: 'true', tags: ['executor:nobody'] });
      await project.release('later');
      expect(await readyIds()).toContain('later');
      const submitted = await project.tryWg('submit', 'later', '--manifest', 'none', '--summary', 'made it');
      expect(submitted.status).not.toBe(0);
    },
  );

  forAges(
    [AUGUST],
    'older ones have no completion contracts',
    'a report does not let ordinary tasks continue, a delivery only those that take it as input; both sides say so',
    async () => {
      await project.draft('report', { exec: 'echo report >>ran' });
      await project.wg('contract', 'report', 'report');
      await project.draft('delivery', { exec: 'echo delivery >>ran' });
      // No command makes deliveries any more; graphs of June carry them.
      await rewrite('delivery', { completion_contract: 'deliver' });
      await project.draft('input', { exec: 'echo input >>ran', after: ['delivery'] });
      await rewrite('input', { input_dependencies: [{ task_id: 'delivery', kind: 'contribution' }] });
      for (const [id, after] of [
        ['reader', 'report'],
        ['plain', 'delivery'],
      ] as const)
        await project.draft(id, { exec: `echo ${id} >>ran`, after: [after] });
      for (const id of ['report', 'delivery', 'input', 'reader', 'plain']) await project.release(id);
      await project.ours();
      expect(await project.reaches('report', 'done')).toMatchObject({ completion_contract: 'report' });
      await project.reaches('input', 'done');
      for (const id of ['reader', 'plain'])
        expect(await project.weSay(id, 'dependency-contract')).toMatch(/here only what is landed counts/);
      expect(await readyIds()).toEqual([]);
      expect(linesOf(project).sort()).toEqual(['delivery', 'input', 'report']);
    },
  );

  /** An agent that hands in a real candidate, which no one can review here, and ends with `status`. */
  const submitting = (id: string, status: number) =>
    [
      'echo made it >summary',
      'echo found it >report',
      'wg completion-object report >output.json',
      'wg completion-object report --evidence-kind test >evidence.json',
      `wg completion-manifest ${id} --summary summary --output-ref output.json --evidence-ref evidence.json >manifest.json`,
      `wg submit ${id} --manifest manifest.json --summary summary >submitted 2>&1 || true`,
      `echo ${id} >>ran`,
      `exit ${status}`,
    ].join('\n');

  forAges(
    [AUGUST],
    'older ones have no candidates',
    'a candidate that an agent of the supervisor submits is kept, and its task is ended here',
    async () => {
      await project.draft('made', { exec: submitting('made', 0) });
      await project.wg('contract', 'made', 'report');
      await project.release('made');
      await project.ours();
      const made = await project.reaches('made', 'done');
      expect(await readFile(join(project.playground.repo, 'submitted'), 'utf8')).toContain(
        'review unavailable',
      );
      expect(made).toHaveProperty('completed_at');
      const line = (await readFile(join(project.graph(), 'graph.jsonl'), 'utf8'))
        .split('\n')
        .find((text) => text.includes('"id":"made"'));
      expect(JSON.parse(line ?? '{}')).toMatchObject({
        completion_candidate: { manifest: expect.anything() },
        completion_disposition: 'reported',
      });
      expect(await statusInList('made')).toBe('done');
      expect(linesOf(project)).toEqual(['made']);
    },
  );

  forAges(
    [AUGUST],
    'older ones have no candidates',
    'a candidate of an attempt that failed does not keep the next one from starting',
    async () => {
      await project.draft('made', { exec: submitting('made', 3) });
      await project.wg('contract', 'made', 'report');
      await project.release('made');
      const { control } = await project.ours();
      await project.reaches('made', 'failed');
      await control.retry({ task: 'made' });
      await project.reaches('made', 'failed');
      expect(linesOf(project)).toEqual(['made', 'made']);
    },
  );

  forAges(
    [AUGUST],
    'older ones write no lifecycle',
    'a task in which its own worker is at work is held before it is started, with the sentence that frees it',
    async () => {
      await project.draft('theirs', { exec: 'echo theirs >>ran' });
      await project.release('theirs');
      await project.wg('claim', 'theirs', '--actor', 'its-worker');
      // As after a crash of its daemon: opened by hand, and the attempt is still written down.
      await rewrite('theirs', { status: 'open', assigned: null });
      await project.ours();
      expect(await project.weSay('theirs', 'needs-wg')).toMatch(
        /it carries lifecycle.* this wg lets only its own workers end such a task/,
      );
      expect(linesOf(project)).toEqual([]);
      expect((await project.show('theirs')).status).toBe('open');
    },
  );

  forAges(
    [AUGUST],
    'older ones write no lifecycle',
    'claimed and released by a person, the lifecycle that is left ends with us, and it continues from it',
    async () => {
      await project.draft('back', { exec: 'echo back >>ran' });
      await project.release('back');
      await project.wg('claim', 'back', '--actor', 'alice');
      await project.wg('unclaim', 'back');
      await project.ours();
      expect(await project.reaches('back', 'done')).toHaveProperty('lifecycle');
      expect(await statusInList('back')).toBe('done');
      expect(linesOf(project)).toEqual(['back']);
    },
  );
});
