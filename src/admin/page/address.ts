/** Addresses of the views. Ids and versions may have any character. */
import { BASE, type PageContext } from './env.ts'

/** What balancers say of the client's connection to them, with the values for TLS. */
const TLS_SIGNS: readonly [header: string, value: RegExp][] = [
  // the browser itself, of a form
  ['origin', /^https:/i],
  // the first hop is the client's
  ['x-forwarded-proto', /^\s*https\b/i],
  ['x-forwarded-scheme', /^\s*https\b/i],
  ['forwarded', /^[^,]*\bproto="?https\b/i],
  ['x-forwarded-ssl', /^on$/i],
  ['front-end-https', /^on$/i],
]

/** Whether the browser came by TLS. A sign that is a lie only misleads its writer. */
export const isSecure = ({ req }: PageContext): boolean =>
  new URL(req.url).protocol === 'https:' ||
  TLS_SIGNS.some(([header, value]) => value.test(req.header(header) ?? ''))

/** For commands that people copy: by http, they would send a key that everyone on the way can read. */
export const originOf = (context: PageContext): string => {
  const { host } = new URL(context.req.url)
  return `${isSecure(context) ? 'https' : 'http'}://${host}`
}

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
