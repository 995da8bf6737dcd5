// Where the boxes of a graph stand: columns by the longest way to them, rows so that few lines cross. Pure.

/** What is laid out. */
export interface LayoutInput {
  readonly nodes: readonly string[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

/** A place: column and row, both from 0; rows may be fractions. */
export interface Spot {
  readonly column: number;
  readonly row: number;
}

export interface Layout {
  readonly spots: ReadonlyMap<string, Spot>;
  readonly columns: number;
  readonly rows: number;
}

const SWEEPS = 8;

/** Lays nodes out. Edges of a circle that lead back are left out of the reckoning. */
export function layoutOf({ nodes, edges }: LayoutInput): Layout {
  const known = new Set(nodes);
  const out = new Map(nodes.map((node) => [node, [] as string[]]));
  const into = new Map(nodes.map((node) => [node, [] as string[]]));
  for (const { from, to } of edges) {
    if (!known.has(from) || !known.has(to) || from === to) continue;
    out.get(from)?.push(to);
    into.get(to)?.push(from);
  }
  const column = columnsOf(nodes, out, into);
  const count = Math.max(0, ...column.values()) + 1;
  const columns: string[][] = Array.from({ length: nodes.length === 0 ? 0 : count }, () => []);
  for (const node of nodes) columns[column.get(node) ?? 0]?.push(node);
  const row = new Map<string, number>();
  const number = (list: readonly string[]) => {
    for (const [n, node] of list.entries()) row.set(node, n - (list.length - 1) / 2);
  };
  for (const list of columns) number(list);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const [sides, order] = sweep % 2 === 0 ? [into, columns] : [out, [...columns].reverse()];
    for (const list of order) {
      const weight = new Map(
        list.map((node) => [node, middle(sides.get(node) ?? [], row) ?? row.get(node) ?? 0]),
      );
      list.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0));
      number(list);
    }
  }
  const top = Math.min(0, ...row.values());
  return {
    spots: new Map(
      nodes.map((node) => [node, { column: column.get(node) ?? 0, row: (row.get(node) ?? 0) - top }]),
    ),
    columns: columns.length,
    rows: Math.max(0, ...columns.map((list) => list.length)),
  };
}

function middle(nodes: readonly string[], row: ReadonlyMap<string, number>): number | null {
  if (nodes.length === 0) return null;
  return nodes.reduce((sum, node) => sum + (row.get(node) ?? 0), 0) / nodes.length;
}

/** The longest way to each node; by taking off those that wait for none, and breaking a circle where it is entered. */
function columnsOf(
  nodes: readonly string[],
  out: ReadonlyMap<string, readonly string[]>,
  into: ReadonlyMap<string, readonly string[]>,
): Map<string, number> {
  const column = new Map<string, number>();
  const waiting = new Map(nodes.map((node) => [node, into.get(node)?.length ?? 0]));
  const depth = new Map(nodes.map((node) => [node, 0]));
  let free = nodes.filter((node) => waiting.get(node) === 0);
  while (column.size < nodes.length) {
    const next = free.shift() ?? nodes.find((node) => !column.has(node));
    if (next === undefined) break;
    if (column.has(next)) continue;
    column.set(next, depth.get(next) ?? 0);
    for (const to of out.get(next) ?? []) {
      depth.set(to, Math.max(depth.get(to) ?? 0, (depth.get(next) ?? 0) + 1));
      const left = (waiting.get(to) ?? 0) - 1;
      waiting.set(to, left);
      if (left === 0) free = [...free, to];
    }
  }
  return column;
}
