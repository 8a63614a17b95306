/** Metrics that cost the hot path nothing or a nanosecond: their values are copied when scraped. */
import { Counter, Gauge, type Registry } from 'prom-client'

export interface Naming {
  name: string
  help: string
  label: string
}

/** One value of a metric, by its labels. */
export type Reading = [labels: Record<string, string>, value: number]

export interface ReadMetric {
  type: 'counter' | 'gauge'
  name: string
  help: string
  labels?: string[]
}

/** A metric that is read when it is scraped. @param read null leaves the last values as they are */
export const registerReading = (
  registry: Registry,
  { type, name, help, labels = [] }: ReadMetric,
  read: () => Reading[] | null | Promise<Reading[] | null>
): void => {
  const Metric = type === 'counter' ? Counter : Gauge
  const metric: Counter | Gauge = new Metric({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect: async () => {
      const readings = await read()
      if (readings === null) return
      metric.reset()
      for (const [labeled, value] of readings) metric.inc(labeled, value)
    },
  })
}

/**
 * A counter with a fixed set of label values.
 * @returns an object to count up in; every value of the label is shown from the start on
 */
export const createTally = <Value extends string>(
  registry: Registry,
  { name, help, label }: Naming,
  values: readonly Value[]
): Record<Value, number> => {
  const counts = Object.fromEntries(values.map((value) => [value, 0])) as Record<Value, number>
  registerReading(registry, { type: 'counter', name, help, labels: [label] }, () =>
    values.map((value) => [{ [label]: value }, counts[value]])
  )
  return counts
}
