/** Strongly connected components and orders of small directed graphs. */

export type Edges = ReadonlyMap<number, readonly number[]>;

/** A graph from pairs of given nodes, others left out; in the order of the nodes, whatever that of the pairs. */
export function edgesOf(nodes: readonly number[], pairs: Iterable<readonly [number, number]>): Edges {
  const place = new Map(nodes.map((node, index) => [node, index]));
  const edges = new Map<number, Set<number>>(nodes.map((node) => [node, new Set()]));
  for (const [from, to] of pairs) {
    if (place.has(to)) edges.get(from)?.add(to);
  }
  const inOrder = (a: number, b: number) => (place.get(a) ?? 0) - (place.get(b) ?? 0);
  return new Map([...edges].map(([node, next]) => [node, [...next].sort(inOrder)]));
}

/**
 * Components, each before those that it leads to, nodes likewise as far as there is such an order. Where several
 * orders are possible, that of `edges` decides.
 */
export function components(edges: Edges): number[][] {
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const left: number[] = [];
  const found: number[][] = [];

  const visit = (node: number): void => {
    const own = index.size;
    index.set(node, own);
    let lowest = own;
    stack.push(node);
    onStack.add(node);
    for (const next of edges.get(node) ?? []) {
      if (!index.has(next)) {
        visit(next);
        lowest = Math.min(lowest, low.get(next) ?? lowest);
      } else if (onStack.has(next)) {
        lowest = Math.min(lowest, index.get(next) ?? lowest);
      }
    }
    low.set(node, lowest);
    left.push(node);
    if (lowest !== own) return;
    const members = new Set(stack.splice(stack.indexOf(node)));
    for (const member of members) onStack.delete(member);
    found.push(left.filter((other) => members.has(other)).reverse());
  };

  for (const node of edges.keys()) if (!index.has(node)) visit(node);
  return found.reverse();
}

/** Component number by node, for those components in which a path leads back to where it began. */
export function cycles(edges: Edges): Map<number, number> {
  const numbers = new Map<number, number>();
  components(edges).forEach((members, number) => {
    const [only] = members;
    const loops = members.length > 1 || (only !== undefined && edges.get(only)?.includes(only));
    if (loops) for (const member of members) numbers.set(member, number);
  });
  return numbers;
}
