/** Where two values of JSON differ. */

/** Arithmetic of another machine, or in another order. */
const TOLERANCE = 1e-9

/** Counts and times are equal or not. */
const isClose = (one: number, other: number): boolean =>
  Number.isInteger(one) && Number.isInteger(other)
    ? one === other
    : Math.abs(one - other) <= TOLERANCE * Math.max(1, Math.abs(one), Math.abs(other))

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/**
 * Numbers that are not whole may differ by a billionth, of themselves or of 1. A member that is undefined is like one that is not there.
 * @returns paths such as `arms[0].coverage`, at most as many as there are differences
 */
export const differences = (one: unknown, other: unknown, path = ''): string[] => {
  if (typeof one === 'number' && typeof other === 'number') return isClose(one, other) ? [] : [path]
  if (!isObject(one) || !isObject(other) || Array.isArray(one) !== Array.isArray(other))
    return one === other ? [] : [path]
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])]
  return names.flatMap((name) => {
    const inner = Array.isArray(one) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`
    return differences(one[name], other[name], inner)
  })
}
