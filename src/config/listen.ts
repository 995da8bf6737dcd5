// The address of `[api] listen`: its spelling, and whether it may be reached from other machines.

/** A listen address taken apart; IPv6 hosts without brackets. */
export interface ListenAddress {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** `host:port` or `[v6]:port`, or null when it is neither. */
export function parseListen(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return null;
  return { host: match[1] ?? match[2] ?? '', port };
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** Why this cannot be listened on, or null. Beyond loopback it must be meant, and callers must know the way in. */
export function listenTrouble(listen: string, allowRemote: boolean, publicUrl: string | null): string | null {
  if (listen === 'auto' || listen === 'off') return null;
  const address = parseListen(listen);
  if (address === null)
    return `must be "auto", "off" or HOST:PORT such as "127.0.0.1:7420", not ${JSON.stringify(listen)}`;
  if (isLoopback(address.host)) return null;
  if (!allowRemote)
    return `${address.host} can be reached from other machines; that takes allow_remote = true`;
  return publicUrl === null ? 'listening beyond loopback takes public_url as well' : null;
}
