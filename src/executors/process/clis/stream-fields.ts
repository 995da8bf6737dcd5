// A JSON line as fields. Knows no events; used by the adapters of agent CLIs and the log view.

export type Fields = Readonly<Record<string, unknown>>;

/** The object of a line; null for a torn or foreign one: hooks and shells may print into the same stream. */
export function parseFields(line: string): Fields | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    // As above: what is not JSON does not come from the CLI.
    return null;
  }
}

/** A value as fields; empty if it is not an object. */
export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

export function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
