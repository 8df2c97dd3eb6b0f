/** Names of the columns in an archive of references. */

/** A column of the key may be one of the reference, too: so the place is part of the name. */
export function referenceColumn(place: number, target: string): string {
  return `${target}_${place}`;
}
