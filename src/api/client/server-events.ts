// Reads a server-sent event stream. Knows the framing and nothing of what the events mean.

/** One event of the stream. */
export interface ServerEvent {
  /** Rises with every event; pass the last one to continue from there. '' if the event has none. */
  readonly id: string;
  /** The event's name, e.g. `run.settled`, or `stream.gap` when some may have been missed. */
  readonly name: string;
  /** Its fields, parsed. */
  readonly data: unknown;
}

/** The events of a byte stream, in order. Comments (keep-alive) are omitted. */
export async function* readServerEvents(stream: AsyncIterable<unknown>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
      const event = parseFrame(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (event) yield event;
    }
  }
}

function parseFrame(frame: string): ServerEvent | null {
  let id = '';
  let name = 'message';
  const data: string[] = [];
  for (const line of frame.split('\n')) {
    const match = /^(id|event|data): ?(.*)$/.exec(line);
    if (match?.[1] === 'id') id = match[2] ?? '';
    else if (match?.[1] === 'event') name = match[2] ?? '';
    else if (match?.[1] === 'data') data.push(match[2] ?? '');
  }
  return data.length === 0 ? null : { id, name, data: JSON.parse(data.join('\n')) };
}
