// Which dependencies only close a cycle, so that a task need not wait for them. Follows wg's algorithm step by step
// (wg-rules 4.4): node order, exclusions, components, header, depth-first walk. Iterative: graphs may be deep.

import type { TaskId } from '../../domain/ids.ts';
import { atOnce, type Steps, sortedSteps } from '../../domain/steps.ts';
import type { Task } from '../../domain/task.ts';

type Waiting = Pick<Task, 'id' | 'after'>;

/** How a back-edge is written in the set: `task` waits for `dependency`. */
export function backEdgeKey(dependency: TaskId, task: TaskId): string {
  return `${dependency}\u0000${task}`;
}

/** Every edge that only closes a cycle. */
export function backEdges(tasks: Iterable<Waiting>): ReadonlySet<string> {
  return atOnce(backEdgeSteps(tasks));
}

/** The same, in steps. */
export function* backEdgeSteps(tasks: Iterable<Waiting>): Steps<ReadonlySet<string>> {
  const found = new Set<string>();
  const nodes = yield* cycleNodes(tasks);
  // Order matters only if there is a cycle, and sorting many tasks is slow.
  const waiting = nodes.filter((task) => task.after.length > 0);
  if ((yield* components(yield* edgesOf(waiting))).cyclic.length === 0) return found;
  const { ids, next } = yield* adjacency(nodes);
  const { of, cyclic } = yield* components(next);
  const entered = enteredNodes(of, next);
  for (const members of cyclic) {
    // The one member reachable from outside the cycle; the first by id if there are none or several.
    const header = members.find((node) => entered[node] === 1) ?? members[0] ?? 0;
    walkComponent(header, of, ids, next, found);
    yield;
  }
  return found;
}

/** Tells whether an edge is a back-edge; all of them are computed at the first question. */
export function lazyBackEdges(
  tasks: ReadonlyMap<TaskId, Waiting>,
): (dependency: TaskId, task: TaskId) => boolean {
  let isOne: ((dependency: TaskId, task: TaskId) => boolean) | null = null;
  return (dependency, task) => {
    isOne ??= isBackEdgeOf(backEdges(tasks.values()));
    return isOne(dependency, task);
  };
}

/** Tells whether an edge is one of these. */
export function isBackEdgeOf(found: ReadonlySet<string>): (dependency: TaskId, task: TaskId) => boolean {
  return (dependency, task) => found.size > 0 && found.has(backEdgeKey(dependency, task));
}

/** Every cycle: its members, in wg's index order (ids by their bytes). */
export function cycleMembers(tasks: ReadonlyMap<TaskId, Waiting>): readonly (readonly TaskId[])[] {
  const { ids, next } = atOnce(adjacency(tasks.values()));
  return atOnce(components(next)).cyclic.map((component) => component.map((member) => ids[member] ?? ''));
}

/** The ids that share a cycle with this task, itself included; empty if it is in none. */
export function backEdgeMembers(tasks: ReadonlyMap<TaskId, Waiting>, task: TaskId): ReadonlySet<TaskId> {
  const { ids, next } = atOnce(adjacency(tasks.values()));
  const node = ids.indexOf(task);
  const members = atOnce(components(next)).cyclic.find((component) => component.includes(node)) ?? [];
  return new Set(members.map((member) => ids[member] ?? ''));
}

/** Tasks that wg scaffolds around others are not part of cycles. */
const SCAFFOLD = /^\.(assign|flip|evaluate|place)-/;

/** For each node its dependents, in the order the edges were found; duplicates kept. */
type Edges = readonly (readonly number[] | undefined)[];

interface Adjacency {
  readonly ids: readonly TaskId[];
  readonly next: Edges;
}

/** Nodes looked at between two pauses. */
const NODES_A_STEP = 1024;

function* cycleNodes(tasks: Iterable<Waiting>): Steps<Waiting[]> {
  const nodes: Waiting[] = [];
  let looked = 0;
  for (const task of tasks) {
    if (!SCAFFOLD.test(task.id)) nodes.push(task);
    if (++looked % NODES_A_STEP === 0) yield;
  }
  return nodes;
}

function* adjacency(tasks: Iterable<Waiting>): Steps<Adjacency> {
  const nodes = yield* sortedSteps(yield* cycleNodes(tasks), (a, b) => compareBytes(a.id, b.id));
  return { ids: nodes.map((task) => task.id), next: yield* edgesOf(nodes) };
}

/** Nodes without dependents, most of a large graph, have a hole here. */
function* edgesOf(nodes: readonly Waiting[]): Steps<Edges> {
  const index = new Map<TaskId, number>();
  for (const [i, { id }] of nodes.entries()) {
    index.set(id, i);
    if (i % NODES_A_STEP === 0) yield;
  }
  const next: number[][] = new Array(nodes.length);
  for (const [i, task] of nodes.entries()) {
    for (const dependency of task.after) {
      const from = index.get(dependency);
      if (from === undefined) continue;
      const known = next[from];
      if (known) known.push(i);
      else next[from] = [i];
    }
    if (i % NODES_A_STEP === 0) yield;
  }
  return next;
}

/** Order of the UTF-8 bytes, as Rust sorts strings; JavaScript's own order differs beyond the basic plane. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return sortableUnit(x) - sortableUnit(y);
  }
  return a.length - b.length;
}

/** Surrogates sort above all other code points. */
function sortableUnit(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

interface Components {
  /** The component of each node. */
  readonly of: Int32Array;
  /** Members of every component that contains a cycle, ascending. */
  readonly cyclic: readonly (readonly number[])[];
}

/** Tarjan's algorithm with its own stack. */
function* components(next: Edges): Steps<Components> {
  const search = new ComponentSearch(next);
  for (let root = 0; root < next.length; root++) {
    search.from(root);
    if (root % NODES_A_STEP === 0) yield;
  }
  return search;
}

class ComponentSearch implements Components {
  readonly of: Int32Array;
  readonly cyclic: number[][] = [];
  readonly #next: Edges;
  readonly #index: Int32Array;
  readonly #low: Int32Array;
  /** The edge of each node that comes next. */
  readonly #position: Int32Array;
  readonly #stack: number[] = [];
  #counter = 0;
  #made = 0;

  constructor(next: Edges) {
    const count = next.length;
    this.#next = next;
    this.of = new Int32Array(count).fill(-1);
    this.#index = new Int32Array(count).fill(-1);
    this.#low = new Int32Array(count);
    this.#position = new Int32Array(count);
  }

  from(root: number): void {
    if (this.#index[root] !== -1) return;
    const path = [root];
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      if (this.#index[node] === -1) {
        this.#index[node] = this.#low[node] = this.#counter++;
        this.#stack.push(node);
      }
      const deeper = this.#deeper(node);
      if (deeper !== null) path.push(deeper);
      else {
        path.pop();
        if (this.#low[node] === this.#index[node]) this.#close(node);
      }
    }
  }

  /** The next node that was not visited yet; null: all that this one leads to was. */
  #deeper(node: number): number | null {
    const edges = this.#next[node] ?? [];
    while (at(this.#position, node) < edges.length) {
      const target = edges[at(this.#position, node)] ?? 0;
      if (this.#index[target] === -1) return target;
      if (this.of[target] === -1) this.#low[node] = Math.min(at(this.#low, node), at(this.#low, target));
      this.#position[node] = at(this.#position, node) + 1;
    }
    return null;
  }

  /** Takes the component of a node from the stack. */
  #close(node: number): void {
    const members = this.#stack.splice(this.#stack.lastIndexOf(node));
    for (const member of members) this.of[member] = this.#made;
    this.#made++;
    if (members.length > 1 || this.#next[node]?.includes(node))
      this.cyclic.push(members.sort((a, b) => a - b));
  }
}

/** Adds the back-edges of one component: edges to a node on the current path of a walk that starts at its header. */
function walkComponent(
  header: number,
  of: Int32Array,
  ids: readonly TaskId[],
  next: Edges,
  found: Set<string>,
): void {
  const own = of[header];
  const onPath = new Set<number>([header]);
  const seen = new Set<number>([header]);
  const path: { readonly node: number; edge: number }[] = [{ node: header, edge: 0 }];
  for (let top = path.at(-1); top; top = path.at(-1)) {
    const target = next[top.node]?.[top.edge++];
    if (target === undefined) {
      onPath.delete(top.node);
      path.pop();
    } else if (of[target] === own) {
      if (onPath.has(target)) found.add(backEdgeKey(ids[top.node] ?? '', ids[target] ?? ''));
      else if (!seen.has(target)) {
        seen.add(target);
        onPath.add(target);
        path.push({ node: target, edge: 0 });
      }
    }
  }
}

/** Marks every node that is reached from another component. */
function enteredNodes(of: Int32Array, next: Edges): Uint8Array {
  const entered = new Uint8Array(next.length);
  next.forEach((targets, node) => {
    for (const target of targets ?? []) if (of[target] !== of[node]) entered[target] = 1;
  });
  return entered;
}

function at(array: Int32Array, i: number): number {
  return array[i] ?? 0;
}
