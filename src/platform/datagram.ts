// One datagram to a unix socket, which Node has no call for: by way of libc, through koffi. Linux alone, where the
// service manager listens on such a socket.

import { createRequire } from 'node:module';
import { messageOf } from '../domain/errors.ts';

/** Sends text to a datagram socket and gives null, or why it did not arrive. Never waits and never throws. */
export type SendDatagram = (address: string, text: string) => string | null;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** Bytes of a path in Linux's `sockaddr_un`. */
const PATH_BYTES = 108;

/** The way to send, or null where libc cannot be reached: no koffi for this machine, or no Linux. */
export function datagramSender(platform: NodeJS.Platform): SendDatagram | null {
  if (platform !== 'linux') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const libc = koffi.load(null);
    const socket = libc.func('int socket(int domain, int type, int protocol)');
    const sendto = libc.func(
      'intptr_t sendto(int fd, const void *bytes, size_t size, int flags, const void *address, uint32_t length)',
    );
    const close = libc.func('int close(int fd)');
    return (address, text) => {
      const place = socketAddress(address);
      if (place === null) return `${address} is no address of a unix socket`;
      const fd: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd < 0) return `there is no socket to be had (errno ${koffi.errno()})`;
      try {
        const bytes = Buffer.from(text);
        const sent = Number(sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, place, place.length));
        return sent === bytes.length ? null : `${address} does not take it (errno ${koffi.errno()})`;
      } catch (thrown) {
        return messageOf(thrown);
      } finally {
        close(fd);
      }
    };
  } catch {
    // No build of koffi for this machine: callers do without.
    return null;
  }
}

/** `sockaddr_un`: a path, or after `@` a name in the abstract space; null for anything else. */
function socketAddress(address: string): Buffer | null {
  if (!/^[/@]./s.test(address) || address.includes('\0')) return null;
  const name = Buffer.from(address);
  const isAbstract = address.startsWith('@');
  if (isAbstract) name[0] = 0;
  // A path ends with a NUL, a name in the abstract space with its length.
  if (name.length + (isAbstract ? 0 : 1) > PATH_BYTES) return null;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, name, ...(isAbstract ? [] : [Buffer.alloc(1)])]);
}
