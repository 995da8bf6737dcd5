import { expect, test } from '@jest/globals';
import { eventOf, readEvents } from '../../src/page/events.ts';

test('frames', () => {
  expect(eventOf('id: 7\nevent: run.settled\ndata: {"task":"a"}')).toEqual({
    id: '7',
    name: 'run.settled',
    data: { task: 'a' },
  });
  expect([eventOf(': keep-alive'), eventOf('data: {torn'), eventOf('')]).toEqual([null, null, null]);
});

test('a stream cut anywhere, also within a character, gives the same events', async () => {
  const bytes = new TextEncoder().encode(
    ': hello\n\nid: 1\nevent: a\ndata: {"x":"ü€"}\n\nid: 2\nevent: b\ndata: {}\n\nid: 3\nda',
  );
  for (let size = 1; size < 12; size++) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const seen: string[] = [];
    let signs = 0;
    for await (const { id, name } of readEvents(new Response(body), () => signs++))
      seen.push(`${id} ${name}`);
    expect(seen).toEqual(['1 a', '2 b']);
    expect(signs).toBe(Math.ceil(bytes.length / size));
  }
});
