// Keeps the body of a dispatch within its limit (http-protocol 1.2): long texts are cut, marked as cut, and complete
// at `task.details_url`. Pure; knows nothing of envelopes and headers.

/** Larger payloads are refused by many receivers; the spec of Standard Webhooks advises far less. */
export const MAX_PAYLOAD_BYTES = 256 * 1024;

/** The parts of the standard payload that may be cut. */
export interface FittedData {
  readonly task: {
    readonly details_url: string | null;
    readonly instructions: string;
    readonly depends_on: readonly object[];
  };
  readonly attempt: { readonly previous_failure: string | null };
}

/** The previous failure's length if everything must be short, characters. */
const SHORT_FAILURE = 1000;

/**
 * The standard payload within its limit: first the instructions are cut, with a note in them; then dependency
 * results; then the lists of inputs and deliverables. `task.truncated` names what was. Larger than the limit if all
 * that is not enough.
 */
export function fitted(data: FittedData, bytesOf: (data: unknown) => Buffer): Buffer {
  const { task, attempt } = data;
  if (task.instructions.length <= MAX_PAYLOAD_BYTES) {
    const bytes = bytesOf(data);
    if (bytes.length <= MAX_PAYLOAD_BYTES) return bytes;
  }
  const bare = task.depends_on.map((dependency) => ({ ...dependency, log: [], artifacts: [] }));
  const failure = attempt.previous_failure?.slice(0, SHORT_FAILURE) ?? null;
  const steps = [
    { truncated: [], less: {}, attempt },
    { truncated: ['depends_on'], less: { depends_on: bare }, attempt },
    {
      truncated: ['depends_on', 'inputs', 'deliverables'],
      less: { depends_on: bare, inputs: [], deliverables: [] },
      attempt: { ...attempt, previous_failure: failure },
    },
  ];
  let last: Buffer = Buffer.alloc(0);
  for (const step of steps) {
    const build = (instructions: string) =>
      bytesOf({
        ...data,
        task: {
          ...task,
          ...step.less,
          instructions,
          truncated: [...(instructions === task.instructions ? [] : ['instructions']), ...step.truncated],
        },
        attempt: step.attempt,
      });
    last = cutToFit(task.instructions, build, task.details_url);
    if (last.length <= MAX_PAYLOAD_BYTES) return last;
  }
  return last;
}

/** The bytes with as much of the text as fits, and a note if it was cut; larger than the limit if even none fits. */
export function cutToFit(text: string, build: (text: string) => Buffer, detailsUrl: string | null): Buffer {
  // A character takes at least one byte.
  if (text.length <= MAX_PAYLOAD_BYTES) {
    const whole = build(text);
    if (whole.length <= MAX_PAYLOAD_BYTES) return whole;
  }
  const where = detailsUrl === null ? '' : `at ${detailsUrl} (GET, with the token of this attempt), and `;
  const note = (kept: number) =>
    `\n\n[Cut: ${kept} of ${text.length} characters. The whole description is ${where}in the task graph, by \`supervisor show\`.]`;
  // The largest length that fits. Escaping makes bytes grow unevenly with characters, so it is searched for.
  let low = 0;
  let high = Math.min(text.length, MAX_PAYLOAD_BYTES);
  let best = build(note(0));
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const bytes = build(wholeCharacters(text, middle) + note(middle));
    if (bytes.length > MAX_PAYLOAD_BYTES) high = middle - 1;
    else {
      low = middle;
      best = bytes;
    }
  }
  return best;
}

/** The first characters of a text, without half a surrogate pair at the end. */
function wholeCharacters(text: string, length: number): string {
  return text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
}
