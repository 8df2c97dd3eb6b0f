/** The row that is being made: its number, its ids, its relatives, and chance. */
import type { Pools, Product } from './pools.js';
import { Random, rowDraw, rowId, type TableKey, tableKey } from './random.js';
import { futureTime, pastTime } from './times.js';
import type { RowCounts } from './types.js';

/** Other services know products by the inventory's ids. */
const PRODUCTS = 'inventory.products';

/** A tenant whose rows are being made. */
export class SampleTenant {
  readonly id: string;
  readonly name: string;
  readonly #keys = new Map<string, TableKey>();
  readonly #firstNumbers = new Map<string, number>();

  constructor(
    readonly seed: string,
    /** Which of the tenants of this seed. */
    readonly position: number,
    readonly counts: RowCounts,
    readonly pools: Pools,
  ) {
    this.id = this.idOf('tenant.tenants', 0);
    this.name = pools.bakeries[position % pools.bakeries.length] ?? 'Bakery';
  }

  keyOf(table: string): TableKey {
    const known = this.#keys.get(table);
    if (known) return known;
    const key = tableKey(this.seed, this.position, table);
    this.#keys.set(table, key);
    return key;
  }

  /** At least one, so that there is always something to refer to. */
  count(table: string): number {
    return this.counts.get(table) ?? 1;
  }

  idOf(table: string, index: number): string {
    return rowId(this.keyOf(table), index);
  }

  draw(table: string, index: number, salt = 0): number {
    return rowDraw(this.keyOf(table), index, salt);
  }

  /**
   * Which row of `parent` a row of `child` belongs to. The rows are spread evenly, and neighbours have the same parent;
   * so it is known without looking.
   */
  parentOf(child: string, index: number, parent: string): number {
    return Math.floor((index * this.count(parent)) / this.count(child));
  }

  /** Which of its parent's rows it is, from 0. */
  siblingOf(child: string, index: number, parent: string): number {
    const above = this.parentOf(child, index, parent);
    return index - Math.ceil((above * this.count(child)) / this.count(parent));
  }

  /** The numbers of an identity column that this tenant's rows have: this one and those after it. */
  startNumbers(table: string, first: number): void {
    this.#firstNumbers.set(table, first);
  }

  numberOf(table: string, index: number): number {
    const first = this.#firstNumbers.get(table);
    if (first === undefined)
      throw new Error(`${table} has no numbers yet; list it before those who refer to it.`);
    return first + index;
  }
}

/** One row; the object is used again for the next. */
export class SampleRow {
  index = 0;
  readonly #random = new Random();
  readonly #key: TableKey;

  constructor(
    readonly tenant: SampleTenant,
    readonly table: string,
  ) {
    this.#key = tenant.keyOf(table);
  }

  begin(index: number): this {
    this.index = index;
    this.#random.begin(this.#key, index);
    return this;
  }

  get tenantId(): string {
    return this.tenant.id;
  }

  get pools(): Pools {
    return this.tenant.pools;
  }

  get id(): string {
    return rowId(this.#key, this.index);
  }

  /** This row's value of an identity column. */
  get number(): number {
    return this.tenant.numberOf(this.table, this.index);
  }

  /** How many rows of a table this tenant has. */
  count(table: string): number {
    return this.tenant.count(table);
  }

  idOf(table: string, index: number): string {
    return this.tenant.idOf(table, index);
  }

  /** The id of some row of another table. */
  anyOf(table: string): string {
    return this.idOf(table, this.int(0, this.count(table) - 1));
  }

  /** Which row of `table` this one belongs to. */
  parent(table: string): number {
    return this.tenant.parentOf(this.table, this.index, table);
  }

  parentId(table: string): string {
    return this.idOf(table, this.parent(table));
  }

  /** The value of an identity column that this one's parent has. */
  parentNumber(table: string): number {
    return this.tenant.numberOf(table, this.parent(table));
  }

  /** Which of its parent's rows this one is, from 0. */
  sibling(table: string): number {
    return this.tenant.siblingOf(this.table, this.index, table);
  }

  /** The row above this one in a tree of its own table; null for a root. */
  above(): string | null {
    const parent = aboveIndex(this.index);
    return parent === null ? null : rowId(this.#key, parent);
  }

  /** A member of the tenant, by position. */
  userId(position = this.int(0, this.members - 1)): string {
    return this.idOf('tenant.users', position % this.members);
  }

  get members(): number {
    return this.count('tenant.tenant_members');
  }

  /** A moment of the past year that belongs to this row. */
  get time(): number {
    return this.timeOf(this.table, this.index);
  }

  /** That of another row. */
  timeOf(table: string, index: number): number {
    return pastTime(this.tenant.draw(table, index));
  }

  get future(): number {
    return futureTime(this.tenant.draw(this.table, this.index, 1));
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.#random.next() * (to - from + 1));
  }

  /** With that many decimals. */
  decimal(from: number, to: number, decimals: number): string {
    return (from + this.#random.next() * (to - from)).toFixed(decimals);
  }

  pick<T>(from: readonly T[]): T {
    const found = from[Math.floor(this.#random.next() * from.length)];
    if (found === undefined) throw new Error(`${this.table}: there is nothing to pick from.`);
    return found;
  }

  some<T>(from: readonly T[], most: number): T[] {
    const first = this.int(0, from.length - 1);
    return from.slice(first, first + this.int(0, most));
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  /** Null in every `n`-th row. */
  unlessEvery<T>(n: number, value: () => T): T | null {
    return this.index % n === n - 1 ? null : value();
  }

  /** A product that goes with this row: the same for all of its columns. */
  get product(): Product {
    return this.productAt(this.#productIndex);
  }

  /** The id that this product has in the inventory. */
  get productId(): string {
    return this.idOf(PRODUCTS, this.#productIndex);
  }

  /** The inventory's product of that number. */
  productAt(index: number): Product {
    const { products } = this.pools;
    const found = products[index % products.length];
    if (found === undefined) throw new Error('There are no products to pick from.');
    return found;
  }

  get #productIndex(): number {
    return Math.floor(this.tenant.draw(this.table, this.index, 7) * this.count(PRODUCTS));
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 1) bytes[at] = this.#random.next() * 256;
    return bytes;
  }
}

/** Three roots at most; below them, four rows each. */
function aboveIndex(index: number): number | null {
  return index < 3 && index !== 1 ? null : Math.floor((index - 1) / 4);
}
