/** By how much limits are wider here than on a machine of one's own. */
export const PATIENCE: number;

/** Whether TEST_UNTIL (seconds since 1970), after which no test begins, has passed; without it there is no end. */
export function isTimeUp(now?: number): boolean;

/** Whether a machine of CI is paused so often that limits of time, ours and those of the program, say nothing. */
export function isStalling(): boolean;
