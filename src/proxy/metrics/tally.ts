/** Counters with a fixed set of label values, counted for a nanosecond and copied when scraped. */
import { Counter, Gauge, type Registry } from 'prom-client'

export interface Naming<Label extends string> {
  name: string
  help: string
  label: Label
}

/** @returns an object to count up in; every value of the label is shown from the start on */
export const createTally = <Value extends string>(
  registry: Registry,
  { name, help, label }: Naming<string>,
  values: readonly Value[]
): Record<Value, number> => {
  const counts = Object.fromEntries(values.map((value) => [value, 0])) as Record<Value, number>
  const counter: Counter = new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect: () => {
      counter.reset()
      for (const value of values) counter.inc({ [label]: value }, counts[value])
    },
  })
  return counts
}

/** A gauge that is read when it is scraped. @param read its values by the label's */
export const registerReading = (
  registry: Registry,
  { name, help, label }: Naming<string>,
  read: () => Iterable<[value: string, reading: number]>
): void => {
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect: () => {
      for (const [value, reading] of read()) gauge.set({ [label]: value }, reading)
    },
  })
}
