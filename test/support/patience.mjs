// How long tests wait, and until when they begin. A machine that many share may do in a minute what another does in
// seconds: on those of CI all limits are wider, and what cannot begin before the run's end is left out and named.

import process from 'node:process';

/** By how much limits are wider here than on a machine of one's own. */
export const PATIENCE = process.env.CI ? 4 : 1;

/** Whether TEST_UNTIL (seconds since 1970), after which no test begins, has passed; without it there is no end. */
export const isTimeUp = (now = Date.now()) =>
  process.env.TEST_UNTIL !== undefined && now >= Number(process.env.TEST_UNTIL) * 1000;
