/**
 * What comes, once its first part is there: whoever answers with it still has a status for what fails before. Ends what it
 * reads from where nobody wants the rest.
 */
export async function withFirstPart<T>(parts: AsyncIterable<T>): Promise<AsyncGenerator<T, void, undefined>> {
  const iterator = parts[Symbol.asyncIterator]();
  const first = await iterator.next();
  async function* all() {
    try {
      for (let part = first; part.done !== true; part = await iterator.next()) yield part.value;
    } finally {
      await iterator.return?.();
    }
  }
  return all();
}
