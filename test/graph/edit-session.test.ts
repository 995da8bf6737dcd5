import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { gatherEdits } from '../../src/graph/edit-session.ts';
import { type ParsedGraph, parseGraph } from '../../src/graph/format.ts';
import { bytesOfLine } from '../../src/graph/lines.ts';

const OPTIONS = { revision: 'r', maxLineBytes: 1_000_000 };
const IDS = ['a', 'b', 'c', 'd', 'é', 'new-1', 'new-2', 'new-3'];

const line = fc.oneof(
  fc
    .tuple(fc.constantFrom(...IDS.slice(0, 5)), fc.constantFrom('open', 'done'), fc.boolean())
    .map(([id, status, cr]) => JSON.stringify({ kind: 'task', id, title: id, status }) + (cr ? '\r' : '')),
  fc.constantFrom('', '  ', '# comment', '{"kind":"resource","id":"r"}'),
);
const file = fc
  .tuple(fc.array(line, { maxLength: 8 }), fc.boolean())
  .map(([lines, ended]) => lines.join('\n') + (ended ? '\n' : ''));
const edit = fc.record({
  id: fc.constantFrom(...IDS, 'r'),
  add: fc.boolean(),
  model: fc.string({ maxLength: 5 }),
});

/** Everything that can be seen of a reading. */
function told({ snapshot, text, lines, tasks }: ParsedGraph) {
  return {
    ...snapshot,
    tasks: [...snapshot.tasks],
    size: snapshot.tasks.size,
    lineOf: [...IDS, 'r'].map((id) => tasks.lineOf(id)),
    lines: lines.all,
    starts: [...lines.starts],
    contents: lines.all.map((_, i) => bytesOfLine(text, lines, i).toString()),
  };
}

test('what edits leave is what reading their bytes from scratch gives, edit after edit', () => {
  fc.assert(
    fc.property(file, fc.array(fc.array(edit, { maxLength: 4 }), { maxLength: 4 }), (first, writes) => {
      let graph = parseGraph('/g', Buffer.from(first), OPTIONS);
      for (const edits of writes) {
        const before = told(graph);
        const gathering = gatherEdits(graph, 0, OPTIONS.maxLineBytes);
        for (const { id, add, model } of edits) {
          try {
            gathering.run((draft) => {
              if (add) draft.add({ id, title: id, model });
              else draft.patch(id, { model });
              expect(draft.snapshot.tasks.get(id)?.model).toBe(model);
              expect(draft.detail(id)?.fields.model).toBe(model);
            });
          } catch (thrown) {
            // It is there already, or is not there: nothing of such an edit stays.
            if (!(thrown instanceof Error) || thrown.name !== 'SupervisorError') throw thrown;
          }
        }
        const result = gathering.result('r');
        expect(told(graph)).toEqual(before);
        if (result === null) continue;
        const bytes = Buffer.from(result.text.slice(0, result.text.length));
        expect(told(result)).toEqual(told(parseGraph('/g', bytes, OPTIONS)));
        graph = result;
      }
    }),
    { numRuns: 500 },
  );
});
