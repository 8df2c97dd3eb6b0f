/** Waits for all, also where one has failed: what is still starting must not be left behind. */
export async function settled<T extends readonly unknown[]>(
  work: {
    [K in keyof T]: Promise<T[K]>;
  },
): Promise<T> {
  const results = await Promise.allSettled(work);
  const failed = results.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
  return Promise.all(work) as Promise<unknown> as Promise<T>;
}
