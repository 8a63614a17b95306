/** Members of values that other programs wrote, whose types are not known. */
export type Fields = Record<string, unknown>

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The objects of a list; none of anything else. */
export const objectsIn = (list: unknown): Fields[] =>
  (Array.isArray(list) ? list : []).filter(isObject)

/** Whether a value stands for nothing: databases and exports write `''`, `{}` and `[]` where nothing was kept. */
export const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0)

/** The value of a text that is a JSON object or list, as CSV files and string columns have them; else the value. */
export const unpacked = (value: unknown): unknown => {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    return value
  }
}

/** The object in a value or in its JSON text. @returns no members for anything else */
export const fieldsIn = (value: unknown): Fields => {
  const found = unpacked(value)
  return isObject(found) ? found : {}
}

/** A count of tokens, also as a text. @returns null for anything else */
export const countOf = (value: unknown): number | null => {
  const count = typeof value === 'string' && value !== '' ? Number(value) : value
  return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : null
}

/** The members that have a value, in the order of the names. */
export const membersOf = (fields: Fields, names: readonly string[]): Fields =>
  Object.fromEntries(
    names
      .filter((name) => fields[name] !== undefined && fields[name] !== null)
      .map((name) => [name, fields[name]])
  )

/** More of an id tells a person nothing. */
const MAX_NAME_CHARS = 64

/** A value for a reason. */
export const nameOf = (value: unknown): string => textOf(value).slice(0, MAX_NAME_CHARS)

/** A value as the text of a message: its JSON, unless it is a text. */
export const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
