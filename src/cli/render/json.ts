// JSON for a terminal: what a task's title holds must not steer the screen, or show its letters in another order, also
// where a person looks at JSON.

/** C1 controls and DEL, marks of writing direction, and the line separators that some readers break lines at. */
const STEERING = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The value as JSON; a reader gets the same value, these characters are only written as escapes. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    STEERING,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
