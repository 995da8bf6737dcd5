// How long tests wait, and which begin. A machine that many share may do in a minute what another does in seconds, or
// be paused for many: on those of CI all limits are wider, and what cannot be judged there is left out and named.

import { spawnSync } from 'node:child_process';
import process from 'node:process';

/** By how much limits are wider here than on a machine of one's own. */
export const PATIENCE = process.env.CI ? 4 : 1;

/** Whether TEST_UNTIL (seconds since 1970), after which no test begins, has passed; without it there is no end. */
export const isTimeUp = (now = Date.now()) =>
  process.env.TEST_UNTIL !== undefined && now >= Number(process.env.TEST_UNTIL) * 1000;

/** What it takes to start five empty programs one after the other when a machine stalls, ms: tenfold of what is usual. */
const STALLING_MS = Number(process.env.TEST_STALL_MS ?? 2000);
const LOOK_EVERY_MS = 60_000;
let looked = { at: Number.NEGATIVE_INFINITY, isStalling: false };

/** Whether a machine of CI is paused so often that limits of time, ours and those of the program, say nothing. */
export function isStalling() {
  if (!process.env.CI) return false;
  const begun = performance.now();
  if (begun - looked.at < LOOK_EVERY_MS) return looked.isStalling;
  for (let n = 0; n < 5; n++) spawnSync(process.execPath, ['-e', '0'], { stdio: 'ignore' });
  looked = { at: performance.now(), isStalling: performance.now() - begun >= STALLING_MS };
  return looked.isStalling;
}
