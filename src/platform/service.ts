// Everything that lives longer than a call starts and stops the same way.

/**
 * A long-lived part. `start` and `stop` may be called twice or out of order without harm; `stop` resolves when
 * nothing of it is left: no timer, watch, child, socket or lock.
 */
export interface Service {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}
