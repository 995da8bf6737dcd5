// Which addresses may be dispatched to. Names are resolved once and the connection goes to the very addresses that
// were judged, so that a name cannot mean one thing when judged and another when used. Sends nothing.

import { promises as dns } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { messageOf } from '../../domain/errors.ts';

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** `forbidden` is always refused; `loopback` and `private` depend on who named the endpoint. */
export type AddressClass = 'forbidden' | 'loopback' | 'private' | 'public';

/**
 * Who named the endpoint: `configured` in a machine or trusted worktree profile, `task` as a URL on a task line,
 * which anyone with write access to the repository can set.
 */
export type NamedBy = 'configured' | 'task';

export type Lookup = (hostname: string) => Promise<readonly Address[]>;

export type Resolution =
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[] }
  | { readonly kind: 'refused'; readonly because: string }
  /** The name could not be resolved now. */
  | { readonly kind: 'unresolved'; readonly because: string };

/** Every address of a name, as the system resolves it. */
export const systemLookup: Lookup = async (hostname) => {
  const found = await dns.lookup(hostname, { all: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
};

/** An endpoint as a URL that may be requested, or why not. */
export function parseEndpoint(text: string): URL | { readonly because: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return { because: `${JSON.stringify(text.slice(0, 200))} is not a URL` };
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return { because: `only http and https can be dispatched to, not ${url.protocol}` };
  // got reads http://unix/path:/route as a socket of this machine.
  if (url.hostname === 'unix' || url.hostname === '')
    return { because: 'Unix sockets cannot be dispatched to' };
  return url;
}

/** The addresses that may be connected to for this URL. One forbidden address rejects the whole name. */
export async function resolveEndpoint(url: URL, namedBy: NamedBy, lookup: Lookup): Promise<Resolution> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  if (METADATA_NAMES.has(host.toLowerCase().replace(/\.$/, '')))
    return {
      kind: 'refused',
      because: `${host} names the metadata service of a cloud, which is never dispatched to`,
    };
  let addresses: readonly Address[];
  try {
    addresses = family === 0 ? await lookup(host) : [{ address: host, family: family === 6 ? 6 : 4 }];
  } catch (error) {
    return { kind: 'unresolved', because: `${host} could not be looked up: ${messageOf(error)}` };
  }
  if (addresses.length === 0) return { kind: 'unresolved', because: `${host} has no address` };

  for (const { address } of addresses) {
    const because = objection(address, host, url.protocol, namedBy);
    if (because !== null) return { kind: 'refused', because };
  }
  return { kind: 'addresses', addresses };
}

/** The kind of an address. An IPv6 address that embeds an IPv4 one is judged by both. */
export function classifyAddress(address: string): AddressClass {
  const bare = address.replace(/%.*$/, '');
  const family = isIP(bare);
  if (family === 4) return classify(bare, 'ipv4');
  if (family !== 6) return 'forbidden';
  const outer = classify(bare, 'ipv6');
  const inner = embeddedIpv4(bare);
  if (outer === 'forbidden' || outer === 'loopback' || inner === null) return outer;
  const carried = classify(inner, 'ipv4');
  return carried === 'public' ? outer : carried;
}

function objection(address: string, host: string, protocol: string, namedBy: NamedBy): string | null {
  const at = address === host ? address : `${host} (${address})`;
  const kind = classifyAddress(address);
  if (kind === 'forbidden')
    return `${at} is a link-local, metadata, multicast or unspecified address, which is never dispatched to`;
  if (namedBy === 'configured') return null;
  const hint = 'put it into supervisor.toml as [executors.NAME] and name that profile on the task';
  if (kind === 'private') return `${at} is a private address, which a task may not name on its own; ${hint}`;
  if (kind === 'public' && protocol === 'http:')
    return `${at} would get the task and its token unencrypted; use https, or ${hint}`;
  return null;
}

// Addresses that are never an agent. Metadata services of AWS, Azure, Alibaba and Oracle that are not link-local
// follow by name: reaching them from inside a cloud machine yields its credentials.
const FORBIDDEN: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  ['168.63.129.16', 32, 'ipv4'],
  ['100.100.100.200', 32, 'ipv4'],
  ['192.0.0.192', 32, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
  ['fd00:ec2::254', 128, 'ipv6'],
];

// By name as well: inside a cluster they may resolve to any address.
const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'metadata.tencentyun.com',
  'instance-data',
  'instance-data.ec2.internal',
]);

const LOOPBACK: typeof FORBIDDEN = [
  ['127.0.0.0', 8, 'ipv4'],
  ['::1', 128, 'ipv6'],
];

const PRIVATE: typeof FORBIDDEN = [
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['fc00::', 7, 'ipv6'],
  ['fec0::', 10, 'ipv6'],
];

function classify(address: string, family: 'ipv4' | 'ipv6'): AddressClass {
  if (within(FORBIDDEN, address, family)) return 'forbidden';
  if (within(LOOPBACK, address, family)) return 'loopback';
  return within(PRIVATE, address, family) ? 'private' : 'public';
}

function within(ranges: typeof FORBIDDEN, address: string, family: 'ipv4' | 'ipv6'): boolean {
  const list = new BlockList();
  for (const [network, prefix, kind] of ranges) if (kind === family) list.addSubnet(network, prefix, kind);
  return list.check(address, family);
}

/** The IPv4 address inside a mapped, compatible, NAT64 or 6to4 address; null if there is none. */
function embeddedIpv4(address: string): string | null {
  const groups = ipv6Groups(address);
  const [g0 = 0, g1 = 0, g2 = 0] = groups;
  const last = dotted(groups[6] ?? 0, groups[7] ?? 0);
  const zeroUpTo = (n: number) => groups.slice(0, n).every((group) => group === 0);
  if (zeroUpTo(5) && (groups[5] === 0xffff || groups[5] === 0)) return last;
  if (zeroUpTo(4) && groups[4] === 0xffff && groups[5] === 0) return last;
  if (g0 === 0x64 && g1 === 0xff9b) return last;
  if (g0 === 0x2002) return dotted(g1, g2);
  return null;
}

function dotted(high: number, low: number): string {
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

function ipv6Groups(address: string): number[] {
  // The URL parser writes the dotted tail as groups and shortens every address in one way.
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const numbers = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = numbers(head);
  const after = tail === undefined ? [] : numbers(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}
