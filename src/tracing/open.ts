/** The door to spans: what sends them is loaded only where they are wanted. */
import type { Tracing, TracingOptions } from './start.ts'

/** @param options null for no spans */
export const openTracing = async (options: TracingOptions | null): Promise<Tracing | null> => {
  if (options === null) return null
  const { startTracing } = await import('./start.ts')
  return startTracing(options)
}
