// `[api] listen`: its syntax, and whether it may be reached from other machines. Parsed once, with the configuration;
// src/api/listen.ts only opens the result.

import type { ListenSetting } from '../domain/config.ts';
import { isLoopback } from '../domain/loopback.ts';

/** Related settings. `publicUrl`: the base URL for callers elsewhere, or null. */
export interface ListenContext {
  readonly allowRemote: boolean;
  readonly publicUrl: string | null;
}

/** The address of `[api] listen`, or why it is not allowed: the end of a sentence about the key. */
export function readListen(text: string, { allowRemote, publicUrl }: ListenContext): ListenSetting | string {
  if (text === 'auto' || text === 'off') return { kind: text };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535)
    return `must be "auto", "off" or HOST:PORT such as "127.0.0.1:7420", not ${JSON.stringify(text)}`;
  if (isLoopback(host)) return { kind: 'at', host: host === 'localhost' ? '127.0.0.1' : host, port };
  if (!allowRemote)
    return `${host} can be reached from other machines; listen on 127.0.0.1, or set allow_remote = true`;
  // Tokens travel with every request.
  if (publicUrl === null || !/^https:/i.test(publicUrl))
    return 'listening beyond loopback takes a public_url with https as well (a reverse proxy or tunnel)';
  return { kind: 'at', host, port };
}
