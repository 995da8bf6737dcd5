export const KNOBS: readonly string[];
export function isolate(
  variables: Record<string, string | undefined>,
  folders: { readonly home: string; readonly temporary: string },
): void;
