/** States near the root have a whole row each, a MB in all: nearly all of a log is read there. Deeper ones are looked up. */
const MOST_ROWS = 1024;

const HASH = 0x9e3779b1;

/**
 * Finds many byte strings at once (Aho–Corasick). State 0 is the beginning; time is linear in what is read, whatever that is, and memory
 * in the patterns: some 20 bytes for each of theirs.
 */
export class ByteAutomaton {
  /** Of each state: how many of the last bytes may begin a pattern. */
  readonly depth: Int32Array;
  /** Of each state: the length of the longest pattern that ends there, or 0. */
  readonly found: Int32Array;
  readonly #fails: Int32Array;
  readonly #edges: Edges;
  readonly #rows: Int32Array;
  readonly #withRow: number;

  constructor(patterns: readonly Uint8Array[]) {
    const trie = trieOf(patterns);
    this.depth = trie.depth;
    this.found = trie.found;
    this.#edges = trie.edges;
    this.#fails = new Int32Array(trie.depth.length);
    this.#withRow = Math.min(trie.depth.length, MOST_ROWS);
    this.#rows = new Int32Array(this.#withRow * 256);
    this.#link(trie);
  }

  next(state: number, byte: number): number {
    for (let from = state; ; from = this.#fails[from]!) {
      if (from < this.#withRow) return this.#rows[from * 256 + byte]!;
      const to = this.#edges.get(from, byte);
      if (to !== 0) return to;
    }
  }

  /** States come in the order of their depth: what a state falls back to is done before it. */
  #link({ parent, byte, depth }: Trie): void {
    const children = childrenOf(parent);
    for (let state = 0; state < depth.length; state++) {
      const fail = depth[state]! > 1 ? this.next(this.#fails[parent[state]!]!, byte[state]!) : 0;
      this.#fails[state] = fail;
      this.found[state] ||= this.found[fail]!;
      if (state >= this.#withRow) continue;
      this.#rows.copyWithin(state * 256, fail * 256, fail * 256 + 256);
      for (let child = children.first[state]!; child !== 0; child = children.next[child]!) this.#rows[state * 256 + byte[child]!] = child;
    }
  }
}

/** Of each state its first child, and of that the next one of the same parent; 0 after the last. */
function childrenOf(parent: Int32Array): { first: Int32Array; next: Int32Array } {
  const [first, next] = [new Int32Array(parent.length), new Int32Array(parent.length)];
  for (let state = 1; state < parent.length; state++) {
    next[state] = first[parent[state]!]!;
    first[parent[state]!] = state;
  }
  return { first, next };
}

interface Trie {
  depth: Int32Array;
  found: Int32Array;
  parent: Int32Array;
  byte: Uint8Array;
  edges: Edges;
}

/** Made a depth at a time, so that shallow states have low numbers. */
function trieOf(patterns: readonly Uint8Array[]): Trie {
  const most = 1 + patterns.reduce((sum, { length }) => sum + length, 0);
  const [depth, found, parent] = [new Int32Array(most), new Int32Array(most), new Int32Array(most)];
  const [byte, edges] = [new Uint8Array(most), new Edges(most)];
  let states = 1;
  let open = patterns.map((pattern) => ({ pattern, state: 0 }));
  for (let at = 0; open.length > 0; at++) {
    open = open.filter(({ pattern }) => pattern.length > at);
    for (const one of open) {
      const label = one.pattern[at]!;
      let to = edges.get(one.state, label);
      if (to === 0) {
        to = states++;
        edges.set(one.state, label, to);
        [depth[to], parent[to], byte[to]] = [at + 1, one.state, label];
      }
      one.state = to;
      if (one.pattern.length === at + 1) found[to] = at + 1;
    }
  }
  const only = (numbers: Int32Array) => numbers.slice(0, states);
  return { depth: only(depth), found: only(found), parent: only(parent), byte: byte.slice(0, states), edges };
}

/** From a state, by a byte, to a state: an open hash table, half full at most. */
class Edges {
  readonly #keys: Float64Array;
  readonly #targets: Int32Array;
  readonly #mask: number;

  constructor(most: number) {
    const size = 2 ** Math.ceil(Math.log2(most * 2));
    this.#keys = new Float64Array(size);
    this.#targets = new Int32Array(size);
    this.#mask = size - 1;
  }

  /** 0: there is none, for nothing leads to the root. */
  get(state: number, byte: number): number {
    return this.#targets[this.#slot(state, byte)]!;
  }

  set(state: number, byte: number, target: number): void {
    const slot = this.#slot(state, byte);
    this.#keys[slot] = state * 256 + byte;
    this.#targets[slot] = target;
  }

  #slot(state: number, byte: number): number {
    const key = state * 256 + byte;
    let slot = Math.imul(key, HASH) >>> 7;
    for (slot &= this.#mask; this.#targets[slot] !== 0 && this.#keys[slot] !== key; ) slot = (slot + 1) & this.#mask;
    return slot;
  }
}
