// A network between two programs of this machine that a test cuts: with a bang, as a router that goes down, or silently, as
// a cable that is pulled and put back.

import { connect, createServer, type Socket } from 'node:net';

export interface Cable {
  readonly port: number;
  /** Every connection breaks, and none can be made. */
  cut(): void;
  /** Nothing arrives on either side, and neither is told. */
  freeze(): void;
  /** As if nothing had been: what was sent silently arrives now. */
  mend(): void;
  end(): Promise<void>;
}

/** A cable to a port of this machine, which may be known only once the cable is there. */
export async function startCable(to: () => number): Promise<Cable> {
  const pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  const waiting = new Set<Socket>();
  let state: 'whole' | 'cut' | 'frozen' = 'whole';
  const join = (near: Socket) => {
    const far = connect(to(), '127.0.0.1');
    const pair = { near, far };
    pairs.add(pair);
    const leave = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const side of [near, far]) side.on('error', leave).on('close', leave);
    near.pipe(far);
    far.pipe(near);
  };
  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (state === 'whole') join(near);
    else if (state === 'cut') near.destroy();
    else waiting.add(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const breakAll = () => {
    for (const { near } of [...pairs]) near.destroy();
    for (const near of waiting) near.destroy();
    waiting.clear();
  };
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    cut() {
      state = 'cut';
      breakAll();
    },
    freeze() {
      state = 'frozen';
      for (const { near, far } of pairs) for (const side of [near, far]) side.unpipe().pause();
    },
    mend() {
      state = 'whole';
      for (const { near, far } of pairs) {
        near.pipe(far);
        far.pipe(near);
      }
      for (const near of waiting) join(near);
      waiting.clear();
    },
    async end() {
      breakAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
