// Today is another day. Preloaded into a process, or put into a test's sandbox, it lets Date begin at the instant that
// TEST_CLOCK names and continue from there, so that a test that depends on today's date fails today.

import { pathToFileURL } from 'node:url';

/** `RealDate` as it reads `offset` ms later. */
export function shiftedDate(RealDate, offset) {
  const now = () => RealDate.now() + offset;
  const shifted = new Proxy(RealDate, {
    apply: () => new RealDate(now()).toString(),
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length > 0 ? args : [now()], newTarget === shifted ? target : newTarget),
    get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
  });
  return shifted;
}

/** How far TEST_CLOCK is from the real time, ms; null where it is not set. Children get the offset, not the instant. */
export function offsetOf(variables) {
  const clock = variables.TEST_CLOCK;
  if (clock === undefined || clock === '') return null;
  const offset = /^[+-]\d+$/.test(clock) ? Number(clock) : Date.parse(clock) - Date.now();
  if (!Number.isFinite(offset)) throw new Error(`TEST_CLOCK=${clock} is neither an instant nor +ms`);
  return offset;
}

/** What a child process needs, so that it reads the same day. */
export function clockVariables(offset) {
  const here = pathToFileURL(import.meta.filename).href;
  return { TEST_CLOCK: `${offset < 0 ? '' : '+'}${offset}`, NODE_OPTIONS: `--import=${here}` };
}

if (
  process.execArgv.concat(process.env.NODE_OPTIONS ?? '').some((arg) => arg.includes(import.meta.filename))
) {
  const offset = offsetOf(process.env);
  if (offset !== null) globalThis.Date = shiftedDate(Date, offset);
}
