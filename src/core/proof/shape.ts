/** Checks that a value read from JSON has the members that its reader uses. Further members are ignored. */

/** @returns where the value is not as it should be, in words; null where it is */
export type Shape = (value: unknown, path: string) => string | null

const typed =
  (type: 'string' | 'boolean'): Shape =>
  (value, path) =>
    typeof value === type ? null : `${path} is not a ${type}`

export const TEXT = typed('string')
export const FLAG = typed('boolean')

/** JSON can write numbers that no double holds: they are read as infinite. */
export const within =
  (least: number, most: number): Shape =>
  (value, path) =>
    typeof value === 'number' && value >= least && value <= most
      ? null
      : `${path} is not a number from ${least} to ${most}`

export const NUMBER = within(-Number.MAX_VALUE, Number.MAX_VALUE)
export const SHARE = within(0, 1)
/** Milliseconds since the epoch, or a duration: as far as a `Date` reaches. */
export const TIME = within(0, 8.64e15)

/** A whole number from 0 on. */
export const COUNT: Shape = (value, path) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? null : `${path} is not a count`

/** A count that is at most this one. */
export const upTo =
  (most: number): Shape =>
  (value, path) =>
    COUNT(value, path) ?? within(0, most)(value, path)

export const among =
  (values: readonly (string | number)[]): Shape =>
  (value, path) =>
    values.includes(value as string) ? null : `${path} is not one of ${values.join(', ')}`

export const nullable =
  (shape: Shape): Shape =>
  (value, path) =>
    value === null ? null : shape(value, path)

export const optional =
  (shape: Shape): Shape =>
  (value, path) =>
    value === undefined ? null : shape(value, path)

export const list =
  (shape: Shape, { least = 0, most = Infinity }: { least?: number; most?: number } = {}): Shape =>
  (value, path) => {
    if (!Array.isArray(value)) return `${path} is not a list`
    if (value.length < least) return `${path} has fewer than ${least} items`
    if (value.length > most) return `${path} has more than ${most} items`
    for (const [i, item] of value.entries()) {
      const fault = shape(item, `${path}[${i}]`)
      if (fault !== null) return fault
    }
    return null
  }

export const members =
  (shapes: Record<string, Shape>): Shape =>
  (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return `${path} is not an object`
    for (const [name, shape] of Object.entries(shapes)) {
      const inner = path === '' ? name : `${path}.${name}`
      const fault = shape((value as Record<string, unknown>)[name], inner)
      if (fault !== null) return fault
    }
    return null
  }
