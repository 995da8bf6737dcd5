// wg's jitter of cron tasks (wg-rules 4.3): a fixed offset for each id, from the hash that Rust's standard library
// computes, so that the next_cron_fire written is exactly wg's.

import { nextWgCron, type WgCron } from './wg-cron.ts';

const JITTER_CAP_SECONDS = 900;

/** wg's fixed offset (s) of a task with this period (s): within a tenth of the period, at most 15 minutes. */
export function wgCronJitter(id: string, periodSeconds: number): number {
  const margin = BigInt(Math.min(Math.floor(periodSeconds / 10), JITTER_CAP_SECONDS));
  return Number((hashOfText(id) % (2n * margin + 1n)) - margin);
}

/**
 * The next_cron_fire (ms) to write when a cron task is reopened. Counted from the slot it ran for if that is later
 * than now: with a negative jitter wg itself would find the same slot again and run it twice.
 */
export function nextCronFire(id: string, cron: WgCron, now: number, nominal: number | null): number | null {
  const slot = nextWgCron(cron, Math.max(now, nominal ?? now));
  if (slot === null) return null;
  const following = nextWgCron(cron, slot);
  const period = following === null ? 0 : (following - slot) / 1000;
  return slot + wgCronJitter(id, period) * 1000;
}

const MASK = (1n << 64n) - 1n;

function rotate(word: bigint, by: bigint): bigint {
  return ((word << by) | (word >> (64n - by))) & MASK;
}

/** SipHash-1-3 with zero keys over the UTF-8 bytes and 0xFF: how Rust's standard library hashes a string. */
export function hashOfText(text: string): bigint {
  const bytes = [...utf8(text), 0xff];
  let [v0, v1, v2, v3] = [0x736f6d6570736575n, 0x646f72616e646f6dn, 0x6c7967656e657261n, 0x7465646279746573n];
  const round = () => {
    v0 = (v0 + v1) & MASK;
    v1 = rotate(v1, 13n) ^ v0;
    v0 = rotate(v0, 32n);
    v2 = (v2 + v3) & MASK;
    v3 = rotate(v3, 16n) ^ v2;
    v0 = (v0 + v3) & MASK;
    v3 = rotate(v3, 21n) ^ v0;
    v2 = (v2 + v1) & MASK;
    v1 = rotate(v1, 17n) ^ v2;
    v2 = rotate(v2, 32n);
  };
  const absorb = (word: bigint) => {
    v3 ^= word;
    round();
    v0 ^= word;
  };
  const whole = bytes.length - (bytes.length % 8);
  for (let i = 0; i < whole; i += 8) absorb(littleEndian(bytes.slice(i, i + 8)));
  absorb(littleEndian(bytes.slice(whole)) | (BigInt(bytes.length & 0xff) << 56n));
  v2 ^= 0xffn;
  round();
  round();
  round();
  return v0 ^ v1 ^ v2 ^ v3;
}

function littleEndian(bytes: readonly number[]): bigint {
  return bytes.reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n);
}

function utf8(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}
