/** Everything opened, closed in reverse order; a failure does not keep the rest open. */
export interface Closers {
  add(close: () => Promise<void> | void): void
  closeAll(): Promise<void>
}

/** @param onFault takes what a closer throws */
export const createClosers = (onFault: (error: unknown) => void): Closers => {
  const closers: Parameters<Closers['add']>[0][] = []
  return {
    add: (close) => void closers.push(close),
    async closeAll() {
      for (const close of closers.splice(0).reverse())
        await Promise.resolve().then(close).catch(onFault)
    },
  }
}
