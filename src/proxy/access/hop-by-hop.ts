/** Headers that are meant for one connection and never cross the proxy (RFC 9110 §7.6.1). */

export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const NONE: ReadonlySet<string> = new Set()

/** Names that a `connection` header declares as hop-by-hop. */
export const declaredHopByHop = (connection: string | undefined): ReadonlySet<string> => {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return NONE
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
}
