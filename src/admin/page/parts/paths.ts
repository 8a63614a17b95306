/** Addresses of the page. Ids may have any characters. */
import { BASE } from '../env.ts'

export const internalizationPath = (id: string): string =>
  `${BASE}/internalizations/${encodeURIComponent(id)}`

export const recordPath = (id: string): string => `${BASE}/records/${encodeURIComponent(id)}`

export const templatePath = (version: string): string =>
  `${BASE}/templates/${encodeURIComponent(version)}`

/** With a query of the fields that are not empty. */
export const withQuery = (path: string, fields: Record<string, string | number | null>): string => {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(fields))
    if (value !== null && value !== '') query.set(name, String(value))
  return query.size === 0 ? path : `${path}?${query.toString()}`
}
