/** What was opened, closed in reverse order; the first failure does not keep the rest open. */
export interface Closers {
  add(close: () => Promise<void> | void): void
  closeAll(): Promise<void>
}

export const createClosers = (): Closers => {
  const closers: Parameters<Closers['add']>[0][] = []
  return {
    add: (close) => void closers.push(close),
    async closeAll() {
      for (const close of closers.splice(0).reverse())
        await Promise.resolve(close()).catch(() => {})
    },
  }
}
