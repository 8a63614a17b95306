/** Addresses of the views. Ids and versions may have any character. */
import { BASE } from './env.ts'

const at = (section: string, name: string): string =>
  `${BASE}/${section}/${encodeURIComponent(name)}`

export const templatePath = (version: string): string => at('templates', version)

export const internalizationPath = (id: string): string => at('internalizations', id)

export const recordPath = (id: string): string => at('records', id)

/** A path with those of the fields that are given. */
export const withQuery = (
  path: string,
  fields: Record<string, string | number | undefined>
): string => {
  const query = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}=${encodeURIComponent(value)}`]
  )
  return query.length === 0 ? path : `${path}?${query.join('&')}`
}
