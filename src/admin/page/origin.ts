/** How the browser reaches this server, which may be behind a balancer that ends TLS. */
import type { PageContext } from './env.ts'

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
