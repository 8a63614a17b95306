/** Checks that a value read from JSON has the members that its reader uses. Further members are ignored. */

/** @returns where the value is not as it should be, in words; null where it is */
export type Shape = (value: unknown, path: string) => string | null

const typed =
  (type: 'string' | 'number' | 'boolean'): Shape =>
  (value, path) =>
    typeof value === type ? null : `${path} is not a ${type}`

export const TEXT = typed('string')
export const NUMBER = typed('number')
export const FLAG = typed('boolean')

export const among =
  (values: readonly string[]): Shape =>
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

/** @param least fewest items */
export const list =
  (shape: Shape, least = 0): Shape =>
  (value, path) => {
    if (!Array.isArray(value)) return `${path} is not a list`
    if (value.length < least) return `${path} has fewer than ${least} items`
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
