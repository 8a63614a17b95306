/** The command line of a benchmark: `--rounds 5 --warm-up-seconds 3 --keep --out file.json`. */
import { parseArgs } from 'node:util'

/** Marks an option that has no default. */
export const optional = undefined as string | undefined

type Default = string | number | boolean | undefined

/** `-readonly` and wider than the literal default. */
type Options<Defaults> = {
  [Name in keyof Defaults]: Defaults[Name] extends number
    ? number
    : Defaults[Name] extends boolean
      ? boolean
      : Defaults[Name] extends string
        ? string
        : string | undefined
}

const kebabOf = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

const valueOf = (name: string, given: string | boolean, fallback: Default): Default => {
  if (typeof fallback !== 'number') return given
  const number = Number(given)
  if (Number.isNaN(number)) throw new Error(`--${name} takes a number, not ${given}`)
  return number
}

/**
 * Every benchmark has `--out`, a file for its report. A number as default makes an option a number, and
 * `false` makes it a flag. @throws Error for an unknown option or a text in place of a number
 */
export const readOptions = <const Defaults extends Record<string, Default>>(
  defaults: Defaults
): Options<Defaults> & { out: string | undefined } => {
  const all: Record<string, Default> = { out: optional, ...defaults }
  const { values } = parseArgs({
    options: Object.fromEntries(
      Object.entries(all).map(([name, fallback]) => [
        kebabOf(name),
        { type: typeof fallback === 'boolean' ? 'boolean' : 'string' },
      ])
    ),
  })
  const read = Object.entries(all).map(([name, fallback]) => {
    const given = values[kebabOf(name)] as string | boolean | undefined
    return [name, given === undefined ? fallback : valueOf(kebabOf(name), given, fallback)]
  })
  return Object.fromEntries(read) as Options<Defaults> & { out: string | undefined }
}

/** Parts by name, separated by commas; all of them by default. @throws Error for an unknown one */
export const partsOf = (given: string | undefined, known: object): string[] => {
  const names = given?.split(',') ?? Object.keys(known)
  const unknown = names.find((name) => !(name in known))
  if (unknown === undefined) return names
  throw new Error(`no part ${unknown}; there are ${Object.keys(known).join(', ')}`)
}
