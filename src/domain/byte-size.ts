// Amounts of bytes in the notation of settings.

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** The required format, as the end of a sentence. */
export const BYTE_SIZE_RULE = 'an amount of bytes such as "500KB", "256MB" or "1GiB"';

/** `"256MB"`, `"1GiB"` or a bare number, in bytes; null if it is not an amount. */
export function byteSizeOrNull(value: string | number): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(String(value).trim());
  const unit = UNIT_BYTES[(match?.[2] ?? '').toLowerCase()];
  if (!match || unit === undefined) return null;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : null;
}
