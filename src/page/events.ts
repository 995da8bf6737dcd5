// Reads server-sent events from an answer: an EventSource could not send the key.

/** One event. */
export interface ServerEvent {
  /** '' when it has none. */
  readonly id: string;
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Events of a body in order; `alive` is called with every piece that arrives, comments included. */
export async function* readEvents(response: Response, alive: () => void): AsyncGenerator<ServerEvent> {
  const reader = response.body?.getReader();
  if (!reader) return;
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    rest += decoder.decode(value, { stream: true });
    const frames = rest.split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) {
      const event = eventOf(frame);
      if (event) yield event;
    }
  }
}

/** The event of a frame; null for a comment or what is no JSON. */
export function eventOf(frame: string): ServerEvent | null {
  let [id, name, data] = ['', 'message', ''];
  for (const line of frame.split('\n')) {
    const [, field, value = ''] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
    if (field === 'id') id = value;
    else if (field === 'event') name = value;
    else if (field === 'data') data += value;
  }
  if (data === '') return null;
  try {
    return { id, name, data: JSON.parse(data) };
  } catch {
    return null;
  }
}
