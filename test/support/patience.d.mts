/** By how much limits are wider here than on a machine of one's own. */
export const PATIENCE: number;

/** Whether the time is over that TEST_UNTIL (seconds since 1970) leaves to begin tests; without it there is no end. */
export function isTimeUp(now?: number): boolean;
